//! For how long sums are kept.

use crate::domain::Grain;

/// For how long sums by the minute and by the hour are kept; those by the day are for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Days of minutes.
    pub minutes_days: u16,
    /// Days of hours.
    pub hours_days: u16,
}

impl Kept {
    /// The days of a grain; none: for ever.
    #[must_use]
    pub const fn days(self, grain: Grain) -> Option<u16> {
        match grain {
            Grain::Minute => Some(self.minutes_days),
            Grain::Hour => Some(self.hours_days),
            Grain::Day => None,
        }
    }

    /// From when on sums of a grain are kept: a midnight of UTC, in milliseconds since 1970.
    #[must_use]
    pub fn from_ms(self, grain: Grain, now_ms: i64) -> i64 {
        let today = Grain::Day.start_ms(now_ms);
        let from = |days| today - i64::from(days) * Grain::Day.width_ms();
        self.days(grain).map_or(i64::MIN, from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_starts_at_a_midnight() {
        let kept = Kept {
            minutes_days: 7,
            hours_days: 90,
        };
        let (noon, day) = (43_200_000 + 100 * 86_400_000, 86_400_000);

        assert_eq!(kept.from_ms(Grain::Minute, noon), 93 * day);
        assert_eq!(kept.from_ms(Grain::Hour, noon), 10 * day);
        assert_eq!(kept.from_ms(Grain::Day, noon), i64::MIN);
    }
}
