//! Follows what is revoked, and looks who has run out.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::Straight;

/// A feed that says nothing for so long is broken: it speaks once a second.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long to wait before it is followed again, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often it is looked who has run out.
const LOOK: Duration = Duration::from_millis(250);

/// Follows the feed, again and again.
pub(super) async fn follow(straight: Arc<Straight>, shutdown: CancellationToken) {
    let (first, most) = BACK_OFF;
    let mut wait = first;
    loop {
        let heard = tokio::select! {
            heard = hear(&straight) => heard,
            () = shutdown.cancelled() => return,
        };
        wait = if heard { first } else { (wait * 2).min(most) };
        let pause = wait.mul_f64(rand::random_range(0.5..1.0));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Hears until the feed breaks; whether anything was heard.
async fn hear(straight: &Straight) -> bool {
    let mut has_heard = false;
    let broken: Box<dyn std::error::Error> = match straight.judge.revocations().await {
        Err(error) => error.into(),
        Ok(mut revocations) => loop {
            match timeout(SILENCE_MAX, revocations.next()).await {
                Ok(Some(Ok(revoked))) => {
                    has_heard = true;
                    straight.guests.revoke(&revoked);
                    straight.heard(revoked.current_at);
                }
                Ok(Some(Err(error))) => break error.into(),
                Ok(None) => break "it ended".into(),
                Err(elapsed) => break elapsed.into(),
            }
        },
    };
    tracing::warn!(
        event = "access.feed_broken",
        error = %broken,
        "what is revoked is not followed now"
    );
    has_heard
}

/// Ends those whose credentials have run out.
pub(super) async fn look(straight: Arc<Straight>, shutdown: CancellationToken) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.cancelled() => return,
        }
        straight.guests.look(straight.clock.now());
        straight.metrics.feed_age(straight.feed_age());
    }
}
