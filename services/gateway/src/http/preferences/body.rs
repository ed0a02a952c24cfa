//! Preferences as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::notification::v1 as pb;
use utoipa::ToSchema;

use super::time_of_day::TimeOfDay;
use crate::http::problem::Problem;
use crate::http::values::{Time, maybe_instant, present};

/// A way to reach somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Channel {
    /// Their connections: without it a notification arrives marked as silent.
    Live,
    /// An e-mail, to the address that is known of them.
    Email,
    /// One that is newer than this gateway.
    #[serde(skip_deserializing)]
    Unspecified,
}

impl Channel {
    fn of(value: i32) -> Self {
        match pb::Channel::try_from(value) {
            Ok(pb::Channel::Live) => Self::Live,
            Ok(pb::Channel::Email) => Self::Email,
            Ok(pb::Channel::Unspecified) | Err(_) => Self::Unspecified,
        }
    }
}

impl From<Channel> for pb::Channel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Live => Self::Live,
            Channel::Email => Self::Email,
            Channel::Unspecified => Self::Unspecified,
        }
    }
}

/// The channels of some types.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChannelRule {
    /// A type, all of a family (`order.*`), or `*`.
    #[schema(example = "order.shipped")]
    types: String,
    /// Which channels; none: none.
    #[schema(example = json!(["live", "email"]))]
    channels: Vec<Channel>,
}

impl From<pb::ChannelRule> for ChannelRule {
    fn from(rule: pb::ChannelRule) -> Self {
        Self {
            types: rule.types,
            channels: rule.channels.into_iter().map(Channel::of).collect(),
        }
    }
}

impl From<ChannelRule> for pb::ChannelRule {
    fn from(rule: ChannelRule) -> Self {
        let channels = rule.channels.into_iter();
        Self {
            types: rule.types,
            channels: channels
                .map(|channel| pb::Channel::from(channel).into())
                .collect(),
        }
    }
}

/// A time of each day at which nothing interrupts: what arrives is silent, and an e-mail waits until it
/// ends.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuietHours {
    /// From then on.
    start: TimeOfDay,
    /// Until then; if it is before the start, on the next day. They differ.
    end: TimeOfDay,
    /// Of which place (IANA).
    #[schema(example = "Europe/London")]
    time_zone: String,
}

impl TryFrom<pb::QuietHours> for QuietHours {
    type Error = Problem;

    fn try_from(hours: pb::QuietHours) -> Result<Self, Problem> {
        Ok(Self {
            start: present(TimeOfDay::of(hours.start_minute))?,
            end: present(TimeOfDay::of(hours.end_minute))?,
            time_zone: hours.time_zone,
        })
    }
}

impl From<QuietHours> for pb::QuietHours {
    fn from(hours: QuietHours) -> Self {
        Self {
            start_minute: hours.start.into(),
            end_minute: hours.end.into(),
            time_zone: hours.time_zone,
        }
    }
}

/// How somebody wants to be told from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPreferences {
    /// Types that are silent and go to no other channel: a type, all of a family (`order.*`), or `*`.
    #[serde(default)]
    #[schema(max_items = 100, example = json!(["order.*"]))]
    muted_types: Vec<String>,
    /// Left out: there are none.
    #[schema(nullable = false)]
    quiet_hours: Option<QuietHours>,
    /// Of those that match a type the first counts; without one, `live` alone.
    #[serde(default)]
    #[schema(max_items = 100)]
    channel_rules: Vec<ChannelRule>,
    /// The one that was read: should it not be the present one any more, nothing is changed. Left out
    /// or 0: they are replaced whatever they are.
    #[serde(default)]
    #[schema(example = 3)]
    revision: u64,
    /// Not looked at: so that what was read can be sent back.
    #[serde(default)]
    #[schema(nullable = false)]
    #[expect(dead_code, reason = "it is taken, and not looked at")]
    update_time: Option<Time>,
}

impl From<NewPreferences> for pb::Preferences {
    fn from(new: NewPreferences) -> Self {
        let rules = new.channel_rules.into_iter();
        Self {
            muted_types: new.muted_types,
            quiet_hours: new.quiet_hours.map(pb::QuietHours::from),
            channel_rules: rules.map(pb::ChannelRule::from).collect(),
            revision: new.revision,
            update_time: None,
        }
    }
}

/// How somebody wants to be told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Preferences {
    /// Types that are silent and go to no other channel.
    #[schema(example = json!(["order.*"]))]
    muted_types: Vec<String>,
    /// Left out when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    quiet_hours: Option<QuietHours>,
    /// Of those that match a type the first counts; without one, `live` alone.
    channel_rules: Vec<ChannelRule>,
    /// Counts the changes; 0: none yet.
    #[schema(example = 3)]
    revision: u64,
    /// When they were changed last; left out when they never were.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    update_time: Option<Time>,
}

impl TryFrom<pb::Preferences> for Preferences {
    type Error = Problem;

    fn try_from(preferences: pb::Preferences) -> Result<Self, Problem> {
        let hours = preferences.quiet_hours.map(QuietHours::try_from);
        let rules = preferences.channel_rules.into_iter();
        Ok(Self {
            muted_types: preferences.muted_types,
            quiet_hours: hours.transpose()?,
            channel_rules: rules.map(ChannelRule::from).collect(),
            revision: preferences.revision,
            update_time: maybe_instant(preferences.update_time)?,
        })
    }
}
