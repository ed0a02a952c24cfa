//! A little shop: the six databases, the provider's log, and a few orders that went different ways.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Executor};
use tradepost_audit::{CannotAudit, DatabaseName, Findings, Service, Targets, Verdict, audit};
use tradepost_postgres::idempotency;
use tradepost_testkit::{TestDatabase, database};
use tradepost_types::TenantId;

use crate::order::Way;

pub(crate) struct Shop {
    pub(crate) tenant: TenantId,
    inventory: TestDatabase,
    payment: TestDatabase,
    shipping: TestDatabase,
    metrics: TestDatabase,
    notification: TestDatabase,
    order: TestDatabase,
    log: PathBuf,
    entries: u64,
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_file(&self.log);
    }
}

async fn migrated(service: &'static Migrator) -> TestDatabase {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    database(service, &extra).await
}

impl Shop {
    /// The schemas, and nothing in them.
    pub(crate) async fn empty() -> Self {
        let order = migrated(&tradepost_order::adapters::postgres::MIGRATOR).await;
        let file = format!("{}.provider.log", order.name());
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(file);
        std::fs::write(&log, "").unwrap();
        Self {
            tenant: TenantId::new(),
            inventory: migrated(&tradepost_inventory::adapters::postgres::MIGRATOR).await,
            payment: migrated(&tradepost_payment::adapters::postgres::MIGRATOR).await,
            shipping: migrated(&tradepost_shipping::adapters::postgres::MIGRATOR).await,
            metrics: migrated(&tradepost_metrics::adapters::postgres::MIGRATOR).await,
            notification: migrated(&tradepost_notification::adapters::postgres::MIGRATOR).await,
            order,
            log,
            entries: 0,
        }
    }

    /// Stock, an order of every way, and nothing wrong.
    pub(crate) async fn open() -> Self {
        let mut shop = Self::empty().await;
        shop.receive("CUP", 100).await;
        shop.receive("white hanging heart", 50).await;
        for way in Way::ALL {
            shop.sell(way).await;
        }
        shop
    }

    async fn receive(&self, sku: &str, units: i64) {
        let tenant = self.tenant.as_uuid();
        let stocked = format!(
            "insert into items (tenant_id, sku, name, price_minor, currency, weight_grams, active,
                                on_hand)
             values ('{tenant}', '{sku}', 'x', 250, 'GBP', 10, true, {units});
             insert into stock_movements (tenant_id, movement_id, sku, kind, delta, on_hand_after,
                                          reference)
             values ('{tenant}', gen_random_uuid(), '{sku}', 'received', {units}, {units}, '')"
        );
        self.run(Service::Inventory, &stocked).await;
    }

    pub(crate) fn targets(&self) -> Targets {
        let named = |service: Service| DatabaseName {
            service,
            name: self.database(service).name().to_owned(),
        };
        let admin = self.order.admin_url();
        Targets {
            databases: Service::ALL.map(named).to_vec(),
            wait: Duration::ZERO,
            ..Targets::new(admin.expose_secret(), &self.log)
        }
    }

    pub(crate) async fn audit(&self) -> Result<Findings, CannotAudit> {
        audit(&self.targets()).await
    }

    /// # Panics
    /// With the table, if it is not clean.
    pub(crate) async fn assert_clean(&self) {
        let findings = self.audit().await.unwrap();
        assert_eq!(findings.verdict(), Verdict::Clean, "\n{findings}");
        assert!(findings.restless.is_none());
    }

    /// The names of the invariants that have offenders.
    pub(crate) async fn offended(&self) -> Vec<&'static str> {
        let findings = self.audit().await.unwrap();
        assert_eq!(findings.verdict(), Verdict::Offenders, "\n{findings}");
        let offended = findings.offended();
        offended
            .map(|finding| {
                assert!(
                    !finding.found.first.is_empty(),
                    "the first offender is named"
                );
                finding.invariant
            })
            .collect()
    }

    fn database(&self, service: Service) -> &TestDatabase {
        match service {
            Service::Order => &self.order,
            Service::Inventory => &self.inventory,
            Service::Payment => &self.payment,
            Service::Shipping => &self.shipping,
            Service::Metrics => &self.metrics,
            Service::Notification => &self.notification,
        }
    }

    /// Runs statements as a superuser, in one transaction.
    pub(crate) async fn run(&self, service: Service, statements: &str) {
        let mut conn = self.database(service).admin().await;
        let done = conn.execute(AssertSqlSafe(statements)).await;
        done.unwrap_or_else(|error| panic!("{error}\nin {statements}"));
    }

    /// Runs statements as a superuser whose session fires no trigger: what a bug of the database's
    /// own guards would let through.
    pub(crate) async fn sabotage(&self, service: Service, statements: &str) {
        let unguarded = format!("set session_replication_role = replica; {statements}");
        self.run(service, &unguarded).await;
    }

    /// One line of the provider's log.
    pub(crate) fn log(&mut self, op: &str, fields: &Value) {
        self.entries += 1;
        let mut entry = json!({
            "seq": self.entries, "time": "2026-01-02T03:04:05Z", "op": op, "outcome": "effect",
            "currency": "gbp", "tenant_id": self.tenant.to_string(),
        });
        let all = entry.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        let mut file = OpenOptions::new().append(true).open(&self.log).unwrap();
        writeln!(file, "{entry}").unwrap();
    }

    /// The URL of the role that serves requests.
    pub(crate) fn request_role(&self) -> String {
        self.order.config().url.expose_secret().to_owned()
    }

    pub(crate) fn forget_log(&self) {
        std::fs::write(&self.log, "").unwrap();
    }
}
