//! Waits that double, with jitter, so that many waiters spread out.

use std::time::Duration;

use rand::Rng;

/// How long to wait next.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    min: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) const fn new(min: Duration, max: Duration) -> Self {
        Self {
            next: min,
            min,
            max,
        }
    }

    /// Waits half to the whole of what is due, and longer the next time.
    pub(super) async fn wait(&mut self) {
        let wait = self.next.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.next = (self.next * 2).min(self.max);
        tokio::time::sleep(wait).await;
    }

    /// What was waited for has come.
    pub(super) const fn reset(&mut self) {
        self.next = self.min;
    }
}
