//! A time of each day at which nothing interrupts, as the clocks of a place show it.
//!
//! The clock on the wall decides, so it is what people expect on the days on which clocks are changed:
//! what is skipped is not quiet on that day, and what is repeated is quiet twice.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use time::OffsetDateTime;

const MINUTES: u16 = 24 * 60;
const DAY_SECONDS: i32 = 24 * 60 * 60;
/// Changes of the clock that may lie within one night.
const CHANGES_MAX: usize = 8;

/// The time zones that this program was built with: the same on every host.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A number is no minute of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a minute of the day, 0 to 1,439")]
pub struct MinuteError;

/// A minute of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Minute(u16);

impl Minute {
    /// How many minutes after the day's begin.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    fn seconds(self) -> i32 {
        i32::from(self.0) * 60
    }
}

impl TryFrom<i32> for Minute {
    type Error = MinuteError;

    fn try_from(minute: i32) -> Result<Self, MinuteError> {
        let minute = u16::try_from(minute).ok();
        let minute = minute.filter(|minute| *minute < MINUTES);
        minute.map(Self).ok_or(MinuteError)
    }
}

/// A text is no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a known IANA time zone like \"Europe/London\"")]
pub struct UnknownZone;

/// The clocks of a place.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: Box<str>,
    rules: TimeZone,
}

impl Zone {
    /// Its name, as the time zone database writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Zone").field(&self.name).finish()
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        let rules = ZONES.get(name).map_err(|_unknown| UnknownZone)?;
        let name = rules.iana_name().ok_or(UnknownZone)?.into();
        Ok(Self { name, rules })
    }
}

/// Two minutes are no quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must differ from the start")]
pub struct QuietHoursError;

/// A time of each day at which nothing interrupts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    start: Minute,
    end: Minute,
    zone: Zone,
}

impl QuietHours {
    /// From `start` up to `end`, without it; an end before the start is that of the next day.
    ///
    /// # Errors
    /// They are the same.
    pub fn new(start: Minute, end: Minute, zone: Zone) -> Result<Self, QuietHoursError> {
        if start == end {
            return Err(QuietHoursError);
        }
        Ok(Self { start, end, zone })
    }

    /// The first minute.
    #[must_use]
    pub const fn start(&self) -> Minute {
        self.start
    }

    /// The first minute that is not quiet any more.
    #[must_use]
    pub const fn end(&self) -> Minute {
        self.end
    }

    /// Of which place.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether it is quiet at this moment.
    #[must_use]
    pub fn holds(&self, now: OffsetDateTime) -> bool {
        second(now).is_some_and(|now| self.shows_quiet(now))
    }

    /// The first moment that is not quiet, if this one is.
    #[must_use]
    pub fn until(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let mut at = second(now).filter(|now| self.shows_quiet(*now))?;
        for _ in 0..CHANGES_MAX {
            let left = (self.end.seconds() - self.shown(at)).rem_euclid(DAY_SECONDS);
            let end = Timestamp::from_second(at.as_second() + i64::from(left)).ok()?;
            // Where the clock is changed before that, it shows another time from there on.
            let change = self.zone.rules.following(at).next();
            let change = change.map(|change| change.timestamp());
            match change.filter(|change| *change <= end) {
                Some(change) if self.shows_quiet(change) => at = change,
                Some(change) => return moment(change),
                None => return moment(end),
            }
        }
        moment(at)
    }

    fn shows_quiet(&self, at: Timestamp) -> bool {
        let (start, end) = (self.start.seconds(), self.end.seconds());
        let shown = self.shown(at);
        if start < end {
            (start..end).contains(&shown)
        } else {
            shown >= start || shown < end
        }
    }

    /// The second of the day that the clock shows.
    fn shown(&self, at: Timestamp) -> i32 {
        let shown = self.zone.rules.to_datetime(at).time();
        let minutes = i32::from(shown.hour()) * 60 + i32::from(shown.minute());
        minutes * 60 + i32::from(shown.second())
    }
}

/// The second that a moment is in; none: it is of no year that matters.
fn second(moment: OffsetDateTime) -> Option<Timestamp> {
    Timestamp::from_second(moment.unix_timestamp()).ok()
}

fn moment(at: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(at.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    fn hours((start, end): (i32, i32), zone: &str) -> QuietHours {
        QuietHours::new(
            Minute::try_from(start).unwrap(),
            Minute::try_from(end).unwrap(),
            zone.parse().unwrap(),
        )
        .unwrap()
    }

    const fn at(hour: i32, minute: i32) -> i32 {
        hour * 60 + minute
    }

    #[test]
    fn a_day_has_1440_minutes() {
        assert_eq!(Minute::try_from(1_439).map(Minute::get), Ok(1_439));
        assert_eq!(Minute::try_from(1_440), Err(MinuteError));
        assert_eq!(Minute::try_from(-1), Err(MinuteError));
    }

    #[test]
    fn a_zone_is_known_by_its_name_and_written_as_the_database_does() {
        for (text, name) in [
            ("Europe/London", "Europe/London"),
            ("europe/london", "Europe/London"),
            ("UTC", "UTC"),
            ("Etc/GMT+5", "Etc/GMT+5"),
        ] {
            assert_eq!(text.parse::<Zone>().unwrap().as_str(), name);
        }
        for text in ["", "London", "Europe/Atlantis", "+01:00", "EST5EDT,M3.2.0"] {
            assert_eq!(text.parse::<Zone>(), Err(UnknownZone), "{text}");
        }
    }

    #[test]
    fn hours_that_begin_where_they_end_are_none() {
        let minute = Minute::try_from(5).unwrap();
        let zone: Zone = "UTC".parse().unwrap();

        let same = QuietHours::new(minute, minute, zone);

        assert_eq!(same, Err(QuietHoursError));
    }

    #[test]
    fn they_hold_from_the_start_up_to_the_end_also_over_midnight() {
        let (day, night) = ((at(9, 0), at(17, 30)), (at(22, 0), at(7, 0)));
        for (of, now, until) in [
            (day, datetime!(2026-07-01 08:59:59.9 UTC), None),
            (
                day,
                datetime!(2026-07-01 09:00 UTC),
                Some(datetime!(2026-07-01 17:30 UTC)),
            ),
            (
                day,
                datetime!(2026-07-01 17:29:59.9 UTC),
                Some(datetime!(2026-07-01 17:30 UTC)),
            ),
            (day, datetime!(2026-07-01 17:30 UTC), None),
            (night, datetime!(2026-07-01 21:59 UTC), None),
            (
                night,
                datetime!(2026-07-01 22:00 UTC),
                Some(datetime!(2026-07-02 07:00 UTC)),
            ),
            (
                night,
                datetime!(2026-07-02 06:59 UTC),
                Some(datetime!(2026-07-02 07:00 UTC)),
            ),
            (night, datetime!(2026-07-02 07:00 UTC), None),
        ] {
            let quiet = hours(of, "UTC");

            assert_eq!(quiet.until(now), until, "{now}");
            assert_eq!(quiet.holds(now), until.is_some(), "{now}");
        }
    }

    #[test]
    fn the_clock_of_the_place_counts_in_summer_and_in_winter() {
        let quiet = hours((at(22, 0), at(7, 0)), "Europe/Berlin");

        assert_eq!(
            quiet.until(datetime!(2026-07-01 20:00 UTC)),
            Some(datetime!(2026-07-02 05:00 UTC))
        );
        assert!(!quiet.holds(datetime!(2026-01-01 20:00 UTC)));
        assert_eq!(
            quiet.until(datetime!(2026-01-01 21:00 UTC)),
            Some(datetime!(2026-01-02 06:00 UTC))
        );
    }

    // In Berlin 02:00 became 03:00 on 2026-03-29 at 01:00 UTC.
    #[test]
    fn where_the_clock_jumps_over_the_end_they_end_with_the_jump() {
        let quiet = hours((at(1, 0), at(2, 30)), "Europe/Berlin");

        let until = quiet.until(datetime!(2026-03-29 00:30 UTC));

        assert_eq!(until, Some(datetime!(2026-03-29 01:00 UTC)));
    }

    #[test]
    fn what_the_clock_skips_is_not_quiet_and_a_night_is_shorter() {
        let skipped = hours((at(2, 0), at(3, 0)), "Europe/Berlin");
        let night = hours((at(22, 0), at(7, 0)), "Europe/Berlin");

        assert!(!skipped.holds(datetime!(2026-03-29 00:59:59 UTC)));
        assert!(!skipped.holds(datetime!(2026-03-29 01:00 UTC)));
        assert_eq!(
            night.until(datetime!(2026-03-28 21:00 UTC)),
            Some(datetime!(2026-03-29 05:00 UTC))
        );
    }

    // In Berlin 03:00 became 02:00 on 2026-10-25 at 01:00 UTC.
    #[test]
    fn what_the_clock_repeats_is_quiet_twice() {
        let half = hours((at(2, 30), at(3, 30)), "Europe/Berlin");
        let night = hours((at(22, 0), at(7, 0)), "Europe/Berlin");

        assert_eq!(
            half.until(datetime!(2026-10-25 00:30 UTC)),
            Some(datetime!(2026-10-25 01:00 UTC))
        );
        assert_eq!(
            half.until(datetime!(2026-10-25 01:30 UTC)),
            Some(datetime!(2026-10-25 02:30 UTC))
        );
        assert_eq!(
            night.until(datetime!(2026-10-24 20:00 UTC)),
            Some(datetime!(2026-10-25 06:00 UTC))
        );
    }

    #[test]
    fn an_end_at_which_the_clock_is_put_back_comes_an_hour_later() {
        let quiet = hours((at(22, 0), at(3, 0)), "Europe/Berlin");

        assert_eq!(
            quiet.until(datetime!(2026-10-24 20:00 UTC)),
            Some(datetime!(2026-10-25 02:00 UTC))
        );
    }

    proptest! {
        // Around the changes of the clock of both years, in zones whose changes are of an hour, of half
        // an hour, of a whole day, and none.
        #[test]
        fn the_end_is_the_first_moment_that_is_not_quiet(
            start in 0..1_440_i32,
            length in 1..1_440_i32,
            zone in prop::sample::select(vec![
                "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia",
                "Asia/Kathmandu", "America/St_Johns", "Africa/Casablanca", "UTC",
            ]),
            from in prop::sample::select(vec![
                datetime!(2026-03-27 00:00 UTC), datetime!(2026-10-23 00:00 UTC),
                datetime!(2026-03-07 00:00 UTC), datetime!(2026-11-01 00:00 UTC),
                datetime!(2026-04-04 00:00 UTC), datetime!(2026-10-03 00:00 UTC),
                datetime!(2011-12-29 00:00 UTC), datetime!(2026-02-14 00:00 UTC),
            ]),
            second in 0..4 * 86_400_i64,
        ) {
            let quiet = hours((start, (start + length) % 1_440), zone);
            let now = from + Duration::seconds(second);

            let until = quiet.until(now);

            prop_assert_eq!(until.is_some(), quiet.holds(now));
            if let Some(until) = until {
                prop_assert!(until > now && until - now <= Duration::hours(26));
                prop_assert!(!quiet.holds(until));
                let mut between = now;
                while between < until {
                    prop_assert!(quiet.holds(between), "{} of {}", between, until);
                    between += Duration::seconds(47);
                }
            }
        }
    }
}
