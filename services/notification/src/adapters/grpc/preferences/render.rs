//! From values to answers.

use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::notification::v1 as pb;

use crate::domain::{Channel, ChannelRule, QuietHours};
use crate::ports::StoredPreferences;

pub(super) fn preferences(stored: &StoredPreferences) -> pb::Preferences {
    let preferences = &stored.preferred.preferences;
    let muted = preferences.muted.iter().map(ToString::to_string);
    pb::Preferences {
        muted_types: muted.collect(),
        quiet_hours: preferences.quiet.as_ref().map(quiet),
        channel_rules: preferences.rules.iter().map(rule).collect(),
        revision: stored.preferred.revision,
        update_time: Some(timestamp_to_proto(stored.updated_at)),
    }
}

fn quiet(hours: &QuietHours) -> pb::QuietHours {
    pb::QuietHours {
        start_minute: hours.start().get().into(),
        end_minute: hours.end().get().into(),
        time_zone: hours.zone().as_str().to_owned(),
    }
}

fn rule(rule: &ChannelRule) -> pb::ChannelRule {
    let channels = rule.channels.iter().map(|channel| match channel {
        Channel::Live => pb::Channel::Live,
        Channel::Email => pb::Channel::Email,
    });
    pb::ChannelRule {
        types: rule.types.to_string(),
        channels: channels.map(i32::from).collect(),
    }
}
