//! The same shop through its REST edge.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tradepost_e2e::{Account, Shop};

struct Edge {
    shop: Shop,
    account: Account,
}

impl Edge {
    async fn open() -> Self {
        let mut shop = Shop::open().await;
        let account = shop.open_account().await;
        shop.buyer.stock("TEA 100/g", 10).await;
        Self { shop, account }
    }

    async fn place(&self, key: &str, quantity: i64) -> Response {
        let request = self.account.request(Method::POST, "/v1/orders");
        let request = request.header("Idempotency-Key", key);
        let body = body(quantity);
        request
            .header("Prefer", "wait=30")
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.account.request(Method::GET, path).send().await;
        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }
}

fn body(quantity: i64) -> Value {
    json!({
        "customer_ref": "ada",
        "currency_code": "GBP",
        "lines": [{"sku": "TEA 100/g", "quantity": quantity}],
        "shipping_address": {
            "recipient": "Ada Example", "lines": ["1 Sample Street"], "city": "London",
            "postal_code": "N1 9GU", "country_code": "GB",
        },
        "payment_method": "pm_card_visa",
    })
}

#[tokio::test]
async fn an_order_is_placed_awaited_repeated_and_looked_at() {
    let edge = Edge::open().await;

    let first = edge.place("key-1", 2).await;
    let again = edge.place("key-1", 2).await;
    let other = edge.place("key-1", 3).await;

    assert_eq!(first.status(), StatusCode::CREATED);
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let order: Value = first.json().await.unwrap();
    let replayed: Value = again.json().await.unwrap();
    let problem: Value = other.json().await.unwrap();
    assert_eq!(order["order_id"], replayed["order_id"]);
    assert_eq!(problem["reason"], "REQUEST_ID_REUSED");
    let id = order["order_id"].as_str().unwrap();
    // On a busy machine it may be under way when nobody waits for it any more.
    let ended = edge.shop.buyer.ended(id).await;
    let timeline = edge.get(&format!("/v1/orders/{id}/timeline")).await;
    let states: Vec<_> = timeline["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["state"])
        .collect();
    assert!(states.contains(&&json!("CONFIRMED")), "{timeline}");
    let item = edge.get("/v1/items/TEA%20100%2Fg").await;
    assert_eq!(item["stock"]["available"], 8);
    let payment = format!("/v1/payments/{}", ended.payment_id);
    let payment = edge.get(&payment).await;
    assert_eq!(payment["amount"]["minor_units"], 2_000, "{payment}");
    edge.shop.assert_sound().await;
}

#[tokio::test]
async fn a_body_that_is_not_exactly_right_is_refused_and_nothing_is_kept() {
    let edge = Edge::open().await;
    let good = body(1).to_string();
    let faults = [
        (good.replacen('{', "{\"surprise\":1,", 1), "/surprise"),
        (
            good.replacen("\"quantity\":1", "\"quantity\":1,\"quantity\":2", 1),
            "/lines/0/quantity",
        ),
        (
            good.replacen("\"quantity\":1", "\"quantity\":0", 1),
            "/lines/0/quantity",
        ),
        (
            good.replacen("\"quantity\":1", "\"quantity\":1.5", 1),
            "/lines/0/quantity",
        ),
        (good.replacen("GBP", "pounds", 1), "/currency_code"),
    ];
    for (index, (text, pointer)) in faults.into_iter().enumerate() {
        let request = edge.account.request(Method::POST, "/v1/orders");
        let request = request
            .header("Idempotency-Key", format!("bad-{index}"))
            .header("Content-Type", "application/json");
        let answer = request.body(text).send().await.unwrap();

        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{pointer}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let orders = edge.get("/v1/orders").await;
    assert_eq!(orders["orders"], json!([]));
}
