//! A database with the trail's tables.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_gateway::adapters::audit_files::{
    CheckpointFiles, ExportHead, Found, SigningKey, read_checkpoints,
};
use tradepost_gateway::adapters::postgres::MIGRATOR;
use tradepost_gateway::adapters::postgres::audit::PgAudit;
use tradepost_gateway::application::{AuditKeeper, AuditPolicy};
use tradepost_gateway::command::audit::{Report, verify_export};
use tradepost_gateway::domain::audit::{Chain, Digest, Entry, Head, Outcome, Sealed};
use tradepost_gateway::domain::caller::Subject;
use tradepost_gateway::metrics::AuditMetrics;
use tradepost_postgres::{Database, DatabaseConfig};
use tradepost_service::Clock;
use tradepost_telemetry::Registry;
use tradepost_testkit::TestDatabase;
use tradepost_types::{TenantId, UserId};
use uuid::Uuid;

pub(crate) struct Stage {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
}

impl Stage {
    pub(crate) fn store(&self) -> PgAudit {
        PgAudit::new(self.second(), &self.test_database.config())
    }

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

/// The rows follow each other from the first on.
pub(crate) fn assert_linked(rows: &[Sealed], chain: Chain) {
    let mut head = Head::genesis(chain);
    for row in rows {
        assert_eq!((row.seq, row.prev), (head.seq + 1, head.hash));
        assert_eq!(row.computed_hash(), row.hash, "row {}", row.seq);
        head = row.head();
    }
}

/// A folder that goes with the value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("audit-{}", Uuid::now_v7().simple()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn write(&self, name: &str, text: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One process that keeps the trail, with its key and its folder.
pub(crate) struct Keeping {
    pub(crate) folder: Folder,
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) pem: SecretString,
    store: Arc<PgAudit>,
}

impl Keeping {
    pub(crate) fn of(stage: &Stage) -> Self {
        let key = tradepost_token::SigningKey::generate(tradepost_token::Algorithm::EdDsa);
        Self {
            folder: Folder::new(),
            clock: Clock::fixed(Clock::system().now()),
            registry: Registry::new("test"),
            pem: key.unwrap().to_pkcs8_pem(),
            store: Arc::new(stage.store()),
        }
    }

    pub(crate) fn key(&self) -> SigningKey {
        SigningKey::from_pem(&self.pem).unwrap()
    }

    /// A keeper that has just started: it signs at every new entry.
    pub(crate) async fn keeper(&self) -> AuditKeeper {
        let files = CheckpointFiles::open(self.folder.0.clone(), self.key()).await;
        let policy = AuditPolicy {
            entries: 1,
            age: time::Duration::ZERO,
            keep_months: 2,
        };
        AuditKeeper::new(
            self.store.clone(),
            Some(Arc::new(files.unwrap())),
            AuditMetrics::register(&self.registry),
            policy,
            self.clock.clone(),
        )
    }

    pub(crate) async fn checkpoints(&self) -> Found {
        read_checkpoints(&self.folder.0, &[self.key().public()])
            .await
            .unwrap()
    }

    pub(crate) async fn export(&self) -> Vec<u8> {
        let mut export = Vec::new();
        tradepost_gateway::command::audit::export(&*self.store, None, &mut export)
            .await
            .unwrap();
        export
    }

    /// What the verifier finds a second after the last checkpoint.
    pub(crate) async fn verify(&self) -> Report {
        let export = String::from_utf8(self.export().await).unwrap();
        let (head, rows) = export.split_once('\n').unwrap();
        let mut head: ExportHead = serde_json::from_str(head).unwrap();
        head.exported_at = self.clock.now().max(head.exported_at) + time::Duration::seconds(1);
        let export = format!("{}\n{rows}", serde_json::to_string(&head).unwrap());
        let checkpoints = self.checkpoints().await;
        verify_export(export.as_bytes(), &checkpoints.good, None).unwrap()
    }
}
