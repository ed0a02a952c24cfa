//! When the next shipment is due, as far as this process knows: so that the clock sleeps until then
//! instead of asking the database again and again.
//!
//! It may ring for nothing, and knows nothing of what another process writes after the last look.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The one alarm of a store. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Alarm {
    next: watch::Sender<Option<Instant>>,
}

impl Alarm {
    /// Forgets what it was told. Whoever looks at the database does this first, because what is
    /// committed while it looks must ring, and what was committed before it sees.
    pub(super) fn clear(&self) {
        self.next.send_replace(None);
    }

    /// Something is due after this time; none: never.
    pub(super) fn set(&self, after: Option<Duration>) {
        let Some(at) = after.and_then(|after| Instant::now().checked_add(after)) else {
            return;
        };
        self.next.send_if_modified(|next| {
            let sooner = next.is_none_or(|known| at < known);
            if sooner {
                *next = Some(at);
            }
            sooner
        });
    }

    /// Returns when something is due.
    pub(super) async fn rings(&self) {
        let mut told = self.next.subscribe();
        loop {
            let next = *told.borrow_and_update();
            let due = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                // The sender is here, so it is told of every change.
                _ = told.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const DAY: Option<Duration> = Some(Duration::from_secs(86_400));
    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[tokio::test]
    async fn it_rings_for_the_first_of_what_it_was_told() {
        let alarm = Alarm::default();
        alarm.set(DAY);
        assert_eq!(alarm.rings().now_or_never(), None);

        for after in [NOW, DAY, None] {
            alarm.set(after);
        }

        alarm.rings().await;
    }

    #[tokio::test]
    async fn who_waits_already_is_told_of_something_sooner() {
        let alarm = Alarm::default();
        alarm.set(DAY);

        let sooner = async {
            tokio::task::yield_now().await;
            alarm.set(NOW);
        };

        tokio::join!(alarm.rings(), sooner);
    }

    #[tokio::test]
    async fn what_was_forgotten_or_never_comes_rings_for_nobody() {
        let alarm = Alarm::default();
        alarm.set(NOW);
        alarm.clear();
        alarm.set(Some(Duration::MAX));

        assert_eq!(alarm.rings().now_or_never(), None);
    }
}
