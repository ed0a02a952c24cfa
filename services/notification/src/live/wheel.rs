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

/// Gives each connection its heartbeat, part after part, so that they do not all come at once.
pub(super) async fn beat<L: Line>(
    hub: Arc<Hub<L>>,
    heartbeat: Duration,
    shutdown: CancellationToken,
) {
    let parts = u32::try_from(SHARDS).unwrap_or(1);
    let mut ticks = interval(heartbeat / parts);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for part in (0..SHARDS).cycle() {
        tokio::select! {
            _ = ticks.tick() => hub.beat(part),
            () = shutdown.cancelled() => return,
        }
    }
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
