//! Futures dropped anywhere must leave no transaction and no tenant behind.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sqlx::PgConnection;
use tokio::task::JoinSet;
use tradepost_postgres::Database;
use tradepost_testkit::eventually;
use tradepost_types::TenantId;

use crate::notes;

/// Shorter than the server's own limit on idle transactions, which would hide a leak.
const SOON: Duration = Duration::from_secs(30);

/// Drops the future after it has been pending `polls` times.
async fn abort_after<F: Future>(polls: usize, future: F) {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        future.as_mut().poll(context).map(|_| ())
    })
    .await;
}

/// Sessions of the tests that are inside a transaction, asked from outside.
async fn open_transactions(admin: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in%'",
    )
    .fetch_one(admin)
    .await
    .unwrap()
}

async fn assert_nothing_is_left(db: &Database, admin: &mut PgConnection) {
    eventually(
        "no open transaction and no lent connection",
        SOON,
        async || {
            let left = open_transactions(admin).await;
            (left == 0 && db.figures().in_use == 0).then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn begins_that_are_dropped_at_any_point_leave_the_only_connection_clean() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let mut admin = test.admin().await;
    let (tenant, other) = (TenantId::new(), TenantId::new());

    for round in 0..200 {
        // From "never polled" over "BEGIN sent" to "begun, and then dropped".
        abort_after(round % 8, db.tenant_tx(tenant)).await;
        assert_nothing_is_left(&db, &mut admin).await;
        if round % 10 == 0 {
            let mut tx = db.tenant_tx(other).await.unwrap();
            notes::insert(tx.conn(), other, round as i64).await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    let mut tx = db.tenant_tx(other).await.unwrap();
    assert_eq!(notes::ids(tx.conn()).await.len(), 20);
    tx.rollback().await;
    assert_nothing_is_left(&db, &mut admin).await;
}

/// One request: writes a note of its tenant, looks at what it sees, and ends as `fate` says.
async fn request(db: Database, tenant: TenantId, id: i64, fate: i64) {
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    notes::insert(tx.conn(), tenant, id).await.unwrap();
    let seen: Vec<sqlx::types::Uuid> = sqlx::query_scalar("select distinct tenant_id from notes")
        .fetch_all(tx.conn())
        .await
        .unwrap();
    assert_eq!(
        seen,
        [tenant.as_uuid()],
        "another tenant's rows came into sight"
    );
    match fate {
        0 => panic!("a handler's panic"),
        1 => drop(tx),
        2 => tx.rollback().await,
        _ => tx.commit().await.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_and_panicking_requests_of_two_tenants_never_mix() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let mut admin = test.admin().await;
    let tenants = [TenantId::new(), TenantId::new()];
    std::panic::set_hook(Box::new(|_| {}));

    let mut requests = JoinSet::new();
    for id in 0_i64..160 {
        let tenant = tenants[usize::from(id % 2 == 0)];
        let request = request(db.clone(), tenant, id, id / 2 % 5);
        if id % 3 == 0 {
            // A client that hangs up: after some polls, wherever that is.
            let polls = usize::try_from(id % 17).unwrap();
            requests.spawn(async move { abort_after(polls, request).await });
        } else {
            requests.spawn(request);
        }
    }
    let mut messages = Vec::new();
    while let Some(ended) = requests.join_next().await {
        if let Err(error) = ended {
            let panic = error.into_panic();
            messages.push(
                panic
                    .downcast_ref::<&str>()
                    .map_or("?", |text| *text)
                    .to_owned(),
            );
        }
    }

    // Every panic is one that the handlers were told to have, so no assertion failed in them.
    messages.dedup();
    assert_eq!(messages, ["a handler's panic"]);
    assert_nothing_is_left(&db, &mut admin).await;
    // Neither a note under the wrong tenant, nor one of a request that did not commit (fates 0 to
    // 2): the next transaction on the connection would have committed it.
    let wrong: Vec<i64> = sqlx::query_scalar(
        "select id from notes where (id % 2 = 0) <> (tenant_id = $1) or id / 2 % 5 < 3",
    )
    .bind(tenants[1].as_uuid())
    .fetch_all(&mut admin)
    .await
    .unwrap();
    assert_eq!(wrong, [0_i64; 0]);
}

#[tokio::test]
async fn the_tenant_is_forgotten_with_the_transaction() {
    let test = notes::fresh().await;
    // Both pools speak through one connection each; use the same role for both, to look into it.
    let mut config = test.config();
    config.system_url = config.url.clone();
    config.max_connections = 1;
    let db = Database::connect_lazy(&config, "test").unwrap();
    let setting = "select coalesce(current_setting('app.tenant_id', true), '')";

    let tx = db.tenant_tx(TenantId::new()).await.unwrap();
    drop(tx);
    let tenant = TenantId::new();
    let mut tx = db.tenant_tx(tenant).await.unwrap();
    let inside: String = sqlx::query_scalar(setting)
        .fetch_one(tx.conn())
        .await
        .unwrap();
    let after: String = {
        sqlx::raw_sql("commit").execute(tx.conn()).await.unwrap();
        sqlx::query_scalar(setting)
            .fetch_one(tx.conn())
            .await
            .unwrap()
    };

    assert_eq!(inside, tenant.as_uuid().to_string());
    assert_eq!(after, "");
}

#[tokio::test]
async fn a_transaction_dropped_amid_a_long_query_gives_its_connection_back() {
    let test = notes::fresh().await;
    let db = notes::connect(&test, 1);
    let mut admin = test.admin().await;

    let mut tx = db.system_tx().await.unwrap();
    let slow = async move {
        sqlx::query("select pg_sleep(30)")
            .execute(tx.conn())
            .await
            .unwrap();
    };
    tokio::time::timeout(Duration::from_millis(50), slow)
        .await
        .unwrap_err();

    // The roll-back waits its two seconds for the query, then the connection is closed.
    let mut next = db.system_tx().await.unwrap();
    assert_eq!(notes::ids(next.conn()).await, [0_i64; 0]);
    next.rollback().await;
    assert_nothing_is_left(&db, &mut admin).await;
}

#[test]
fn a_transaction_may_be_dropped_outside_and_after_the_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (test, first, second) = runtime.block_on(async {
        let test = notes::fresh().await;
        let db = notes::connect(&test, 2);
        let first = db.system_tx().await.unwrap();
        let second = db.system_tx().await.unwrap();
        (test, first, second)
    });

    drop(first);
    runtime.shutdown_timeout(SOON);
    drop(second);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let left = runtime.block_on(async { open_transactions(&mut test.admin().await).await });
    assert_eq!(left, 0);
}

#[test]
fn the_poll_counter_of_these_tests_counts() {
    let mut future = pin!(abort_after(2, std::future::pending::<()>()));
    let mut context = Context::from_waker(Waker::noop());

    let first = future.as_mut().poll(&mut context);
    let second = future.as_mut().poll(&mut context);
    let third = future.as_mut().poll(&mut context);

    assert_eq!(
        (first, second, third),
        (Poll::Pending, Poll::Pending, Poll::Ready(()))
    );
}
