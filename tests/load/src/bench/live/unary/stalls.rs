//! What the machine itself does to whoever must be quick: a loop on each core that does nothing but
//! look at the clock. When a moment comes while it is held up, so does whatever is due then.

use std::thread;
use std::time::{Duration, Instant};

/// What is due within this of a loop that is held up is not late.
const NOTICED: Duration = Duration::from_millis(1);

/// How a loop was held up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stalls {
    /// The longest time at once.
    pub(super) longest: Duration,
    /// All moments that were over a millisecond from being noticed.
    pub(super) late: Duration,
    /// How long it ran.
    pub(super) took: Duration,
}

impl Stalls {
    /// The share of the time in which what is due is noticed more than a millisecond later.
    pub(super) fn percent_late(&self) -> f64 {
        self.late.as_secs_f64() / self.took.as_secs_f64().max(f64::EPSILON) * 100.0
    }

    fn saw(&mut self, gap: Duration) {
        self.longest = self.longest.max(gap);
        self.late += gap.saturating_sub(NOTICED);
        self.took += gap;
    }

    fn worse(self, other: Self) -> Self {
        if other.late > self.late { other } else { self }
    }
}

/// Looks at the clock on as many threads as there are cores, for `window`; the one that was held up
/// most.
pub(super) fn watch(window: Duration) -> Stalls {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|_| scope.spawn(move || spin(window)))
            .collect();
        let all = threads.into_iter().filter_map(|thread| thread.join().ok());
        all.fold(Stalls::default(), Stalls::worse)
    })
}

fn spin(window: Duration) -> Stalls {
    let (mut stalls, mut before) = (Stalls::default(), Instant::now());
    while stalls.took < window {
        let now = Instant::now();
        stalls.saw(now - before);
        before = now;
    }
    stalls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_over_a_millisecond_from_being_noticed_are_late() {
        let mut stalls = Stalls::default();

        stalls.saw(Duration::from_micros(1_000));
        stalls.saw(Duration::from_millis(5));
        stalls.saw(Duration::from_millis(4));

        assert_eq!(stalls.longest, Duration::from_millis(5));
        assert_eq!(stalls.late, Duration::from_millis(7));
        assert!((stalls.percent_late() - 70.0).abs() < 1e-9);
    }
}
