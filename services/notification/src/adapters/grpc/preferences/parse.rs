//! From messages to preferences. Every bad field is named in one answer, up to a number.

use std::collections::HashSet;

use tonic::Status;
use tradepost_proto::notification::v1 as pb;
use tradepost_service::error::Violations;

use crate::adapters::grpc::status::DOMAIN;
use crate::domain::{Channel, ChannelRule, Minute, Pattern, Preferences, QuietHours, Zone};
use crate::ports::Expected;

/// Bad entries of a list that are named in one answer.
const NAMED_MAX: usize = 20;

pub(super) fn preferences(
    message: Option<pb::Preferences>,
) -> Result<(Preferences, Expected), Status> {
    let mut faults = Violations::new();
    let Some(message) = message else {
        faults.add("preferences", "is required");
        return Err(faults.into_failure(DOMAIN).into());
    };
    let preferences = Preferences {
        muted: muted(&mut faults, &message.muted_types),
        quiet: message
            .quiet_hours
            .and_then(|hours| quiet(&mut faults, &hours)),
        rules: rules(&mut faults, &message.channel_rules),
    };
    faults.check(DOMAIN)?;
    let expected = match message.revision {
        0 => Expected::Any,
        revision => Expected::Revision(revision),
    };
    Ok((preferences, expected))
}

/// The patterns, each once.
fn muted(faults: &mut Violations, texts: &[String]) -> Vec<Pattern> {
    if texts.len() > Preferences::MUTED_MAX {
        faults.add("preferences.muted_types", "must be at most 100");
        return Vec::new();
    }
    let (mut seen, mut muted, mut bad) = (HashSet::new(), Vec::new(), 0);
    for (index, text) in texts.iter().enumerate() {
        let field = format!("preferences.muted_types[{index}]");
        let pattern: Option<Pattern> = faults.take(field, text.parse());
        bad += usize::from(pattern.is_none());
        if bad >= NAMED_MAX {
            break;
        }
        muted.extend(pattern.filter(|_| seen.insert(text)));
    }
    muted
}

fn quiet(faults: &mut Violations, hours: &pb::QuietHours) -> Option<QuietHours> {
    let field = |name: &str| format!("preferences.quiet_hours.{name}");
    let start = faults.take(field("start_minute"), Minute::try_from(hours.start_minute));
    let end = faults.take(field("end_minute"), Minute::try_from(hours.end_minute));
    let zone: Option<Zone> = faults.take(field("time_zone"), hours.time_zone.parse());
    faults.take(field("end_minute"), QuietHours::new(start?, end?, zone?))
}

fn rules(faults: &mut Violations, messages: &[pb::ChannelRule]) -> Vec<ChannelRule> {
    if messages.len() > Preferences::RULES_MAX {
        faults.add("preferences.channel_rules", "must be at most 100");
        return Vec::new();
    }
    let (mut rules, mut bad) = (Vec::new(), 0);
    for (index, message) in messages.iter().enumerate() {
        let rule = rule(faults, index, message);
        bad += usize::from(rule.is_none());
        if bad >= NAMED_MAX {
            break;
        }
        rules.extend(rule);
    }
    rules
}

fn rule(faults: &mut Violations, index: usize, message: &pb::ChannelRule) -> Option<ChannelRule> {
    let field = |name: &str| format!("preferences.channel_rules[{index}].{name}");
    let types = faults.take(field("types"), message.types.parse());
    let channels = channels(faults, &field("channels"), &message.channels);
    Some(ChannelRule {
        types: types?,
        channels: channels?,
    })
}

/// The channels; none if one is bad, which is named.
fn channels(faults: &mut Violations, field: &str, numbers: &[i32]) -> Option<Vec<Channel>> {
    let mut channels = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        let channel = match pb::Channel::try_from(*number) {
            Ok(pb::Channel::Live) => Ok(Channel::Live),
            Ok(pb::Channel::Email) => Ok(Channel::Email),
            Ok(pb::Channel::Unspecified) | Err(_) => Err("must be a channel"),
        };
        let channel = channel.and_then(|channel| {
            let is_new = !channels.contains(&channel);
            is_new.then_some(channel).ok_or("is named before")
        });
        channels.push(faults.take(format!("{field}[{index}]"), channel)?);
    }
    Some(channels)
}
