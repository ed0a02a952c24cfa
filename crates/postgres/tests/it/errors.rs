//! Failures are sorted by what a caller can do.

use std::time::Duration;

use sqlx::PgConnection;
use tradepost_postgres::{Database, DatabaseConfig, DbError};
use tradepost_testkit::{Fault, FaultProxy, eventually, free_port};
use tradepost_types::TenantId;

use crate::notes;

/// What a caller can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Unavailable,
    Lost,
    Constraint,
    Unknown,
    OfARow,
    OfAll,
}

impl Sort {
    /// Of a failure, by all that the crate says of it.
    fn of(error: &DbError) -> Self {
        let sort = match error {
            DbError::Unavailable(_) => Self::Unavailable,
            DbError::SerializationFailure(_) => Self::Lost,
            DbError::Constraint { .. } => Self::Constraint,
            DbError::CommitUnknown(_) => Self::Unknown,
            DbError::Query(_) if error.may_be_of_one() => Self::OfARow,
            DbError::Query(_) | DbError::Schema(_) => Self::OfAll,
        };
        let of_one = matches!(sort, Self::Lost | Self::Constraint | Self::OfARow);
        let passes = matches!(sort, Self::Unavailable | Self::Lost | Self::Unknown);
        assert_eq!(error.may_be_of_one(), of_one, "{error:?}");
        assert_eq!(error.is_retryable(), passes, "{error:?}");
        sort
    }
}

/// Each code that is told apart: how a statement fails with it, and how COMMIT does.
const SORTED: [(&str, Sort, Sort); 30] = [
    ("40001", Sort::Lost, Sort::Lost),
    ("40P01", Sort::Lost, Sort::Lost),
    ("55P03", Sort::Lost, Sort::Lost),
    ("23502", Sort::Constraint, Sort::Constraint),
    ("23503", Sort::Constraint, Sort::Constraint),
    ("23505", Sort::Constraint, Sort::Constraint),
    ("23514", Sort::Constraint, Sort::Constraint),
    ("23P01", Sort::Constraint, Sort::Constraint),
    ("08006", Sort::Unavailable, Sort::Unavailable),
    ("25006", Sort::Unavailable, Sort::Unavailable),
    ("53100", Sort::Unavailable, Sort::Unavailable),
    ("53200", Sort::Unavailable, Sort::Unavailable),
    ("53300", Sort::Unavailable, Sort::Unavailable),
    ("57014", Sort::Unavailable, Sort::Unavailable),
    ("25P03", Sort::Unavailable, Sort::Unknown),
    ("25P04", Sort::Unavailable, Sort::Unknown),
    ("57P01", Sort::Unavailable, Sort::Unknown),
    ("57P02", Sort::Unavailable, Sort::Unknown),
    ("57P03", Sort::Unavailable, Sort::Unknown),
    ("57P04", Sort::Unavailable, Sort::Unknown),
    ("57P05", Sort::Unavailable, Sort::Unknown),
    ("58030", Sort::Unavailable, Sort::Unknown),
    ("XX000", Sort::Unavailable, Sort::Unknown),
    ("XX002", Sort::Unavailable, Sort::Unknown),
    ("22P02", Sort::OfARow, Sort::OfARow),
    ("54000", Sort::OfARow, Sort::OfARow),
    ("P0001", Sort::OfARow, Sort::OfARow),
    ("25P02", Sort::OfAll, Sort::OfAll),
    ("42501", Sort::OfAll, Sort::OfAll),
    ("3D000", Sort::OfAll, Sort::OfAll),
];

#[tokio::test]
async fn each_code_is_sorted_by_what_a_caller_can_do() {
    let test = notes::fresh().await;
    sqlx::raw_sql(
        "create function refuse() returns trigger language plpgsql as $$
         begin raise exception 'refused' using errcode = right(new.body, 5); end $$;
         create trigger at_once before insert on notes for each row
             when (new.body like 'now %') execute function refuse();
         create constraint trigger at_commit after insert on notes
             deferrable initially deferred for each row execute function refuse()",
    )
    .execute(&mut test.admin().await)
    .await
    .unwrap();
    let db = notes::connect(&test, 1);
    let tenant = TenantId::new();

    for (code, of_statement, of_commit) in SORTED {
        let mut tx = db.tenant_tx(tenant).await.unwrap();
        let statement = write(tx.conn(), tenant, &format!("now {code}")).await;
        tx.rollback().await;
        let mut tx = db.tenant_tx(tenant).await.unwrap();
        write(tx.conn(), tenant, code).await.unwrap();
        let commit = tx.commit().await;

        let statement = DbError::from(statement.unwrap_err());
        let commit = commit.unwrap_err();
        let sorted = (Sort::of(&statement), Sort::of(&commit));
        assert_eq!(sorted, (of_statement, of_commit), "{code}");
        assert_eq!(statement.is_statement_timeout(), code == "57014");
        assert!(!statement.is_overload() && !commit.is_overload(), "{code}");
    }
}

async fn write(conn: &mut PgConnection, tenant: TenantId, body: &str) -> Result<(), sqlx::Error> {
    sqlx::query("insert into notes (tenant_id, id, body) values ($1, 1, $2)")
        .bind(tenant.as_uuid())
        .bind(body)
        .execute(conn)
        .await?;
    Ok(())
}

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
    // The first connection, too, may take longer on a busy machine.
    let held = async || full.system_tx().await.ok();
    let _held = eventually("a connection", Duration::from_secs(60), held).await;

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
    (config.statement_timeout_ms, config.lock_timeout_ms) = (3_000, 50);
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
    assert!(slow.is_statement_timeout() && !lock.is_statement_timeout());
}

#[tokio::test]
async fn connections_that_died_in_the_pool_are_passed_over_without_an_error() {
    let test = notes::fresh().await;
    let mut config = test.config();
    let proxy = FaultProxy::before(&config.url).await;
    config.url = proxy.rewrite(&config.url);
    config.max_connections = 3;
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
    let connected = async || db.ping().await.ok();
    eventually("a connection", Duration::from_secs(60), connected).await;

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
