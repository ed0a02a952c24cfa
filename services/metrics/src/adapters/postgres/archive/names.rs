//! The names of event types by their numbers, and back.

use std::collections::HashMap;

use tradepost_postgres::Database;
use uuid::Uuid;

use super::failed;
use crate::ports::ArchiveError;
use crate::rollup::TypeId;

/// The names of these types, in their order.
pub(super) async fn of(
    database: &Database,
    types: &[(Uuid, TypeId)],
) -> Result<Vec<String>, ArchiveError> {
    let (tenants, numbers): (Vec<Uuid>, Vec<TypeId>) = types.iter().copied().unzip();
    let mut tx = database.system_tx().await?;
    let names: Vec<Option<String>> = sqlx::query_scalar(
        "select t.name
         from unnest($1::uuid[], $2::smallint[]) with ordinality
             as wanted (tenant_id, type_id, place)
         left join event_types t
             on t.tenant_id = wanted.tenant_id and t.type_id = wanted.type_id
         order by wanted.place",
    )
    .bind(tenants)
    .bind(numbers)
    .fetch_all(tx.conn())
    .await
    .map_err(failed)?;
    tx.commit().await?;
    let named = types.iter().zip(names).map(|((tenant, number), name)| {
        let nameless = || format!("event type {number} of {tenant} has no name");
        name.ok_or_else(|| ArchiveError::Unmovable(nameless()))
    });
    named.collect()
}

/// The numbers of one tenant's types: rows come in the order of their tenants, so no more need be
/// remembered.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    tenant: Option<Uuid>,
    by_name: HashMap<String, TypeId>,
}

impl Numbers {
    /// Turns to a tenant. It asks on a connection of its own: the other one is taking rows.
    pub(super) async fn turn_to(
        &mut self,
        database: &Database,
        tenant: Uuid,
    ) -> Result<(), ArchiveError> {
        if self.tenant == Some(tenant) {
            return Ok(());
        }
        let mut tx = database.system_tx().await?;
        let rows: Vec<(String, TypeId)> =
            sqlx::query_as("select name, type_id from event_types where tenant_id = $1")
                .bind(tenant)
                .fetch_all(tx.conn())
                .await
                .map_err(failed)?;
        tx.commit().await?;
        self.tenant = Some(tenant);
        self.by_name = rows.into_iter().collect();
        Ok(())
    }

    /// A type's number.
    pub(super) fn number(&self, name: &str) -> Result<TypeId, ArchiveError> {
        self.by_name.get(name).copied().ok_or_else(|| {
            let tenant = self.tenant.unwrap_or_default();
            ArchiveError::Unmovable(format!("{tenant} has no event type {name}"))
        })
    }
}
