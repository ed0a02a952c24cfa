//! The names of event types by their numbers, and back, a tenant at a time: rows come in the order
//! of their tenants, so no more need be remembered.

use std::collections::HashMap;
use std::sync::Arc;

use tradepost_postgres::Database;
use uuid::Uuid;

use super::failed;
use crate::ports::ArchiveError;
use crate::rollup::TypeId;

/// The names of one tenant.
#[derive(Debug, Default)]
pub(super) struct Names {
    tenant: Uuid,
    by_number: HashMap<TypeId, Arc<str>>,
    by_name: HashMap<Arc<str>, TypeId>,
}

impl Names {
    /// Turns to a tenant. It asks on a connection of its own: the other one is sending rows.
    pub(super) async fn turn_to(
        &mut self,
        database: &Database,
        tenant: Uuid,
    ) -> Result<(), ArchiveError> {
        if self.tenant == tenant && !self.by_number.is_empty() {
            return Ok(());
        }
        let mut tx = database.system_tx().await?;
        let rows: Vec<(TypeId, String)> =
            sqlx::query_as("select type_id, name from event_types where tenant_id = $1")
                .bind(tenant)
                .fetch_all(tx.conn())
                .await
                .map_err(failed)?;
        tx.commit().await?;
        let rows: Vec<(TypeId, Arc<str>)> = rows
            .into_iter()
            .map(|(number, name)| (number, name.into()))
            .collect();
        self.tenant = tenant;
        self.by_name = rows
            .iter()
            .map(|(number, name)| (Arc::clone(name), *number))
            .collect();
        self.by_number = rows.into_iter().collect();
        Ok(())
    }

    /// A type's name.
    pub(super) fn name(&self, number: TypeId) -> Result<&str, ArchiveError> {
        self.by_number
            .get(&number)
            .map(AsRef::as_ref)
            .ok_or_else(|| {
                let tenant = self.tenant;
                ArchiveError::Unmovable(format!("event type {number} of {tenant} has no name"))
            })
    }

    /// A type's number.
    pub(super) fn number(&self, name: &str) -> Result<TypeId, ArchiveError> {
        self.by_name.get(name).copied().ok_or_else(|| {
            let tenant = self.tenant;
            ArchiveError::Unmovable(format!("{tenant} has no event type {name}"))
        })
    }
}
