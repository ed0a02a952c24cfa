//! Keeps batches apart under load, so that they fill.
//!
//! A transaction for one message or call costs almost as much as one for twenty. Whoever just had a
//! batch waits a few milliseconds for the next, in which more arrives; what comes alone never waits.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The pace of one worker.
#[derive(Debug)]
pub struct Pace {
    gap: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// A pace whose batches begin at least `gap` apart.
    #[must_use]
    pub const fn new(gap: Duration) -> Self {
        Self { gap, next: None }
    }

    /// Returns when a batch may begin: at once, unless the one before began less than the gap ago.
    pub async fn keep(&mut self) {
        if let Some(next) = self.next
            && next > Instant::now()
        {
            sleep_until(next).await;
        }
        self.next = Some(Instant::now() + self.gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_millis(5);

    #[tokio::test(start_paused = true)]
    async fn batches_in_a_row_keep_the_gap_and_a_lone_one_does_not_wait() {
        let mut pace = Pace::new(GAP);
        let start = Instant::now();
        let mut begun = Vec::new();

        pace.keep().await;
        begun.push(start.elapsed());
        tokio::time::advance(Duration::from_millis(2)).await;
        pace.keep().await;
        begun.push(start.elapsed());
        tokio::time::advance(GAP).await;
        pace.keep().await;
        begun.push(start.elapsed());

        assert_eq!(begun, [Duration::ZERO, GAP, GAP * 2]);
    }
}
