//! What several databases and the provider's log say together: the few columns of each that the
//! checks compare.

mod counted;
mod orders;
mod payments;
mod reservations;
mod shipments;

use std::collections::{BTreeMap, HashSet};

use sqlx::FromRow;
use sqlx::postgres::PgRow;
use tradepost_provider_sim::witness::{PaymentSums, Witness};
use tradepost_types::{OrderId, PaymentId, ReservationId, ShipmentId, TenantId};
use uuid::Uuid;

pub(crate) use counted::{Count, Counted};
pub(crate) use orders::{Order, OrderState, Stage};
pub(crate) use payments::{Payment, PaymentState};
pub(crate) use reservations::{Reservation, ReservationState};
pub(crate) use shipments::{Shipment, ShipmentState};

use crate::audit::CannotAudit;
use crate::check::Service;
use crate::snapshot::Databases;

/// Whose order.
pub(crate) type OrderKey = (TenantId, OrderId);

/// Everything that is compared over the borders of a database.
pub(crate) struct World {
    pub(crate) witness: Witness,
    pub(crate) orders: BTreeMap<OrderKey, Order>,
    pub(crate) reservations: BTreeMap<(TenantId, ReservationId), Reservation>,
    pub(crate) payments: BTreeMap<(TenantId, PaymentId), Payment>,
    pub(crate) shipments: BTreeMap<(TenantId, ShipmentId), Shipment>,
    /// Messages that made an order's history.
    pub(crate) causes: Vec<orders::Cause>,
    /// Messages that the order service has marked as handled.
    pub(crate) handled: HashSet<Uuid>,
    /// What is counted of orders, if that is audited.
    pub(crate) counted: Option<Counted>,
}

impl World {
    /// Reads it from the open snapshots.
    pub(crate) async fn load(
        databases: &mut Databases,
        witness: Witness,
    ) -> Result<Self, CannotAudit> {
        let reservations = rows(databases, Service::Inventory, reservations::QUERY).await?;
        let payments = rows(databases, Service::Payment, payments::QUERY).await?;
        let shipments = rows(databases, Service::Shipping, shipments::QUERY).await?;
        let orders = rows(databases, Service::Order, orders::QUERY).await?;
        let causes = rows(databases, Service::Order, orders::CAUSES).await?;
        let handled: Vec<(Uuid,)> = rows(databases, Service::Order, orders::HANDLED).await?;
        let counted = counted(databases).await?;
        Ok(Self {
            witness,
            orders: keyed(orders, Order::from_row)?,
            reservations: keyed(reservations, Reservation::from_row)?,
            payments: keyed(payments, Payment::from_row)?,
            shipments: keyed(shipments, Shipment::from_row)?,
            causes,
            handled: handled.into_iter().map(|(id,)| id).collect(),
            counted,
        })
    }

    /// How many payments the provider must have heard of.
    pub(crate) fn asked_payments(&self) -> usize {
        let asked = |payment: &&Payment| payment.state.reached_provider();
        self.payments.values().filter(asked).count()
    }

    /// What the provider did for that payment; nothing if it never heard of it.
    pub(crate) fn sums(&self, payment: PaymentId) -> PaymentSums {
        let known = self.witness.payment(&payment.to_string());
        known.cloned().unwrap_or_default()
    }
}

/// What is counted of orders; nothing where the metrics service is not audited.
pub(crate) async fn counted(databases: &mut Databases) -> Result<Option<Counted>, CannotAudit> {
    if !databases.has_metrics() {
        return Ok(None);
    }
    let counted = rows(databases, Service::Metrics, counted::COUNTED).await?;
    let told = rows(databases, Service::Order, counted::TOLD).await?;
    Ok(Some(Counted::of(told, counted)))
}

async fn rows<R>(
    databases: &mut Databases,
    service: Service,
    query: &'static str,
) -> Result<Vec<R>, CannotAudit>
where
    R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    sqlx::query_as(query)
        .fetch_all(databases.get(service)?)
        .await
        .map_err(|source| CannotAudit::Database { service, source })
}

fn keyed<R, K: Ord, T>(
    rows: Vec<R>,
    read: impl Fn(R) -> Result<(K, T), CannotAudit>,
) -> Result<BTreeMap<K, T>, CannotAudit> {
    rows.into_iter().map(read).collect()
}

/// An enum of states as tables spell them.
macro_rules! states {
    ($(#[$doc:meta])* $name:ident of $what:literal { $($state:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($state),+ }

        impl $name {
            pub(crate) fn parse(text: &str) -> Result<Self, crate::audit::CannotAudit> {
                [$(($text, Self::$state)),+]
                    .into_iter()
                    .find_map(|(known, state)| (known == text).then_some(state))
                    .ok_or_else(|| crate::audit::CannotAudit::Unknown {
                        what: format!("the state {text} of {}", $what),
                    })
            }

            /// As tables spell it.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$state => $text),+ }
            }
        }
    };
}
use states;
