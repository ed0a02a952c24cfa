//! Sends clients away when the process ends, each at another time: else they would all be at the
//! next node at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tradepost_notifications::wire::{Reconnect, Told, close};
use tradepost_websocket::Class;

use super::hub::Hub;
use super::line::Line;

/// How often it is looked whether all have gone.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last closes may take.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// Tells each client when to come back, and closes it then. Nobody new may come meanwhile.
pub(super) async fn drain<L: Line>(hub: Arc<Hub<L>>, over: Duration) {
    let begun = Instant::now();
    let over_ms = u64::try_from(over.as_millis()).unwrap_or(u64::MAX);
    let mut conns: Vec<_> = hub
        .all()
        .into_iter()
        .map(|conn| (rand::random_range(0..=over_ms), conn))
        .collect();
    tracing::info!(
        event = "live.drain",
        connections = conns.len(),
        over_ms,
        "clients are sent away"
    );
    for (after_ms, conn) in &conns {
        let after_ms = *after_ms;
        let text = Told::Reconnect(Reconnect { after_ms }).text();
        let _lost = conn.line().push(&L::frame(&text), Class::Must);
    }
    conns.sort_by_key(|(after_ms, _)| *after_ms);
    for (after_ms, conn) in conns {
        sleep_until(begun + Duration::from_millis(after_ms)).await;
        conn.close(close::RESTART, "the node goes");
    }
    let flushed = Instant::now() + FLUSH_MAX;
    while !hub.is_empty() && Instant::now() < flushed {
        // Who was being opened when it began.
        for conn in hub.all() {
            conn.close(close::RESTART, "the node goes");
        }
        sleep(LOOK).await;
    }
}
