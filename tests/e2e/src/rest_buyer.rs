//! A buyer at the REST edge who repeats what was not answered, with the same key.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tradepost_testkit::eventually;
use tradepost_types::OrderId;

use crate::{Account, SOON};

/// A gateway that dies may never answer; then the call is repeated.
const PATIENCE: Duration = Duration::from_secs(20);

/// Buys as a program of the tenant, through the gateway.
#[derive(Debug, Clone)]
pub struct RestBuyer(Account);

impl RestBuyer {
    /// A program with that account.
    #[must_use]
    pub const fn new(account: Account) -> Self {
        Self(account)
    }

    /// Places an order of one `sku` and waits until it ends: its id and its state. It is placed
    /// once more with the same key, as by a caller who lost the answer.
    ///
    /// # Panics
    /// If the second answer is about another order, or the gateway refuses any call for good.
    pub async fn buy(&self, sku: &str) -> (String, String) {
        let key = OrderId::new().to_string();
        let place = || {
            let request = self.0.request(Method::POST, "/v1/orders");
            request.header("Idempotency-Key", &key).json(&order_of(sku))
        };
        let placed = answered("POST /v1/orders", place).await;
        let again = answered("POST /v1/orders again", place).await;
        assert_eq!(
            placed["order_id"], again["order_id"],
            "two orders for one key"
        );
        let id = placed["order_id"].as_str().unwrap().to_owned();
        let path = format!("/v1/orders/{id}");
        let state = eventually(&format!("the end of {id}"), SOON, async || {
            let order = answered(&path, || self.0.request(Method::GET, &path)).await;
            let state = order["state"].as_str().unwrap().to_owned();
            ENDS.contains(&state.as_str()).then_some(state)
        })
        .await;
        (id, state)
    }
}

/// What an order does not leave by itself.
const ENDS: [&str; 5] = [
    "DELIVERED",
    "CANCELLED",
    "REJECTED",
    "RETURNED",
    "NEEDS_ATTENTION",
];

fn order_of(sku: &str) -> Value {
    json!({
        "customer_ref": "ada",
        "currency_code": "GBP",
        "lines": [{"sku": sku, "quantity": 1}],
        "shipping_address": {
            "recipient": "Ada Example", "lines": ["1 Sample Street"], "city": "London",
            "postal_code": "N1 9GU", "country_code": "GB",
        },
        "payment_method": "pm_card_visa",
    })
}

/// Calls until there is an answer that another try would not change.
async fn answered(what: &str, request: impl Fn() -> RequestBuilder) -> Value {
    eventually(what, SOON, async || {
        // No connection, or one that was cut.
        let answer = request().timeout(PATIENCE).send().await.ok()?;
        let status = answer.status();
        // The same call is still under way, or there is no room.
        let is_early = [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
        if status.is_server_error() || is_early {
            return None;
        }
        let body: Value = answer.json().await.ok()?;
        assert!(status.is_success(), "{what}: {status} {body}");
        Some(body)
    })
    .await
}
