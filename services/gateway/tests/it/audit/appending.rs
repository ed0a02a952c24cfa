//! Appending inside a transaction.

use futures::future::join_all;
use sqlx::{Executor, PgConnection};
use tradepost_gateway::adapters::postgres::audit::{append, append_all};
use tradepost_gateway::domain::audit::{Actor, Chain, Entry, Head, Origin, Outcome, Sealed};
use tradepost_postgres::{Database, DbError};
use tradepost_types::TenantId;

use super::support::{Stage, a_chain, entry};

async fn append_in_own_transaction(database: &Database, tenant: TenantId, entry: &Entry) {
    let mut tx = database.tenant_tx(tenant).await.unwrap();
    append(tx.conn(), entry).await.unwrap();
    tx.commit().await.unwrap();
}

/// The rows follow each other from the first on.
fn assert_linked(rows: &[Sealed], chain: Chain) {
    let mut head = Head::genesis(chain);
    for row in rows {
        assert_eq!((row.seq, row.prev), (head.seq + 1, head.hash));
        assert_eq!(row.computed_hash(), row.hash, "row {}", row.seq);
        head = row.head();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_back_has_the_hash_it_was_sealed_with() {
    let stage = Stage::new().await;
    let (tenant, chain) = a_chain();
    let full = entry(chain)
        .on("sku:A \u{1f600} \"quoted\"\\")
        .because("RIGHT_MISSING")
        .traced("0af7651916cd43dd8448eb211c80319c")
        .during(tradepost_types::SessionId::new())
        .with("status", 403)
        .with("a", "")
        .from(Origin::new(
            Some("203.0.113.7".parse().unwrap()),
            Some("curl/8"),
        ));

    append_in_own_transaction(&stage.database, tenant, &full).await;
    append_in_own_transaction(&stage.database, tenant, &entry(chain)).await;

    let rows = stage.rows(chain).await;
    assert_eq!(rows.len(), 2);
    assert_linked(&rows, chain);
    assert_eq!(rows[0].details["status"], "403");
    let mut admin = stage.test_database.admin().await;
    let (address, agent): (String, String) =
        sqlx::query_as("select address, user_agent from audit_origins")
            .fetch_one(&mut admin)
            .await
            .unwrap();
    assert_eq!(
        (address.as_str(), agent.as_str()),
        ("203.0.113.7", "curl/8")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_of_two_processes_make_one_chain_without_a_gap() {
    let stage = Stage::new().await;
    let second = stage.second();
    let (tenant, chain) = a_chain();
    let entry = entry(chain);

    join_all((0..32).map(|n| {
        let database = if n % 2 == 0 { &stage.database } else { &second };
        append_in_own_transaction(database, tenant, &entry)
    }))
    .await;

    let rows = stage.rows(chain).await;
    assert_eq!(rows.len(), 32);
    assert_linked(&rows, chain);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_over_the_same_chains_do_not_deadlock() {
    let stage = Stage::new().await;
    let chains: Vec<Chain> = (0..4)
        .map(|_| a_chain().1)
        .chain([Chain::Platform])
        .collect();

    join_all((0..16).map(|n: usize| {
        let mut mine = chains.clone();
        mine.rotate_left(n % 5);
        if n.is_multiple_of(2) {
            mine.reverse();
        }
        let entries: Vec<Entry> = mine.into_iter().map(entry).collect();
        let database = &stage.database;
        async move {
            let mut tx = database.system_tx().await.unwrap();
            let recorded = append_all(tx.conn(), &entries).await.unwrap();
            assert_eq!(recorded.len(), 5);
            tx.commit().await.unwrap();
        }
    }))
    .await;

    for chain in chains {
        let rows = stage.rows(chain).await;
        assert_eq!(rows.len(), 16);
        assert_linked(&rows, chain);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_leaves_no_entry_and_no_gap() {
    let stage = Stage::new().await;
    let (tenant, chain) = a_chain();

    let mut tx = stage.database.tenant_tx(tenant).await.unwrap();
    append(tx.conn(), &entry(chain)).await.unwrap();
    tx.rollback().await;
    append_in_own_transaction(&stage.database, tenant, &entry(chain)).await;
    let mut tx = stage.database.tenant_tx(tenant).await.unwrap();
    append(tx.conn(), &entry(chain)).await.unwrap();
    drop(tx);
    append_in_own_transaction(&stage.database, tenant, &entry(chain)).await;

    let rows = stage.rows(chain).await;
    assert_eq!(rows.len(), 2);
    assert_linked(&rows, chain);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_and_writes_its_own_chain_only() {
    let stage = Stage::new().await;
    let ((tenant, chain), (other_tenant, other)) = (a_chain(), a_chain());
    append_in_own_transaction(&stage.database, tenant, &entry(chain)).await;

    for foreign in [other, Chain::Platform] {
        let mut tx = stage.database.tenant_tx(tenant).await.unwrap();
        let refused = append(tx.conn(), &entry(foreign)).await;
        assert!(matches!(refused, Err(DbError::Query(_))), "{refused:?}");
        tx.rollback().await;
    }
    let mut tx = stage.database.tenant_tx(other_tenant).await.unwrap();
    let seen: i64 = sqlx::query_scalar(
        "select (select count(*) from audit_entries) + (select count(*) from audit_heads)",
    )
    .fetch_one(tx.conn())
    .await
    .unwrap();
    tx.rollback().await;

    assert_eq!(seen, 0);
}

async fn refusal(conn: &mut PgConnection, statement: &'static str) -> String {
    let error = conn.execute(statement).await.unwrap_err();
    let code = error.as_database_error().unwrap().code().unwrap();
    code.into_owned()
}

const NOT_ALLOWED: &str = "42501";
const REFUSED: &str = "23001";

#[tokio::test(flavor = "multi_thread")]
async fn no_role_that_serves_changes_or_deletes_an_entry() {
    let stage = Stage::new().await;
    let (tenant, chain) = a_chain();
    append_in_own_transaction(&stage.database, tenant, &entry(chain)).await;
    let statements = [
        "update audit_entries set outcome = 'failed'",
        "delete from audit_entries",
        "truncate audit_entries",
        "update audit_origins set address = null",
        "truncate audit_origins",
        "delete from audit_heads",
        "update audit_heads set tenant_id = gen_random_uuid()",
        "drop table audit_entries",
        "alter table audit_entries disable trigger all",
    ];

    for statement in statements {
        let mut tx = stage.database.tenant_tx(tenant).await.unwrap();
        assert_eq!(
            refusal(tx.conn(), statement).await,
            NOT_ALLOWED,
            "{statement}"
        );
        tx.rollback().await;
        let mut tx = stage.database.system_tx().await.unwrap();
        assert_eq!(
            refusal(tx.conn(), statement).await,
            NOT_ALLOWED,
            "{statement}"
        );
        tx.rollback().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn not_even_the_owner_changes_an_entry_by_mistake() {
    let stage = Stage::new().await;
    let (tenant, chain) = a_chain();
    append_in_own_transaction(&stage.database, tenant, &entry(chain)).await;
    let mut admin = stage.test_database.admin().await;
    let part: String = sqlx::query_scalar("select tableoid::regclass::text from audit_entries")
        .fetch_one(&mut admin)
        .await
        .unwrap();

    for table in ["audit_entries", &part] {
        for statement in [
            format!("update {table} set outcome = 'failed'"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ] {
            let error = admin
                .execute(sqlx::AssertSqlSafe(statement.clone()))
                .await
                .unwrap_err();
            let code = error.as_database_error().unwrap().code().unwrap();
            assert_eq!(code, REFUSED, "{statement}");
        }
    }
    for statement in [
        "update audit_heads set seq = 0",
        "update audit_heads set seq = seq",
        "delete from audit_heads",
        "truncate audit_heads",
        "insert into audit_heads values (gen_random_uuid(), 5, decode(repeat('00', 32), 'hex'), now())",
    ] {
        assert_eq!(refusal(&mut admin, statement).await, REFUSED, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_in_particular_is_an_actor_too() {
    let stage = Stage::new().await;
    let entry = Entry::new(
        Chain::Platform,
        Actor::Anonymous,
        "session.login",
        Outcome::Denied,
    )
    .because("LOGIN_FAILED");

    let mut tx = stage.database.system_tx().await.unwrap();
    append(tx.conn(), &entry).await.unwrap();
    tx.commit().await.unwrap();

    let rows = stage.rows(Chain::Platform).await;
    assert_eq!(rows[0].actor, "anonymous");
    assert_linked(&rows, Chain::Platform);
}
