//! A carrier that leaves a parcel where it is until the test tells it to go on.

use sqlx::PgConnection;
use tradepost_e2e::{SOON, Service, Shop};
use tradepost_testkit::eventually;
use tradepost_types::OrderId;

/// When a parcel is fetched.
pub(crate) const FETCHES: &str = "CARRIER__HAND_OVER_AFTER_MS";
/// When it arrives, once it is out for delivery.
pub(crate) const DELIVERS: &str = "CARRIER__DELIVER_AFTER_MS";
/// Later than any test lasts.
pub(crate) const WAIT_MS: u32 = 3_600_000;

/// Whoever moves parcels that the carrier's clock leaves alone.
pub(crate) struct Carrier(PgConnection);

impl Carrier {
    pub(crate) async fn of(shop: &Shop) -> Self {
        Self(shop.database(Service::Shipping).admin().await)
    }

    /// Makes the next move of the order's parcel due, once the parcel is there.
    pub(crate) async fn carry(&mut self, order_id: &str, from: &str) {
        let id: OrderId = order_id.parse().unwrap();
        let what = format!("the parcel of {order_id} is {from}");
        eventually(&what, SOON, async || {
            let due = "update shipments set due_at = now() where order_id = $1 and state = $2";
            let due = sqlx::query(due).bind(id.as_uuid()).bind(from);
            let moved = due.execute(&mut self.0).await.unwrap();
            (moved.rows_affected() == 1).then_some(())
        })
        .await;
    }
}
