//! The versions of days: changed with the sums, in one transaction, and read before an answer is
//! computed (ADR 35).

use async_trait::async_trait;
use sqlx::PgConnection;
use time::Date;
use tradepost_postgres::DbError;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::PgAnalytics;
use crate::ports::{Days, Scope, StoreError, Version, VersionStore};

/// Days of tenants whose sums a transaction changes.
#[derive(Debug, Default)]
pub(super) struct Changed {
    tenants: Vec<Uuid>,
    days: Vec<Date>,
}

impl Changed {
    pub(super) fn add(&mut self, tenant: TenantId, day: Date) {
        self.tenants.push(tenant.as_uuid());
        self.days.push(day);
    }
}

impl FromIterator<(Uuid, Date)> for Changed {
    fn from_iter<I: IntoIterator<Item = (Uuid, Date)>>(changed: I) -> Self {
        let (tenants, days) = changed.into_iter().unzip();
        Self { tenants, days }
    }
}

/// Makes what was answered about these days unreachable from the commit on. Whoever writes rollups
/// calls it in the same transaction, and last: its locks are held for the shortest time, and nobody
/// who waits for one of them holds what its holder still needs.
pub(super) async fn change(conn: &mut PgConnection, changed: &Changed) -> Result<(), DbError> {
    if changed.tenants.is_empty() {
        return Ok(());
    }
    sqlx::query(include_str!("change_versions.sql"))
        .bind(&changed.tenants)
        .bind(&changed.days)
        .execute(conn)
        .await?;
    tradepost_crash::point("metrics.after_versions");
    Ok(())
}

/// The same for what was answered by plan.
pub(super) async fn change_plans(conn: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "insert into day_versions as v (day, part, version) values ('-infinity', 0, 1)
         on conflict on constraint day_versions_pk do update set version = v.version + 1",
    )
    .execute(conn)
    .await?;
    Ok(())
}

#[async_trait]
impl VersionStore for PgAnalytics {
    async fn version(&self, scope: Scope, days: Days) -> Result<Version, StoreError> {
        let read: (Uuid, String, i64) = match scope {
            Scope::Tenant(tenant) => {
                let mut tx = self.database.tenant_tx(tenant).await?;
                let read = sqlx::query_as(include_str!("tenant_version.sql"))
                    .bind(tenant.as_uuid())
                    .bind(days.first)
                    .bind(days.last)
                    .fetch_one(tx.conn())
                    .await
                    .map_err(DbError::from)?;
                tx.commit().await?;
                read
            }
            Scope::Platform => {
                let mut tx = self.database.system_tx().await?;
                let read = sqlx::query_as(include_str!("platform_version.sql"))
                    .bind(days.first)
                    .bind(days.last)
                    .fetch_one(tx.conn())
                    .await
                    .map_err(DbError::from)?;
                tx.commit().await?;
                read
            }
        };
        let (history, timeline, changes) = read;
        Ok(Version::new(history, &timeline, changes))
    }
}
