//! The row of an order.

use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use tradepost_types::{Money, OrderId, TenantId};
use uuid::Uuid;

use super::stored::{StoredAddress, StoredSaga};
use crate::domain::{Details, Order, Timer};
use crate::ports::StoreError;

/// A row that breaks a rule of the domain.
#[derive(Debug, thiserror::Error)]
#[error("the row of order {order} is faulty: {what}")]
pub(super) struct FaultyRow {
    pub(super) order: Uuid,
    pub(super) what: String,
}

impl From<FaultyRow> for StoreError {
    fn from(fault: FaultyRow) -> Self {
        Self::Faulty(fault.into())
    }
}

/// The columns of [`OrderRow`].
macro_rules! order_columns {
    () => {
        "o.tenant_id, o.order_id, o.customer_ref, o.currency, o.total_minor, o.weight_grams, \
         o.line_count, o.unit_count, o.payment_method, o.shipping_address, o.traceparent, \
         o.saga_version, o.saga, o.version, o.deadline_at, o.deadline_attempts, o.created_at, \
         o.updated_at, clock_timestamp() as clock"
    };
}
pub(super) use order_columns;

#[derive(Debug, FromRow)]
pub(super) struct OrderRow {
    tenant_id: Uuid,
    order_id: Uuid,
    customer_ref: String,
    currency: String,
    total_minor: i64,
    weight_grams: i64,
    line_count: i32,
    unit_count: i64,
    payment_method: String,
    shipping_address: Json<StoredAddress>,
    traceparent: Option<String>,
    saga_version: i32,
    saga: Json<StoredSaga>,
    version: i64,
    deadline_at: Option<OffsetDateTime>,
    deadline_attempts: i32,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    /// The database's clock when the row was read.
    pub(super) clock: OffsetDateTime,
}

impl OrderRow {
    pub(super) fn into_order(self) -> Result<Order, StoreError> {
        let fault = |what: String| FaultyRow {
            order: self.order_id,
            what,
        };
        let currency = self
            .currency
            .parse()
            .map_err(|error| fault(format!("currency: {error}")))?;
        let attempts = u32::try_from(self.deadline_attempts)
            .map_err(|error| fault(format!("deadline_attempts: {error}")))?;
        Ok(Order {
            tenant: TenantId::from_uuid(self.tenant_id),
            id: OrderId::from_uuid(self.order_id),
            details: Details {
                customer_ref: self.customer_ref,
                total: Money::new(self.total_minor, currency),
                weight_grams: self.weight_grams,
                line_count: self.line_count,
                unit_count: self.unit_count,
                payment_method: self.payment_method,
                address: self.shipping_address.0.0,
                traceparent: self.traceparent,
            },
            saga_version: self.saga_version,
            saga: self.saga.0.into(),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
            timer: Timer {
                at: self.deadline_at,
                attempts,
            },
        })
    }
}
