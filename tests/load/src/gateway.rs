//! The gateway as a client sees it: its REST calls, each tried again as far as that can help.
//!
//! Every changing call carries an idempotency key, so trying again is safe whatever went wrong.

mod call;
mod http;
pub(crate) mod path;
mod retry;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

pub use call::{Call, Wait};
pub use http::{Answer, Gateway, KeyError, UrlError};
pub use retry::RetryPolicy;
pub use wire::{
    Address, Item, ItemBody, Money, Movement, MovementKind, Order, OrderBody, OrderBodyLine,
    OrderLine, OrderState, Stock, Verdict, pence,
};

/// Why a call has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer, after every try; usually nothing listens there or it just went away.
    #[error("no answer from the gateway: {0}")]
    Unreachable(String),
    /// The gateway said no, or said "later" until the tries ran out.
    #[error("the gateway answered {status} {reason}: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The machine-readable reason of the problem document.
        reason: String,
        /// Its text for people.
        detail: String,
    },
    /// A good status with a body that is not what the contract says.
    #[error("the gateway's answer is not understood: {0}")]
    Misunderstood(String),
}

/// What placing an order was answered.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The order as known at the end of the call.
    pub order: Order,
    /// Whether the order was there before.
    pub replayed: bool,
}

impl Gateway {
    /// Places an order, or asks again for the order of the same key and body.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn place(
        &self,
        key: &str,
        body: bytes::Bytes,
        wait: Wait,
    ) -> Result<Placed, CallError> {
        let call = Call::post("/v1/orders", key, body).waiting(wait);
        let answer = self.call(&call).await?;
        Ok(Placed {
            replayed: answer.replayed,
            order: answer.json()?,
        })
    }

    /// Whether any order of a customer is still on its way to an end.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn has_unfinished_orders(&self, customer_ref: &str) -> Result<bool, CallError> {
        let states: String = OrderState::UNFINISHED
            .iter()
            .map(|state| format!("state={state}&"))
            .collect();
        let customer = path::segment(customer_ref);
        let query = format!("/v1/orders?{states}customer_ref={customer}&page_size=1");
        let page: wire::OrderPage = self.call(&Call::get(query)).await?.json()?;
        Ok(!page.orders.is_empty())
    }

    /// How many orders of a customer stand in which state.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn count_orders(
        &self,
        customer_ref: &str,
    ) -> Result<BTreeMap<OrderState, u64>, CallError> {
        let customer = path::segment(customer_ref);
        let mut counts = BTreeMap::new();
        let mut token = String::new();
        loop {
            let mut query = format!("/v1/orders?customer_ref={customer}&page_size={PAGE}");
            if !token.is_empty() {
                query = format!("{query}&page_token={token}");
            }
            let page: wire::OrderPage = self.call(&Call::get(query)).await?.json()?;
            for order in page.orders {
                *counts.entry(order.state).or_default() += 1;
            }
            if page.next_page_token.is_empty() {
                return Ok(counts);
            }
            token = path::segment(&page.next_page_token);
        }
    }

    /// Creates or replaces a catalogue entry.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn put_item(
        &self,
        key: &str,
        sku: &str,
        item: &ItemBody<'_>,
    ) -> Result<Item, CallError> {
        let call = Call::put(path::item(sku), key, wire::render(item)?);
        self.call(&call).await?.json()
    }

    /// Reads an item.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn item(&self, sku: &str) -> Result<Item, CallError> {
        self.call(&Call::get(path::item(sku))).await?.json()
    }

    /// Records a movement of stock.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn move_stock(
        &self,
        key: &str,
        sku: &str,
        movement: &Movement,
    ) -> Result<(), CallError> {
        let call = Call::post(path::movements(sku), key, wire::render(movement)?);
        self.call(&call).await.map(|_recorded| ())
    }

    /// Whether an item has a movement with this reference; looks through all of them.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn has_movement(&self, sku: &str, reference: &str) -> Result<bool, CallError> {
        let mut token = String::new();
        loop {
            let mut query = format!("{}?page_size={PAGE}", path::movements(sku));
            if !token.is_empty() {
                query = format!("{query}&page_token={token}");
            }
            let page: wire::MovementPage = self.call(&Call::get(query)).await?.json()?;
            if page
                .movements
                .iter()
                .any(|made| made.reference == reference)
            {
                return Ok(true);
            }
            if page.next_page_token.is_empty() {
                return Ok(false);
            }
            token = path::segment(&page.next_page_token);
        }
    }
}

/// How long a call that does not wait may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Entries on a page of a list.
const PAGE: u32 = 500;
