//! How long a client waits before it comes back: full jitter, so that many of them do not come at
//! once.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

#[derive(Debug)]
pub(super) struct Patience {
    first: Duration,
    max: Duration,
    /// How often it failed since it was last welcomed.
    losses: u32,
    until: Option<Instant>,
}

impl Patience {
    pub(super) const fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            losses: 0,
            until: None,
        }
    }

    /// It was welcomed.
    pub(super) const fn win(&mut self) {
        self.losses = 0;
        self.until = None;
    }

    /// It failed once more: it waits from now.
    pub(super) fn lose(&mut self) {
        let bound = self.bound();
        self.losses = self.losses.saturating_add(1);
        self.until = Some(Instant::now() + bound.mul_f64(rand::random::<f64>()));
    }

    /// The server named this moment, to this client alone.
    pub(super) const fn until(&mut self, moment: Instant) {
        self.until = Some(moment);
    }

    /// The server said when to come; a little later, since it said so to all.
    pub(super) fn at_least(&mut self, after: Duration) {
        let jitter = self.first.mul_f64(rand::random::<f64>());
        let at = Instant::now() + after + jitter;
        self.until = Some(self.until.map_or(at, |until| until.max(at)));
    }

    pub(super) async fn wait(&self) {
        if let Some(until) = self.until {
            sleep_until(until).await;
        }
    }

    /// The most that the next wait may take.
    fn bound(&self) -> Duration {
        let factor = 2_u32.saturating_pow(self.losses);
        self.first.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_doubles_up_to_its_most_and_begins_anew_after_a_welcome() {
        let mut patience = Patience::new(Duration::from_millis(500), Duration::from_secs(3));
        let mut bounds = Vec::new();
        for _ in 0..5 {
            bounds.push(patience.bound().as_millis());
            patience.losses += 1;
        }
        assert_eq!(bounds, [500, 1_000, 2_000, 3_000, 3_000]);

        patience.win();

        assert_eq!(patience.bound().as_millis(), 500);
        assert!(patience.until.is_none());
    }
}
