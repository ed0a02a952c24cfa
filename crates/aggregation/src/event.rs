//! What comes in: an event, the rules for its parts, and where in time it belongs.

use crate::name::Name;

/// The longest user id, in bytes.
pub(crate) const USER_ID_LEN_MAX: usize = 128;
/// How far behind the clock an event may be and still count to the second.
pub(crate) const LATE_WINDOW_MS: i64 = 120_000;
/// How far ahead of the clock an event may be: clocks differ.
const FUTURE_MS: i64 = 5_000;
/// Minutes that are kept, the running one included.
pub(crate) const DAY_MINUTES: i64 = 1_440;
/// The first moment of the year 10,000, in milliseconds: no calendar of ours gets there.
const CALENDAR_END_MS: i64 = 253_402_300_800_000;

/// Something that happened at a moment and has a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<'a> {
    /// When it happened, in milliseconds since 1970; aggregates are by this, never by the time of
    /// arrival. [`Event::NO_TIME`] where the producer gave none.
    pub time_ms: i64,
    /// Who did it, at most 128 bytes; empty where nobody did.
    pub user_id: &'a str,
    /// What it was: 1 to 64 of `a-z 0-9 . _ -`, starting with a letter.
    pub event_type: &'a str,
    /// The number, at most [`Event::VALUE_MAX`] in magnitude; its unit belongs to the event type.
    pub value: f64,
}

impl Event<'_> {
    /// Stands for a time that is missing or cannot be read; such an event is refused.
    pub const NO_TIME: i64 = i64::MIN;
    /// The greatest magnitude of a value: neither sums nor sums of squares of such values leave the
    /// range of floats, however many there are.
    pub const VALUE_MAX: f64 = 1e100;
}

/// Why an event was not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Reason {
    /// The event type is empty, too long or has characters it may not have.
    #[error("the event type is not 1 to 64 of a-z 0-9 . _ - starting with a letter")]
    EventTypeInvalid,
    /// The user id is too long.
    #[error("the user id has more than 128 bytes")]
    UserIdInvalid,
    /// The value is NaN or infinite.
    #[error("the value is not a finite number")]
    ValueNotFinite,
    /// The magnitude of the value is above [`Event::VALUE_MAX`].
    #[error("the magnitude of the value is above 1e100")]
    ValueTooLarge,
    /// The time is missing, or outside the years 1970 to 9999.
    #[error("the time is missing or no time that a calendar has")]
    TimeInvalid,
    /// The time is before the first of the 1,440 minutes that are kept.
    #[error("the time is before everything that is kept")]
    TooOld,
    /// The time is more than 5 s after the clock.
    #[error("the time is in the future")]
    InFuture,
    /// A record names an event type or a user that its batch does not list.
    #[error("the record names an event type or a user that its batch does not list")]
    PlaceUnknown,
    /// There are as many tenants as there may be. For single events only: a batch is then refused
    /// as a whole.
    #[error("there are as many tenants as there may be")]
    TenantsFull,
}

/// How an event counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// In its second and its minute.
    InTime,
    /// After the late window: in its minute only.
    Late,
}

/// Where in time an event belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) second: i64,
    pub(crate) minute: i64,
    /// After the late window: counts in its minute only.
    pub(crate) late: bool,
}

impl Moment {
    pub(crate) fn counted(self) -> Counted {
        if self.late {
            Counted::Late
        } else {
            Counted::InTime
        }
    }

    /// Where an event of `time_ms` belongs when the clock says `now_ms`.
    pub(crate) fn of(time_ms: i64, now_ms: i64) -> Result<Self, Reason> {
        if !(0..CALENDAR_END_MS).contains(&time_ms) {
            return Err(Reason::TimeInvalid);
        }
        if time_ms > now_ms.saturating_add(FUTURE_MS) {
            return Err(Reason::InFuture);
        }
        let second = time_ms.div_euclid(1_000);
        let minute = second.div_euclid(60);
        if minute <= minute_of(now_ms) - DAY_MINUTES {
            return Err(Reason::TooOld);
        }
        Ok(Self {
            second,
            minute,
            late: time_ms < now_ms.saturating_sub(LATE_WINDOW_MS),
        })
    }
}

/// The minute since 1970 that a moment in milliseconds is in.
pub(crate) fn minute_of(time_ms: i64) -> i64 {
    time_ms.div_euclid(60_000)
}

/// Whether these are the parts of an event that can be counted, its event type apart.
pub(crate) fn check(user_id: &str, value: f64) -> Result<(), Reason> {
    if user_id.len() > USER_ID_LEN_MAX {
        return Err(Reason::UserIdInvalid);
    }
    if value.abs() <= Event::VALUE_MAX {
        return Ok(());
    }
    Err(if value.is_finite() {
        Reason::ValueTooLarge
    } else {
        Reason::ValueNotFinite
    })
}

/// The name of an event type, if it may be one.
pub(crate) fn event_type(text: &str) -> Result<Name, Reason> {
    let letters = text.bytes().all(|byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
    });
    if !letters || !text.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(Reason::EventTypeInvalid);
    }
    Name::new(text).ok_or(Reason::EventTypeInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    #[test]
    fn the_edges_of_time_are_where_they_are_said_to_be() {
        let late = |time_ms| Moment::of(time_ms, NOW).map(|moment| moment.late);

        assert_eq!(late(NOW + 5_000), Ok(false));
        assert_eq!(late(NOW + 5_001), Err(Reason::InFuture));
        assert_eq!(late(NOW - 120_000), Ok(false));
        assert_eq!(late(NOW - 120_001), Ok(true));
        let oldest = (minute_of(NOW) - 1_439) * 60_000;
        assert_eq!(late(oldest), Ok(true));
        assert_eq!(late(oldest - 1), Err(Reason::TooOld));
    }

    #[test]
    fn absurd_times_are_refused_whatever_the_clock_says() {
        for now_ms in [NOW, 0, i64::MAX, i64::MIN] {
            for time_ms in [Event::NO_TIME, i64::MAX, -1, CALENDAR_END_MS] {
                assert_eq!(Moment::of(time_ms, now_ms).err(), Some(Reason::TimeInvalid));
            }
        }
    }

    #[test]
    fn event_types_are_what_the_contract_allows() {
        for good in ["a", "order.placed", "a-b_c.9", &"a".repeat(64)] {
            assert!(event_type(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "9a",
            "_a",
            ".a",
            "A",
            "a b",
            "ä",
            "__other__",
            &"a".repeat(65),
        ] {
            assert_eq!(
                event_type(bad).err(),
                Some(Reason::EventTypeInvalid),
                "{bad}"
            );
        }
    }
}
