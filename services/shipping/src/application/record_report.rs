//! Records what a carrier reported.

use tradepost_types::{ShipmentId, TenantId};

use crate::domain::{Shipment, Update, Verdict};
use crate::ports::{Decision, Due, RequestKey, ShipmentStore, StoreError, Stored};

/// Applies a report once by its key. Whoever reports a parcel's way moves it from then on: the
/// clock lets go of it.
///
/// # Errors
/// As [`ShipmentStore::report`].
pub async fn record_report(
    store: &dyn ShipmentStore,
    (tenant, id): (TenantId, ShipmentId),
    key: &RequestKey,
    update: Update,
) -> Result<Stored, StoreError> {
    let judge = |mut shipment: Shipment| {
        let from = shipment.state;
        let news = match shipment.report(update.clone()) {
            Verdict::Moved(news) => news,
            Verdict::Noted | Verdict::Known => Vec::new(),
            Verdict::Illegal => return Err(from),
        };
        Ok(Decision {
            shipment,
            news,
            due: Due::Never,
        })
    };
    store.report(tenant, id, key, &judge).await
}
