//! In which language each tenant's people are told of orders.

use std::collections::HashMap;

use tradepost_postgres::{Database, DbError};
use tradepost_types::TenantId;
use uuid::Uuid;

use crate::domain::Locale;

/// The languages of those of these tenants that have chosen one. One that this binary does not know
/// is passed over: a newer one may have written it.
pub(super) async fn find(
    database: &Database,
    tenants: &[TenantId],
) -> Result<HashMap<TenantId, Locale>, DbError> {
    let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.as_uuid()).collect();
    let mut tx = database.system_tx().await?;
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("select tenant_id, locale from tenant_settings where tenant_id = any($1)")
            .bind(tenants)
            .fetch_all(tx.conn())
            .await?;
    tx.commit().await?;
    let known = rows.into_iter().filter_map(|(tenant, locale)| {
        let locale = locale.parse().ok()?;
        Some((TenantId::from_uuid(tenant), locale))
    });
    Ok(known.collect())
}

/// Has a tenant's people told in this language from now on.
///
/// # Errors
/// Any [`DbError`].
pub async fn put(database: &Database, tenant: TenantId, locale: Locale) -> Result<(), DbError> {
    let mut tx = database.system_tx().await?;
    sqlx::query(
        "insert into tenant_settings (tenant_id, locale) values ($1, $2)
         on conflict on constraint tenant_settings_pk do update set locale = excluded.locale",
    )
    .bind(tenant.as_uuid())
    .bind(locale.name())
    .execute(tx.conn())
    .await?;
    tx.commit().await
}
