//! What commit promises, and what it admits not to know.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::Connection;
use tradepost_postgres::{Database, DbError, retrying};
use tradepost_testkit::{Fault, FaultProxy, TestDatabase};
use tradepost_types::TenantId;

use crate::notes;

async fn through_a_proxy(test: &TestDatabase) -> (Database, FaultProxy) {
    let mut config = test.config();
    let proxy = FaultProxy::before(&config.url).await;
    config.url = proxy.rewrite(&config.url);
    config.system_url = proxy.rewrite(&config.system_url);
    config.max_connections = 1;
    (Database::connect_lazy(&config, "test").unwrap(), proxy)
}

#[tokio::test]
async fn a_connection_lost_while_commit_is_under_way_is_reported_as_unknown() {
    let test = notes::fresh().await;
    let (db, proxy) = through_a_proxy(&test).await;
    let tenant = TenantId::new();
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    notes::insert(tx.conn(), tenant, 1).await.unwrap();

    proxy.set(Fault::CutAfterRequest(b"commit"));
    let error = tx.commit().await.unwrap_err();
    proxy.set(Fault::None);
    // The server had the request: this time the unknown outcome was a commit.
    let mut next = db.tenant_tx(tenant).await.unwrap();

    assert!(matches!(error, DbError::CommitUnknown(_)), "{error:?}");
    assert!(error.is_retryable());
    assert_eq!(notes::ids(next.conn()).await, [1]);
}

#[tokio::test]
async fn a_connection_lost_before_commit_is_unavailability() {
    let test = notes::fresh().await;
    let (db, proxy) = through_a_proxy(&test).await;
    let tenant = TenantId::new();
    let mut tx = db.tenant_tx(tenant).await.unwrap();

    proxy.cut();
    let error = DbError::from(notes::insert(tx.conn(), tenant, 1).await.unwrap_err());
    drop(tx);
    let mut next = db.tenant_tx(tenant).await.unwrap();

    assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
    assert_eq!(notes::ids(next.conn()).await, [0_i64; 0]);
}

#[tokio::test]
async fn a_transaction_that_has_failed_cannot_be_committed_in_silence() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    notes::insert(tx.conn(), tenant, 1).await.unwrap();

    // A handler that swallows the error.
    notes::insert(tx.conn(), tenant, 1).await.unwrap_err();
    let error = tx.commit().await.unwrap_err();
    let mut next = db.tenant_tx(tenant).await.unwrap();

    assert!(matches!(error, DbError::Query(_)), "{error:?}");
    assert_eq!(notes::ids(next.conn()).await, [0_i64; 0]);
}

#[tokio::test]
async fn a_transaction_that_somebody_else_committed_is_noticed() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let mut tx = db.tenant_tx(TenantId::new()).await.unwrap();

    let inner = tx.conn().begin().await.unwrap();
    inner.commit().await.unwrap();
    let error = tx.commit().await.unwrap_err();

    assert!(matches!(error, DbError::Query(_)), "{error:?}");
}

#[tokio::test]
async fn two_transactions_that_deadlock_both_commit_when_they_are_retried() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 2);
    let tenant = TenantId::new();
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    notes::insert(tx.conn(), tenant, 1).await.unwrap();
    notes::insert(tx.conn(), tenant, 2).await.unwrap();
    tx.commit().await.unwrap();
    let attempts = AtomicU32::new(0);
    let met = tokio::sync::Barrier::new(2);

    // The first attempts take the two rows in opposite order and meet in the middle.
    let touch = async |order: [i64; 2]| {
        let first_attempt = AtomicU32::new(1);
        retrying(async || {
            attempts.fetch_add(1, Ordering::Relaxed);
            let mut tx = db.tenant_tx(tenant).await?;
            for id in order {
                sqlx::query("update notes set body = body || '!' where tenant_id = $1 and id = $2")
                    .bind(tenant.as_uuid())
                    .bind(id)
                    .execute(tx.conn())
                    .await?;
                if first_attempt.swap(0, Ordering::Relaxed) == 1 {
                    met.wait().await;
                }
            }
            tx.commit().await
        })
        .await
    };
    let (one, two) = tokio::join!(touch([1, 2]), touch([2, 1]));

    let mut tx = db.tenant_tx(tenant).await.unwrap();
    let bodies: Vec<String> = sqlx::query_scalar("select body from notes")
        .fetch_all(tx.conn())
        .await
        .unwrap();
    assert_eq!((one.unwrap(), two.unwrap()), ((), ()));
    assert_eq!(bodies, ["text!!", "text!!"]);
    assert_eq!(attempts.into_inner(), 3, "one of the two had to try again");
}

#[tokio::test]
async fn retrying_gives_up_after_five_attempts_and_never_repeats_other_failures() {
    let (lost, broken) = (AtomicU32::new(0), AtomicU32::new(0));

    let gave_up = retrying(async || {
        lost.fetch_add(1, Ordering::Relaxed);
        Err::<(), _>(DbError::SerializationFailure(sqlx::Error::RowNotFound))
    })
    .await;
    let failed = retrying(async || {
        broken.fetch_add(1, Ordering::Relaxed);
        Err::<(), _>(DbError::Query(sqlx::Error::RowNotFound))
    })
    .await;

    assert!(matches!(gave_up, Err(DbError::SerializationFailure(_))));
    assert!(matches!(failed, Err(DbError::Query(_))));
    assert_eq!((lost.into_inner(), broken.into_inner()), (5, 1));
}
