//! A database with the trail's tables.

use std::collections::BTreeMap;

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_gateway::adapters::postgres::MIGRATOR;
use tradepost_gateway::domain::audit::{Chain, Digest, Entry, Outcome, Sealed};
use tradepost_gateway::domain::caller::Subject;
use tradepost_postgres::{Database, DatabaseConfig};
use tradepost_testkit::TestDatabase;
use tradepost_types::{TenantId, UserId};
use uuid::Uuid;

pub(crate) struct Stage {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let test_database = tradepost_testkit::database(&MIGRATOR, &[]).await;
        let database = connect(&test_database.config());
        Self {
            test_database,
            database,
        }
    }

    /// Another process.
    pub(crate) fn second(&self) -> Database {
        connect(&self.test_database.config())
    }

    /// All of a chain, as a superuser sees it.
    pub(crate) async fn rows(&self, chain: Chain) -> Vec<Sealed> {
        rows(&mut self.test_database.admin().await, chain).await
    }
}

fn connect(config: &DatabaseConfig) -> Database {
    let mut config = config.clone();
    // All tests share two cores with the server.
    config.acquire_timeout_ms = 30_000;
    config.lock_timeout_ms = 30_000;
    config.statement_timeout_ms = 60_000;
    Database::connect_lazy(&config, "audit-test").unwrap()
}

pub(crate) fn a_chain() -> (TenantId, Chain) {
    let tenant = TenantId::new();
    (tenant, Chain::Tenant(tenant))
}

pub(crate) fn entry(chain: Chain) -> Entry {
    Entry::new(
        chain,
        Subject::User(UserId::new()),
        "order.place",
        Outcome::Attempted,
    )
}

#[derive(FromRow)]
struct SealedRow {
    tenant_id: Uuid,
    seq: i64,
    recorded_at: OffsetDateTime,
    actor: String,
    session: Option<String>,
    action: String,
    object: Option<String>,
    outcome: String,
    reason: Option<String>,
    trace_id: Option<String>,
    origin_digest: Option<Digest>,
    details: sqlx::types::Json<BTreeMap<String, String>>,
    prev: Digest,
    hash: Digest,
}

pub(crate) async fn rows(conn: &mut PgConnection, chain: Chain) -> Vec<Sealed> {
    let rows: Vec<SealedRow> =
        sqlx::query_as("select * from audit_entries where tenant_id = $1 order by seq")
            .bind(chain.as_uuid())
            .fetch_all(conn)
            .await
            .unwrap();
    let sealed = |row: SealedRow| Sealed {
        chain: Chain::from_uuid(row.tenant_id),
        seq: row.seq,
        recorded_at: row.recorded_at,
        actor: row.actor,
        session: row.session,
        action: row.action,
        object: row.object,
        outcome: row.outcome.parse().unwrap(),
        reason: row.reason,
        trace_id: row.trace_id,
        origin_digest: row.origin_digest,
        details: row.details.0,
        prev: row.prev,
        hash: row.hash,
    };
    rows.into_iter().map(sealed).collect()
}
