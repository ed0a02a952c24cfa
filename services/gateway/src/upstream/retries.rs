//! How much may be repeated: a share of what is asked, so that repeating never becomes the load.
//!
//! Pure but for [`pause`], which is chance.

use std::time::Duration;

use rand::Rng;

/// A call is tried so often at most.
pub(super) const TRIES_MAX: u32 = 2;
/// A repetition costs so much; a call earns a tenth of it: 10 %.
const COST: u32 = 10;
/// What a call earns.
const EARNED: u32 = 1;
/// What there is before the first call, and at most after a quiet time: ten repetitions.
const SAVED_MAX: u32 = COST * 10;
/// The longest pause before the repetition.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// The budget of one service.
#[derive(Debug)]
pub(super) struct Budget {
    saved: u32,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { saved: SAVED_MAX }
    }

    /// A call is made.
    pub(super) fn earn(&mut self) {
        self.saved = (self.saved + EARNED).min(SAVED_MAX);
    }

    /// Whether a call may be repeated; if so, that is paid for.
    pub(super) fn spend(&mut self) -> bool {
        match self.saved.checked_sub(COST) {
            Some(left) => {
                self.saved = left;
                true
            }
            None => false,
        }
    }
}

/// Full jitter: callers who failed together do not come back together.
pub(super) fn pause() -> Duration {
    rand::rng().random_range(Duration::ZERO..=PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However calls and failures come, no more than a tenth is repeated beyond the savings.
        #[test]
        fn no_more_than_a_tenth_is_repeated(failing in proptest::collection::vec(any::<bool>(), 0..2_000)) {
            let mut budget = Budget::new();
            let mut repeated = 0;
            for fails in &failing {
                budget.earn();
                repeated += u32::from(*fails && budget.spend());
            }
            let calls = u32::try_from(failing.len()).unwrap();
            prop_assert!(repeated <= SAVED_MAX / COST + calls / COST);
        }
    }

    #[test]
    fn a_single_failure_is_repeated_at_once() {
        assert!(Budget::new().spend());
    }

    #[test]
    fn a_pause_is_short() {
        assert!((0..100).all(|_| pause() <= PAUSE_MAX));
    }
}
