//! Forgets old request ids.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tradepost_postgres::{Database, DbError, idempotency};
use tradepost_service::Clock;

/// How often old request ids are deleted.
const INTERVAL: Duration = Duration::from_secs(600);

/// Deletes request ids older than `hours`, now and then, until shutdown.
pub(crate) async fn run(database: Database, hours: u32, shutdown: CancellationToken) {
    let clock = Clock::system();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let older_than = clock.now() - time::Duration::hours(i64::from(hours));
        let pruned = async {
            let mut tx = database.system_tx().await?;
            idempotency::prune(tx.conn(), older_than).await?;
            tx.commit().await?;
            Ok::<_, DbError>(())
        };
        if let Err(error) = pruned.await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(event = "backend.prune_failed", error, "tried again later");
        }
    }
}
