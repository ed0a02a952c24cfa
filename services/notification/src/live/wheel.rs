//! What turns beside the connections: one heartbeat for all, and second looks.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::hub::{Hub, SHARDS};
use super::line::Line;
use crate::ports::Pasts;

/// Readers of one question.
const BATCH_MAX: usize = 500;
/// How long to wait when the database does not answer.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Into how many steps a part of the connections is cut, so that what is told to somebody meanwhile
/// does not wait for a hundred heartbeats.
const STEPS_MAX: u32 = 16;
/// Steps are no shorter.
const STEP_MIN: Duration = Duration::from_millis(10);

/// Gives each connection its heartbeat, a few at a time, so that they do not all come at once.
pub(super) async fn beat<L: Line>(
    hub: Arc<Hub<L>>,
    heartbeat: Duration,
    shutdown: CancellationToken,
) {
    let parts = u32::try_from(SHARDS).unwrap_or(1);
    let steps = steps(heartbeat / parts);
    let mut ticks = interval(heartbeat / parts / steps);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let steps = usize::try_from(steps).unwrap_or(1);
    for part in (0..SHARDS).cycle() {
        let conns = hub.part(part);
        let mut few = conns.chunks(conns.len().div_ceil(steps).max(1));
        for _ in 0..steps {
            tokio::select! {
                _ = ticks.tick() => hub.beat(few.next().unwrap_or_default()),
                () = shutdown.cancelled() => return,
            }
        }
    }
}

/// The steps of a part that has so long.
fn steps(part: Duration) -> u32 {
    let steps = part.as_millis() / STEP_MIN.as_millis();
    u32::try_from(steps)
        .unwrap_or(STEPS_MAX)
        .clamp(1, STEPS_MAX)
}

/// Asks the database again where somebody joined a group that nobody here followed.
pub(super) async fn look<L: Line>(hub: Arc<Hub<L>>, past: Pasts, shutdown: CancellationToken) {
    loop {
        let readers = tokio::select! {
            readers = hub.unsure() => readers,
            () = shutdown.cancelled() => return,
        };
        for readers in readers.chunks(BATCH_MAX) {
            let opened = loop {
                match past.open(readers).await {
                    Ok(opened) => break opened,
                    Err(error) => {
                        tracing::warn!(event = "live.look_failed", %error, "asked again later");
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(BACK_OFF) => {}
                    () = shutdown.cancelled() => return,
                }
            };
            for (reader, opened) in readers.iter().zip(&opened) {
                hub.settle(reader, opened);
            }
        }
    }
}
