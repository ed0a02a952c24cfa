//! Forgets old request ids.

use std::time::Duration;

use time::OffsetDateTime;
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
        if let Err(error) = prune(&database, older_than, &shutdown).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(event = "backend.prune_failed", error, "tried again later");
        }
    }
}

/// Deletes in batches, each in a transaction of its own, until none is left or shutdown.
async fn prune(
    database: &Database,
    older_than: OffsetDateTime,
    shutdown: &CancellationToken,
) -> Result<(), DbError> {
    let full = idempotency::PRUNE_BATCH_MAX.unsigned_abs();
    let mut gone = full;
    while gone >= full && !shutdown.is_cancelled() {
        let mut tx = database.system_tx().await?;
        gone = idempotency::prune(tx.conn(), older_than).await?;
        tx.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tradepost_testkit::TestDatabase;

    use super::*;

    static NO_SCHEMA: sqlx::migrate::Migrator = sqlx::migrate::Migrator::DEFAULT;

    /// A database with that many request ids of yesterday and one of today.
    async fn remembering(old: i64) -> (TestDatabase, Database) {
        let extra = [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
        let test_database = tradepost_testkit::database(&NO_SCHEMA, &extra).await;
        let database = Database::connect_lazy(&test_database.config(), "janitor").unwrap();
        let mut tx = database.system_tx().await.unwrap();
        sqlx::query(
            "insert into platform.idempotency_keys
                 (tenant_id, operation, request_id, fingerprint, created_at)
             select gen_random_uuid(), 'Test', n::text, decode(repeat('00', 32), 'hex'),
                    case when n = 0 then now() else now() - interval '1 day' end
             from generate_series(0, $1) as s (n)",
        )
        .bind(old)
        .execute(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
        (test_database, database)
    }

    async fn remembered(database: &Database) -> i64 {
        let mut tx = database.system_tx().await.unwrap();
        let count = sqlx::query_scalar("select count(*) from platform.idempotency_keys")
            .fetch_one(tx.conn())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        count
    }

    fn an_hour_ago() -> OffsetDateTime {
        Clock::system().now() - time::Duration::hours(1)
    }

    #[tokio::test]
    async fn all_old_request_ids_are_forgotten_at_once() {
        let old = 2 * idempotency::PRUNE_BATCH_MAX + 1;
        let (_kept, database) = remembering(old).await;

        let shutdown = CancellationToken::new();
        prune(&database, an_hour_ago(), &shutdown).await.unwrap();

        assert_eq!(remembered(&database).await, 1, "only that of today is left");
    }

    #[tokio::test]
    async fn a_process_that_stops_begins_no_batch() {
        let (_kept, database) = remembering(1).await;
        let shutdown = CancellationToken::new();
        shutdown.cancel();

        prune(&database, an_hour_ago(), &shutdown).await.unwrap();

        assert_eq!(remembered(&database).await, 2);
    }
}
