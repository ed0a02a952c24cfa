//! A look at all databases, each in one repeatable-read transaction that cannot write.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tradepost_types::TenantId;
use uuid::Uuid;

use crate::audit::CannotAudit;
use crate::check::{Service, Sql};
use crate::findings::{Found, NAMED_MAX, Offender};
use crate::targets::Targets;

/// Every query reads whole tables, often right after they were filled and before the planner has
/// seen them: joins by hashing are right; loops, and merges on the tenant alone, take minutes.
const PLANNING: &str =
    "set enable_nestloop = off; set enable_mergejoin = off; set jit = off; set work_mem = '64MB'";

/// A connection to each database.
pub(crate) struct Databases {
    connections: HashMap<Service, PgConnection>,
}

impl Databases {
    /// Connects, and refuses a role that row-level security would show only a part.
    pub(crate) async fn connect(targets: &Targets) -> Result<Self, CannotAudit> {
        let url: PgConnectOptions = targets
            .postgres_url
            .parse()
            .map_err(|source| CannotAudit::Url { source })?;
        let mut connections = HashMap::new();
        for service in Service::ALL
            .into_iter()
            .filter(|&each| targets.audits(each))
        {
            let unreachable = |source| CannotAudit::Database { service, source };
            let mut conn = url
                .clone()
                .database(targets.database(service))
                .application_name("tradepost-audit")
                .connect()
                .await
                .map_err(unreachable)?;
            let sees_all: bool = sqlx::query_scalar(
                "select rolsuper or rolbypassrls from pg_roles where rolname = current_user",
            )
            .fetch_one(&mut conn)
            .await
            .map_err(unreachable)?;
            if !sees_all {
                return Err(CannotAudit::Blind { service });
            }
            conn.execute(PLANNING).await.map_err(unreachable)?;
            connections.insert(service, conn);
        }
        Ok(Self { connections })
    }

    /// The services whose databases are looked at, the orders' last.
    pub(crate) fn services(&self) -> Vec<Service> {
        let known = |service: &Service| self.connections.contains_key(service);
        Service::ALL.into_iter().filter(known).collect()
    }

    /// Whether the metrics service's counts are audited.
    pub(crate) fn has_metrics(&self) -> bool {
        self.connections.contains_key(&Service::Metrics)
    }

    pub(crate) fn get(&mut self, service: Service) -> Result<&mut PgConnection, CannotAudit> {
        let found = self.connections.get_mut(&service);
        found.ok_or(CannotAudit::NotConnected { service })
    }

    /// Opens the snapshots, the orders' last.
    pub(crate) async fn open(&mut self, grace: Duration) -> Result<(), CannotAudit> {
        for service in self.services() {
            let conn = self.get(service)?;
            let begin = "begin isolation level repeatable read read only";
            let opened = async {
                conn.execute(begin).await?;
                // The first query takes the snapshot.
                sqlx::query("select set_config('audit.grace', $1, true)")
                    .bind(grace.as_millis().to_string())
                    .execute(conn)
                    .await
            };
            opened
                .await
                .map_err(|source| CannotAudit::Database { service, source })?;
        }
        Ok(())
    }

    /// Gives the snapshots back.
    pub(crate) async fn release(&mut self) -> Result<(), CannotAudit> {
        for (&service, conn) in &mut self.connections {
            conn.execute("rollback")
                .await
                .map_err(|source| CannotAudit::Database { service, source })?;
        }
        Ok(())
    }

    pub(crate) async fn close(self) {
        for (_, conn) in self.connections {
            let _best_effort = conn.close().await;
        }
    }

    /// Runs a query for offenders in each of its databases.
    pub(crate) async fn ask(&mut self, sql: &Sql) -> Result<Found, CannotAudit> {
        let mut all = Found::default();
        let known = self.services();
        for &service in sql.on.iter().filter(|each| known.contains(each)) {
            let conn = self.get(service)?;
            let found = ask_one(conn, service, sql).await;
            all.join(found.map_err(|source| CannotAudit::Database { service, source })?);
        }
        Ok(all)
    }
}

async fn ask_one(
    conn: &mut PgConnection,
    service: Service,
    sql: &Sql,
) -> Result<Found, sqlx::Error> {
    let checked: i64 = sqlx::query_scalar(sql.checked)
        .fetch_one(&mut *conn)
        .await?;
    // The text is a constant of this crate.
    let first = format!(
        "select tenant, subject, detail, count(*) over ()
         from ({}) as found (tenant, subject, detail)
         order by tenant, subject, detail limit {NAMED_MAX}",
        sql.offenders
    );
    let rows: Vec<(Option<Uuid>, String, String, i64)> =
        sqlx::query_as(AssertSqlSafe(first)).fetch_all(conn).await?;
    let offenders = rows.first().map_or(0, |(.., all)| *all);
    let offender = |(tenant, subject, detail, _): (Option<Uuid>, String, String, i64)| Offender {
        service: Some(service),
        tenant: tenant.map(|tenant| TenantId::from_uuid(tenant).to_string()),
        subject: sql.subject.render(&subject),
        detail,
    };
    Ok(Found {
        checked: checked.unsigned_abs(),
        offenders: offenders.unsigned_abs(),
        first: rows.into_iter().map(offender).collect(),
    })
}
