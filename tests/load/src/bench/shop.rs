//! What every bench needs of the shop: items, orders of its own, and their ends.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::BenchError;
use crate::gateway::{
    CallError, Gateway, ItemBody, Movement, MovementKind, OrderBody, OrderBodyLine, RetryPolicy,
    pence,
};

const POLL: Duration = Duration::from_millis(50);
/// A backlog that is older is a fault, not a figure.
const DRAINED_WITHIN: Duration = Duration::from_secs(900);

/// One run of a bench: its orders and keys are nobody else's.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    /// Patient, for what is not measured.
    pub(super) gateway: Gateway,
    /// One try: a failure is a finding.
    pub(super) measured: Gateway,
    /// The run's name, and the customer of its orders.
    pub(super) run: String,
}

impl Shop {
    pub(super) fn new(gateway: &Gateway) -> Self {
        Self {
            gateway: gateway.clone(),
            measured: gateway.with_retry(RetryPolicy::ONCE),
            run: format!("bench-{:016x}", rand::random::<u64>()),
        }
    }

    /// An item in the catalogue with so many more units in stock.
    pub(super) async fn stock(&self, sku: &str, units: i64) -> Result<(), CallError> {
        let item = ItemBody {
            name: sku,
            price: pence(1_000),
            weight_grams: 100,
            active: true,
        };
        let movement = Movement {
            kind: MovementKind::Received,
            quantity: units,
            reference: self.run.clone(),
        };
        let key = format!("{}-{sku}", self.run);
        self.gateway.put_item(&key, sku, &item).await?;
        self.gateway.move_stock(&key, sku, &movement).await
    }

    /// The body of an order of one customer.
    pub(super) fn order(&self, customer: &str, lines: &[(&str, i64)]) -> Result<Bytes, CallError> {
        let lines = lines.iter().map(|&(sku, quantity)| OrderBodyLine {
            sku,
            quantity,
            agreed_unit_price: None,
        });
        OrderBody::new(customer, "GB", lines.collect()).render()
    }

    /// Waits until every order of a customer is at its end, and says how long that took.
    pub(super) async fn drained(&self, customer: &str) -> Result<Duration, BenchError> {
        let started = Instant::now();
        while self.gateway.has_unfinished_orders(customer).await? {
            if started.elapsed() > DRAINED_WITHIN {
                let seconds = DRAINED_WITHIN.as_secs();
                return Err(BenchError::Backlog(customer.to_owned(), seconds));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(started.elapsed())
    }
}
