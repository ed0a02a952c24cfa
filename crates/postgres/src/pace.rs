//! Keeps batches apart under load, so that they fill.
//!
//! A transaction for one message or call costs almost as much as one for twenty. Whoever just had a
//! batch in which several things met waits a few milliseconds for the next, in which more arrives.
//! What comes alone neither waits nor makes the next one wait, however soon it follows (ADR 51).

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

    /// Returns when a batch may begin: at once, unless the one before began less than the gap ago
    /// and was not alone.
    pub async fn keep(&mut self) {
        if let Some(next) = self.next
            && next > Instant::now()
        {
            sleep_until(next).await;
        }
        self.next = Some(Instant::now() + self.gap);
    }

    /// Tells how many things that have nothing to do with each other met in the batch that was just
    /// begun: after one alone, or none, there is no gap. What is not told counts as several.
    pub fn met(&mut self, things: usize) {
        if things <= 1 {
            self.next = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_millis(5);
    const SOON: Duration = Duration::from_millis(2);

    /// When each batch begins, if in each of them so many things meet, and each is asked for
    /// `SOON` after the one before began.
    async fn begun(met: &[Option<usize>]) -> Vec<Duration> {
        let mut pace = Pace::new(GAP);
        let start = Instant::now();
        let mut begun = Vec::new();
        for met in met {
            pace.keep().await;
            begun.push(start.elapsed());
            if let Some(things) = met {
                pace.met(*things);
            }
            tokio::time::advance(SOON).await;
        }
        begun
    }

    #[tokio::test(start_paused = true)]
    async fn batches_in_which_several_met_keep_the_gap() {
        let begun = begun(&[Some(2), Some(40), Some(2)]).await;

        assert_eq!(begun, [Duration::ZERO, GAP, GAP * 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_alone_makes_nobody_wait() {
        let begun = begun(&[Some(1), Some(0), Some(1)]).await;

        assert_eq!(begun, [Duration::ZERO, SOON, SOON * 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_gap_ends_with_the_first_batch_of_one_and_begins_again_with_the_next_of_several() {
        let begun = begun(&[Some(2), Some(1), Some(3), Some(1)]).await;

        assert_eq!(begun, [Duration::ZERO, GAP, GAP + SOON, GAP * 2 + SOON]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_of_which_nothing_is_told_counts_as_several() {
        let begun = begun(&[None, None]).await;

        assert_eq!(begun, [Duration::ZERO, GAP]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_gap_nobody_waits() {
        let mut pace = Pace::new(GAP);
        pace.keep().await;
        pace.met(2);
        tokio::time::advance(GAP * 2).await;
        let start = Instant::now();

        pace.keep().await;

        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
