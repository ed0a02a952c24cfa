//! How a person wants to be told. It silences and chooses channels; what is told is stored, counted and
//! delivered whatever stands here.

mod quiet;

use time::OffsetDateTime;

use super::pattern::Pattern;
pub use quiet::{Minute, MinuteError, QuietHours, QuietHoursError, UnknownZone, Zone};

/// A way to reach a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Their connections.
    Live,
    /// An e-mail.
    Email,
}

/// The channels of some types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRule {
    /// Of which types.
    pub types: Pattern,
    /// Which channels; none: none.
    pub channels: Vec<Channel>,
}

/// How a person wants to be told. By default nothing is silent and nothing is mailed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Types that are silent and go to no other channel.
    pub muted: Vec<Pattern>,
    /// When nothing interrupts.
    pub quiet: Option<QuietHours>,
    /// Of those that match a type the first counts; else it is [`Channel::Live`] alone.
    pub rules: Vec<ChannelRule>,
}

impl Preferences {
    /// Patterns that may be muted.
    pub const MUTED_MAX: usize = 100;
    /// Rules there may be.
    pub const RULES_MAX: usize = 100;

    /// Whether nothing is ever silent by them.
    #[must_use]
    pub fn is_never_silent(&self) -> bool {
        let is_live = |rule: &ChannelRule| rule.channels.contains(&Channel::Live);
        self.muted.is_empty() && self.quiet.is_none() && self.rules.iter().all(is_live)
    }

    /// Whether a notification of this type must not interrupt at this moment.
    #[must_use]
    pub fn is_silent(&self, kind: &str, now: OffsetDateTime) -> bool {
        self.is_muted(kind) || !self.is_for(kind, Channel::Live) || self.is_quiet(now)
    }

    /// Whether a notification of this type is mailed; in quiet hours when they [end](Self::quiet_until).
    #[must_use]
    pub fn wants_email(&self, kind: &str) -> bool {
        !self.is_muted(kind) && self.is_for(kind, Channel::Email)
    }

    /// Whether any type may be mailed.
    #[must_use]
    pub fn names_email(&self) -> bool {
        let is_mailed = |rule: &ChannelRule| rule.channels.contains(&Channel::Email);
        self.rules.iter().any(is_mailed)
    }

    /// Until when it is quiet, if it is now: the first moment that is not.
    #[must_use]
    pub fn quiet_until(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        self.quiet.as_ref()?.until(now)
    }

    fn is_quiet(&self, now: OffsetDateTime) -> bool {
        self.quiet.as_ref().is_some_and(|quiet| quiet.holds(now))
    }

    fn is_muted(&self, kind: &str) -> bool {
        self.muted.iter().any(|pattern| pattern.matches(kind))
    }

    fn is_for(&self, kind: &str, channel: Channel) -> bool {
        let rule = self.rules.iter().find(|rule| rule.types.matches(kind));
        rule.map_or(channel == Channel::Live, |rule| {
            rule.channels.contains(&channel)
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn rule(types: &str, channels: &[Channel]) -> ChannelRule {
        ChannelRule {
            types: types.parse().unwrap(),
            channels: channels.to_vec(),
        }
    }

    fn muted(types: &str) -> Vec<Pattern> {
        vec![types.parse().unwrap()]
    }

    const NOON: OffsetDateTime = datetime!(2026-07-01 12:00 UTC);

    #[test]
    fn who_said_nothing_is_interrupted_and_gets_no_mail() {
        let nothing = Preferences::default();

        assert!(!nothing.is_silent("order.confirmed", NOON));
        assert!(!nothing.wants_email("order.confirmed"));
        assert_eq!(nothing.quiet_until(NOON), None);
        assert!(nothing.is_never_silent() && !nothing.names_email());
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let preferences = Preferences {
            rules: vec![
                rule("order.confirmed", &[Channel::Live, Channel::Email]),
                rule("order.*", &[Channel::Email]),
                rule("chat.*", &[]),
                rule("*", &[Channel::Live]),
            ],
            ..Preferences::default()
        };

        for (kind, silent, mailed) in [
            ("order.confirmed", false, true),
            ("order.shipped", true, true),
            ("chat.message", true, false),
            ("chat", false, false),
        ] {
            assert_eq!(preferences.is_silent(kind, NOON), silent, "{kind}");
            assert_eq!(preferences.wants_email(kind), mailed, "{kind}");
        }
        assert!(!preferences.is_never_silent() && preferences.names_email());
    }

    #[test]
    fn what_is_muted_is_silent_and_not_mailed_whatever_the_rules_say() {
        let preferences = Preferences {
            muted: muted("order.*"),
            rules: vec![rule("*", &[Channel::Live, Channel::Email])],
            ..Preferences::default()
        };

        assert!(preferences.is_silent("order.confirmed", NOON));
        assert!(!preferences.wants_email("order.confirmed"));
        assert!(!preferences.is_silent("stock.low", NOON));
        assert!(preferences.wants_email("stock.low"));
        assert!(!preferences.is_never_silent());
    }

    #[test]
    fn quiet_hours_silence_everything_and_let_mail_wait() {
        let preferences = Preferences {
            quiet: Some(QuietHours::new(
                Minute::try_from(12 * 60).unwrap(),
                Minute::try_from(13 * 60).unwrap(),
                "UTC".parse().unwrap(),
            ))
            .transpose()
            .unwrap(),
            rules: vec![rule("*", &[Channel::Live, Channel::Email])],
            ..Preferences::default()
        };

        assert!(preferences.is_silent("order.confirmed", NOON));
        assert!(preferences.wants_email("order.confirmed"));
        let end = datetime!(2026-07-01 13:00 UTC);
        assert_eq!(preferences.quiet_until(NOON), Some(end));
        assert!(!preferences.is_silent("order.confirmed", end));
        assert!(!preferences.is_never_silent());
    }
}
