//! Calls that share transactions: each tenant's are a transaction of their own, because row-level
//! security shows one tenant's rows only.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use tradepost_postgres::GroupLimits;
use tradepost_types::{OrderId, TenantId};

use super::{PgOrders, read};
use crate::domain::Order;
use crate::ports::StoreError;

/// How placements, and how look-ups, share transactions.
pub(super) const LIMITS: GroupLimits = GroupLimits {
    batch_max: 64,
    batches_max: 2,
    gap: Duration::from_millis(5),
};

/// The calls of one tenant in a batch, with their places there.
pub(super) struct OfTenant<'a, C> {
    pub(super) tenant: TenantId,
    pub(super) places: Vec<usize>,
    pub(super) calls: Vec<&'a C>,
}

/// Sorts a batch by tenant.
pub(super) fn by_tenant<C>(batch: &[C], tenant: impl Fn(&C) -> TenantId) -> Vec<OfTenant<'_, C>> {
    let mut tenants: HashMap<TenantId, OfTenant<'_, C>> = HashMap::new();
    for (place, call) in batch.iter().enumerate() {
        let tenant = tenant(call);
        let of_tenant = tenants.entry(tenant).or_insert_with(|| OfTenant {
            tenant,
            places: Vec::new(),
            calls: Vec::new(),
        });
        of_tenant.places.push(place);
        of_tenant.calls.push(call);
    }
    tenants.into_values().collect()
}

/// The answers in the order of the batch.
pub(super) fn in_order<R>(answers: Vec<impl Iterator<Item = (usize, R)>>) -> Vec<R> {
    let mut answers: Vec<(usize, R)> = answers.into_iter().flatten().collect();
    answers.sort_unstable_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

impl PgOrders {
    pub(super) async fn find_all(
        &self,
        batch: Vec<(TenantId, OrderId)>,
    ) -> Vec<Result<Option<Order>, StoreError>> {
        let finding = by_tenant(&batch, |(tenant, _)| *tenant);
        let finding = finding.into_iter().map(|of| async move {
            let ids: Vec<OrderId> = of.calls.iter().map(|(_, id)| *id).collect();
            let found = self.find_together(of.tenant, &ids).await;
            of.places.into_iter().zip(found)
        });
        in_order(join_all(finding).await)
    }

    /// All in one transaction; each alone if one of them may be at fault.
    async fn find_together(
        &self,
        tenant: TenantId,
        ids: &[OrderId],
    ) -> Vec<Result<Option<Order>, StoreError>> {
        match self.find_once(tenant, ids).await {
            Ok(found) => found.into_iter().map(Ok).collect(),
            Err(error) if ids.len() == 1 => vec![Err(error)],
            Err(StoreError::Unavailable(error)) => {
                let alike = |_| Err(StoreError::Unavailable(error.alike()));
                ids.iter().map(alike).collect()
            }
            Err(StoreError::Contended(_) | StoreError::Faulty(_)) => {
                let alone = ids.chunks(1).map(|only| async move {
                    let found = self.find_once(tenant, only).await?;
                    Ok(found.into_iter().flatten().next())
                });
                join_all(alone).await
            }
        }
    }

    async fn find_once(
        &self,
        tenant: TenantId,
        ids: &[OrderId],
    ) -> Result<Vec<Option<Order>>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let found = read::find_all(tx.conn(), tenant, ids).await?;
        tx.commit().await?;
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }
}
