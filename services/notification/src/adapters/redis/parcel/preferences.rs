//! Changes of preferences as bytes. What a node cannot read of them it asks the database for.

use std::sync::Arc;

use prost::Message;

use super::{KeyBytes, reader, reader_bytes};
use crate::domain::{Channel, ChannelRule, Minute, Pattern, Preferences, QuietHours};
use crate::ports::PreferenceChange;

#[derive(Clone, PartialEq, Message)]
pub(super) struct ChangeBytes {
    #[prost(message, optional, tag = "1")]
    reader: Option<KeyBytes>,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(message, optional, tag = "3")]
    preferences: Option<PreferencesBytes>,
}

#[derive(Clone, PartialEq, Message)]
struct PreferencesBytes {
    #[prost(string, repeated, tag = "1")]
    muted: Vec<String>,
    #[prost(message, optional, tag = "2")]
    quiet: Option<QuietBytes>,
    #[prost(message, repeated, tag = "3")]
    rules: Vec<RuleBytes>,
}

#[derive(Clone, PartialEq, Message)]
struct QuietBytes {
    #[prost(int32, tag = "1")]
    start: i32,
    #[prost(int32, tag = "2")]
    end: i32,
    #[prost(string, tag = "3")]
    zone: String,
}

#[derive(Clone, PartialEq, Message)]
struct RuleBytes {
    #[prost(string, tag = "1")]
    types: String,
    #[prost(enumeration = "ChannelByte", repeated, tag = "2")]
    channels: Vec<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum ChannelByte {
    Unknown = 0,
    Live = 1,
    Email = 2,
}

pub(super) fn seal(change: &PreferenceChange) -> ChangeBytes {
    ChangeBytes {
        reader: Some(reader_bytes(&change.reader)),
        revision: change.revision,
        preferences: change.preferences.as_deref().map(bytes),
    }
}

pub(super) fn open(bytes: ChangeBytes) -> Option<PreferenceChange> {
    let preferences = bytes.preferences.and_then(preferences);
    Some(PreferenceChange {
        reader: reader(bytes.reader?)?,
        revision: bytes.revision,
        preferences: preferences.map(Arc::new),
    })
}

fn bytes(preferences: &Preferences) -> PreferencesBytes {
    let quiet = preferences.quiet.as_ref().map(|hours| QuietBytes {
        start: hours.start().get().into(),
        end: hours.end().get().into(),
        zone: hours.zone().as_str().to_owned(),
    });
    PreferencesBytes {
        muted: preferences.muted.iter().map(ToString::to_string).collect(),
        quiet,
        rules: preferences.rules.iter().map(rule_bytes).collect(),
    }
}

fn rule_bytes(rule: &ChannelRule) -> RuleBytes {
    let channels = rule.channels.iter().map(|channel| match channel {
        Channel::Live => ChannelByte::Live,
        Channel::Email => ChannelByte::Email,
    });
    RuleBytes {
        types: rule.types.to_string(),
        channels: channels.map(i32::from).collect(),
    }
}

/// All of them, or none.
fn preferences(bytes: PreferencesBytes) -> Option<Preferences> {
    let muted: Option<Vec<Pattern>> = bytes.muted.iter().map(|text| text.parse().ok()).collect();
    let quiet = match bytes.quiet {
        Some(bytes) => Some(hours(&bytes)?),
        None => None,
    };
    let rules: Option<Vec<ChannelRule>> = bytes.rules.iter().map(rule).collect();
    Some(Preferences {
        muted: muted?,
        quiet,
        rules: rules?,
    })
}

fn hours(bytes: &QuietBytes) -> Option<QuietHours> {
    let start = Minute::try_from(bytes.start).ok()?;
    let end = Minute::try_from(bytes.end).ok()?;
    QuietHours::new(start, end, bytes.zone.parse().ok()?).ok()
}

fn rule(bytes: &RuleBytes) -> Option<ChannelRule> {
    let channels = bytes.channels.iter().map(|channel| {
        Some(match ChannelByte::try_from(*channel).ok()? {
            ChannelByte::Live => Channel::Live,
            ChannelByte::Email => Channel::Email,
            ChannelByte::Unknown => return None,
        })
    });
    let channels: Option<Vec<Channel>> = channels.collect();
    Some(ChannelRule {
        types: bytes.types.parse().ok()?,
        channels: channels?,
    })
}
