//! Into which times rollups are cut.

/// A minute, an hour or a day of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grain {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours of UTC.
    Day,
}

impl Grain {
    /// All, the coarsest first: the order in which rows are locked.
    pub const COARSEST_FIRST: [Self; 3] = [Self::Day, Self::Hour, Self::Minute];

    /// How long it is, in milliseconds.
    #[must_use]
    pub const fn width_ms(self) -> i64 {
        match self {
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// Where the piece that holds a moment starts, in milliseconds since 1970.
    #[must_use]
    pub const fn start_ms(self, at_ms: i64) -> i64 {
        at_ms - at_ms.rem_euclid(self.width_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_lies_in_the_piece_that_starts_at_or_before_it() {
        for grain in Grain::COARSEST_FIRST {
            for at_ms in [-1, 0, 1, 59_999, 60_000, 1_763_746_174_123] {
                let start = grain.start_ms(at_ms);

                assert!(start <= at_ms && at_ms < start + grain.width_ms());
                assert_eq!(start % grain.width_ms(), 0);
            }
        }
    }
}
