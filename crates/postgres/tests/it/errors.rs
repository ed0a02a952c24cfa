//! Failures are sorted by what a caller can do.

use std::time::Duration;

use tradepost_postgres::{Database, DatabaseConfig, DbError};
use tradepost_testkit::{Fault, FaultProxy, free_port};
use tradepost_types::TenantId;

use crate::notes;

#[tokio::test]
async fn a_violated_constraint_is_known_by_its_name() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();
    let refused = async |sql: &'static str| {
        let mut tx = db.tenant_tx(tenant).await.unwrap();
        let refused = sqlx::query(sql)
            .bind(tenant.as_uuid())
            .execute(tx.conn())
            .await;
        DbError::from(refused.unwrap_err())
    };

    let check = refused("insert into notes (tenant_id, id, body) values ($1, 1, '')").await;
    let key = refused("insert into notes select $1, 1, 'x' from generate_series(1, 2)").await;
    let null = refused("insert into notes (tenant_id, id) values ($1, 1)").await;

    assert_eq!(check.constraint(), Some("notes_body_not_empty"));
    assert_eq!(key.constraint(), Some("notes_pk"));
    assert_eq!(null.constraint(), Some("notes.body"));
    assert!(!check.is_retryable());
}

#[tokio::test]
async fn a_server_that_does_not_answer_and_a_full_pool_are_unavailability() {
    let url = format!("postgres://nobody:secret@127.0.0.1:{}/none", free_port());
    let mut config = DatabaseConfig::new(url.clone(), url);
    config.acquire_timeout_ms = 100;
    let absent = Database::connect_lazy(&config, "test").unwrap();
    let test = notes::fresh().await;
    let mut config = test.config();
    (config.max_connections, config.acquire_timeout_ms) = (1, 1_000);
    let full = Database::connect_lazy(&config, "test").unwrap();
    let _held = full.system_tx().await.unwrap();

    // Also when so many ask that the pool tries to open all its connections.
    let asked = (0..20).map(|_| absent.ping());
    let asked = futures::future::join_all(asked).await;
    assert!(
        asked
            .into_iter()
            .all(|answer| !answer.unwrap_err().is_overload())
    );
    let no_server = absent.ping().await.unwrap_err();
    let no_connection = full.system_tx().await.unwrap_err();
    assert!(no_connection.is_overload(), "{no_connection:?}");

    for error in [no_server, no_connection] {
        assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
        assert!(error.is_retryable());
    }
}

#[tokio::test]
async fn the_server_ends_statements_and_lock_waits_that_take_too_long() {
    let test = notes::fresh().await;
    let mut config = test.config();
    (config.statement_timeout_ms, config.lock_timeout_ms) = (400, 50);
    let db = Database::connect_lazy(&config, "test").unwrap();
    let mut holder = db.system_tx().await.unwrap();
    sqlx::raw_sql("lock table notes")
        .execute(holder.conn())
        .await
        .unwrap();

    let mut waiter = db.system_tx().await.unwrap();
    let lock = sqlx::query("select id from notes")
        .execute(waiter.conn())
        .await;
    let mut sleeper = db.system_tx().await.unwrap();
    let slow = sqlx::query("select pg_sleep(30)")
        .execute(sleeper.conn())
        .await;

    let (lock, slow) = (
        DbError::from(lock.unwrap_err()),
        DbError::from(slow.unwrap_err()),
    );
    assert!(matches!(lock, DbError::SerializationFailure(_)), "{lock:?}");
    assert!(matches!(slow, DbError::Unavailable(_)), "{slow:?}");
}

#[tokio::test]
async fn connections_that_died_in_the_pool_are_passed_over_without_an_error() {
    let test = notes::fresh().await;
    let mut config = test.config();
    let proxy = FaultProxy::before(&config.url).await;
    config.url = proxy.rewrite(&config.url);
    (config.max_connections, config.acquire_timeout_ms) = (3, 5_000);
    let db = Database::connect_lazy(&config, "test").unwrap();
    let tenant = TenantId::new();
    let (one, two, three) = tokio::join!(
        db.tenant_tx(tenant),
        db.tenant_tx(tenant),
        db.tenant_tx(tenant)
    );
    for tx in [one, two, three] {
        tx.unwrap().rollback().await;
    }

    proxy.cut();
    let after_cut = db.tenant_tx(tenant).await;

    assert!(after_cut.is_ok(), "{after_cut:?}");
}

#[tokio::test]
async fn a_silent_network_is_unavailability_within_the_time_limit() {
    let test = notes::fresh().await;
    let mut config = test.config();
    let proxy = FaultProxy::before(&config.url).await;
    config.url = proxy.rewrite(&config.url);
    (config.max_connections, config.acquire_timeout_ms) = (1, 1_000);
    let db = Database::connect_lazy(&config, "test").unwrap();
    db.ping().await.unwrap();

    proxy.set(Fault::Blackhole);
    let silent = tokio::time::timeout(Duration::from_secs(30), db.tenant_tx(TenantId::new())).await;
    proxy.set(Fault::None);

    let error = silent.unwrap().unwrap_err();
    assert!(matches!(error, DbError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn the_figures_tell_how_full_the_pools_are() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 3);

    let _held = db.system_tx().await.unwrap();
    db.ping().await.unwrap();
    let held = db.figures();
    drop(_held);
    db.close().await;
    let closed = db.figures();

    assert_eq!((held.in_use >= 1, held.max), (true, 6));
    assert_eq!((closed.in_use, closed.idle), (0, 0));
}
