//! What is known of producers is forgotten when nothing of theirs can count twice.

use sqlx::Executor;
use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::ports::{EventStore, Outcome, UpkeepStore};

use crate::support::{DAY_MS, Desk, batch, message, now_ms, reason, send, today_ms};

const HISTORY_DAYS: u16 = 40;

async fn desk() -> Desk {
    Desk::with(AnalyticsConfig {
        history_days: HISTORY_DAYS,
        ledger_kept_days: 7,
        ..AnalyticsConfig::default()
    })
    .await
}

/// Which producers are known, and up to where they were forgotten.
async fn known(desk: &Desk) -> Vec<(String, i64)> {
    let mut admin = desk.test_database.admin().await;
    sqlx::query_as("select producer_id, forgotten_through from producers")
        .fetch_all(&mut admin)
        .await
        .unwrap()
}

async fn store(desk: &Desk, sequence: i64) -> Vec<Outcome> {
    let event = [(now_ms(), "a", "ada", 1.0)];
    let group = [batch(desk.tenant, sequence, &event)];
    desk.store.store(&group).await.unwrap()
}

async fn stored_ago(desk: &Desk, sequence: i64, ago: &str) {
    let age = format!(
        "update batch_ledger set stored_at = now() - interval '{ago}' where sequence = {sequence}"
    );
    let mut admin = desk.test_database.admin().await;
    admin.execute(sqlx::AssertSqlSafe(age)).await.unwrap();
}

#[tokio::test]
async fn a_producer_is_known_until_its_last_forgotten_batch_is_older_than_events_may_be() {
    let desk = desk().await;
    for (sequence, ago) in [(5, "41 days 1 second"), (7, "40 days 23 hours")] {
        store(&desk, sequence).await;
        stored_ago(&desk, sequence, ago).await;
    }

    desk.store.forget(1_000).await.unwrap();
    desk.store.forget(1_000).await.unwrap();
    let while_known = (known(&desk).await, store(&desk, 6).await);
    let mut admin = desk.test_database.admin().await;
    let hour = "update producers set last_stored_at = last_stored_at - interval '61 minutes'";
    admin.execute(hour).await.unwrap();
    desk.store.forget(1_000).await.unwrap();

    let wanted = (vec![("web-1".to_owned(), 7)], vec![Outcome::Duplicate]);
    assert_eq!(while_known, wanted);
    assert_eq!(known(&desk).await, []);
}

#[tokio::test]
async fn what_comes_again_after_its_producer_is_forgotten_is_refused_by_its_time() {
    let desk = desk().await;
    // The latest that could be in a batch that old.
    let at_ms = today_ms() - i64::from(HISTORY_DAYS) * DAY_MS - 1;
    let client = desk.client(desk.tenant, &["events:write"]);

    let (receipts, ended) = send(client, vec![message(5, &[(at_ms, "a", "", 1.0)])]).await;

    assert_eq!(ended.map_err(|status| reason(&status)), Ok(()));
    assert_eq!((receipts[0].accepted, receipts[0].rejected), (0, 1));
    desk.assert_sound(0).await;
}
