//! From when to when.

use crate::domain::Grain;

/// The longest range: ten years.
const DAYS_MAX: i64 = 3_660;

/// A range of time that begins before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Its first moment, in milliseconds since 1970.
    pub start_ms: i64,
    /// The moment after its last.
    pub end_ms: i64,
}

/// Why two moments are no range to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It ends before it begins, or at once.
    #[error("end_time must be after start_time")]
    Empty,
    /// It is longer than may be.
    #[error("the range is at most {days_max} days")]
    TooLong {
        /// The most days.
        days_max: i64,
    },
    /// It does not begin and end where a piece of the grain does.
    #[error("start_time and end_time must each start a bucket")]
    Unaligned,
}

impl Range {
    /// The range between two moments, at most `days_max` long.
    ///
    /// # Errors
    /// [`RangeError::Empty`] or [`RangeError::TooLong`].
    pub fn new(start_ms: i64, end_ms: i64, days_max: i64) -> Result<Self, RangeError> {
        if end_ms <= start_ms {
            return Err(RangeError::Empty);
        }
        let days_max = days_max.min(DAYS_MAX);
        if end_ms.saturating_sub(start_ms) > days_max * Grain::Day.width_ms() {
            return Err(RangeError::TooLong { days_max });
        }
        Ok(Self { start_ms, end_ms })
    }

    /// The fewest pieces that make up the range, each full of one grain: days in the midst, hours
    /// and minutes at the edges. Both ends are full minutes.
    #[must_use]
    pub fn pieces(self) -> Vec<(Grain, Self)> {
        let mut pieces = Vec::new();
        self.cut(Grain::Day, &mut pieces);
        pieces
    }

    fn cut(self, grain: Grain, pieces: &mut Vec<(Grain, Self)>) {
        if self.end_ms <= self.start_ms {
            return;
        }
        let finer = match grain {
            Grain::Day => Grain::Hour,
            Grain::Hour => Grain::Minute,
            Grain::Minute => {
                pieces.push((Grain::Minute, self));
                return;
            }
        };
        let first = grain.start_ms(self.start_ms + grain.width_ms() - 1);
        let last = grain.start_ms(self.end_ms);
        if first >= last {
            self.cut(finer, pieces);
            return;
        }
        let between = |start_ms, end_ms| Self { start_ms, end_ms };
        between(self.start_ms, first).cut(finer, pieces);
        pieces.push((grain, between(first, last)));
        between(last, self.end_ms).cut(finer, pieces);
    }

    /// The range of up to ten years between two starts of pieces.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn of_pieces(grain: Grain, start_ms: i64, end_ms: i64) -> Result<Self, RangeError> {
        if grain.start_ms(start_ms) != start_ms || grain.start_ms(end_ms) != end_ms {
            return Err(RangeError::Unaligned);
        }
        Self::new(start_ms, end_ms, DAYS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn a_range_is_neither_empty_nor_longer_than_ten_years() {
        assert!(Range::new(0, 1, 31).is_ok());
        assert_eq!(Range::new(1, 1, 31), Err(RangeError::Empty));
        assert_eq!(Range::new(2, 1, 31), Err(RangeError::Empty));
        assert!(Range::new(0, 31 * DAY, 31).is_ok());
        let too_long = Err(RangeError::TooLong { days_max: 31 });
        assert_eq!(Range::new(0, 31 * DAY + 1, 31), too_long);
        assert_eq!(Range::new(i64::MIN, i64::MAX, 31), too_long);
    }

    #[test]
    fn a_range_is_cut_into_few_pieces_without_gap_or_overlap() {
        let minute = 60_000;
        for (start, end, wanted) in [
            (0, DAY, 1),
            (0, 30 * DAY, 1),
            (minute, 30 * DAY - minute, 5),
            (minute, 2 * minute, 1),
            (3_600_000, 7_200_000, 1),
            (3_600_000 - minute, 3_600_000 + minute, 1),
            (3_600_000, DAY + 3_600_000, 1),
            (3_600_000, 2 * DAY + 3_600_000, 3),
        ] {
            let pieces = Range::of_pieces(Grain::Minute, start, end)
                .unwrap()
                .pieces();

            assert_eq!(pieces.len(), wanted, "{start} to {end}");
            let mut at = start;
            for (grain, piece) in pieces {
                assert_eq!(piece.start_ms, at);
                assert!(Range::of_pieces(grain, piece.start_ms, piece.end_ms).is_ok());
                at = piece.end_ms;
            }
            assert_eq!(at, end);
        }
    }

    #[test]
    fn pieces_begin_and_end_it() {
        assert!(Range::of_pieces(Grain::Day, 0, DAY).is_ok());
        assert!(Range::of_pieces(Grain::Hour, 3_600_000, DAY).is_ok());
        for (start, end) in [(1, DAY), (0, DAY - 1), (0, 3_600_000)] {
            let range = Range::of_pieces(Grain::Day, start, end);
            assert_eq!(range, Err(RangeError::Unaligned));
        }
    }
}
