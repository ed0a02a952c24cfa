//! What somebody tries by hand at the REST edge of a whole shop: every mistake has its own reason,
//! and nothing of it is kept.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tradepost_e2e::{Account, Shop, basket};
use tradepost_proto::order::v1::Order;
use tradepost_types::{OrderId, PaymentId, ShipmentId};

/// What is answered: the status, and the reason; no reason when all is well.
type Answer = (u16, &'static str);

struct Hand {
    shop: Shop,
    account: Account,
}

impl Hand {
    async fn open() -> Self {
        let mut shop = Shop::open().await;
        let account = shop.open_account().await;
        shop.buyer.stock("TEA", 10).await;
        Self { shop, account }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.account.request(Method::GET, path)
    }

    /// An order of JSON, or of what only looks like it.
    fn post(&self, key: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
        let request = self.account.request(Method::POST, "/v1/orders");
        let request = request.header("Idempotency-Key", key);
        request
            .header("Content-Type", "application/json")
            .body(body.into())
    }

    async fn put(&self, sku: &str, currency: &str, active: bool) {
        let item = json!({"name": sku, "price": {"currency_code": currency, "minor_units": 1_000},
            "weight_grams": 100, "active": active});
        let request = self
            .account
            .request(Method::PUT, &format!("/v1/items/{sku}"));
        let request = request.header("Idempotency-Key", sku).json(&item);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{sku}");
    }

    async fn buy(&self) -> Order {
        let basket = basket(&[("TEA", 1)], "pm_card_visa");
        self.shop.buyer.buy(basket).await
    }

    async fn json(&self, path: &str) -> Value {
        self.get(path).send().await.unwrap().json().await.unwrap()
    }
}

fn order(lines: Value) -> Value {
    json!({
        "customer_ref": "ada",
        "currency_code": "GBP",
        "lines": lines,
        "shipping_address": {
            "recipient": "Ada Example", "lines": ["1 Sample Street"], "city": "London",
            "postal_code": "N1 9GU", "country_code": "GB",
        },
        "payment_method": "pm_card_visa",
    })
}

fn line(sku: &str, quantity: i64) -> Value {
    json!({"sku": sku, "quantity": quantity})
}

fn priced(currency: &str, minor_units: i64) -> Value {
    let price = json!({"currency_code": currency, "minor_units": minor_units});
    json!([{"sku": "TEA", "quantity": 2, "agreed_unit_price": price}])
}

async fn assert_answered(what: &str, request: RequestBuilder, expected: Answer) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let is_problem = answer.headers()["content-type"] == "application/problem+json";
    let body: Value = answer.json().await.unwrap();
    let reason = body["reason"].as_str().unwrap_or_default();
    assert_eq!((status.as_u16(), reason), expected, "{what}: {body}");
    assert_eq!(is_problem, !status.is_success(), "{what}: {body}");
}

/// A good order with one field changed.
fn with(field: &str, value: Value) -> Vec<u8> {
    let mut order = order(json!([line("TEA", 1)]));
    order[field] = value;
    order.to_string().into_bytes()
}

/// Orders that the catalogue or the bounds do not allow.
fn not_to_be_had() -> [(&'static str, Vec<u8>, Answer); 10] {
    let lines = |lines: Value| with("lines", lines);
    let mixed = json!([line("TEA", 1), line("EURO", 1)]);
    let half = json!([{"sku": "TEA", "quantity": 0.5}]);
    [
        ("empty", lines(json!([])), (400, "INVALID_FIELD")),
        (
            "unknown",
            lines(json!([line("NOPE", 1)])),
            (400, "UNKNOWN_SKU"),
        ),
        (
            "inactive",
            lines(json!([line("OLD", 1)])),
            (400, "ITEM_INACTIVE"),
        ),
        ("mixed", lines(mixed), (400, "CURRENCY_MISMATCH")),
        (
            "mixed-price",
            lines(priced("EUR", 1)),
            (400, "CURRENCY_MISMATCH"),
        ),
        (
            "overflow",
            lines(priced("GBP", i64::MAX)),
            (400, "TOTAL_TOO_LARGE"),
        ),
        ("negative", lines(priced("GBP", -1)), (400, "INVALID_FIELD")),
        (
            "too-many",
            lines(json!([line("TEA", 1_000_001)])),
            (400, "INVALID_FIELD"),
        ),
        ("half", lines(half), (400, "INVALID_FIELD")),
        (
            "card",
            with("payment_method", json!("4242-4242-4242-4242")),
            (400, "INVALID_FIELD"),
        ),
    ]
}

/// What is no order at all.
fn not_to_be_read() -> [(&'static str, Vec<u8>, Answer); 5] {
    let good = with("customer_ref", json!("ada"));
    let latin = with("customer_ref", json!("ad?"));
    let latin = latin
        .into_iter()
        .map(|byte| if byte == b'?' { 0xe9 } else { byte });
    [
        ("latin", latin.collect(), (400, "INVALID_JSON")),
        (
            "trailing",
            [&good[..], b"{}"].concat(),
            (400, "INVALID_JSON"),
        ),
        (
            "cut",
            good[..good.len() - 1].to_vec(),
            (400, "INVALID_JSON"),
        ),
        ("deep", b"[".repeat(10_000), (400, "INVALID_JSON")),
        ("nothing", Vec::new(), (400, "INVALID_JSON")),
    ]
}

#[tokio::test]
async fn a_wrong_order_has_a_reason_of_its_own_and_leaves_nothing() {
    let hand = Hand::open().await;
    hand.put("OLD", "GBP", false).await;
    hand.put("EURO", "EUR", true).await;

    for (key, body, expected) in not_to_be_had().into_iter().chain(not_to_be_read()) {
        assert_answered(key, hand.post(key, body), expected).await;
    }
    let good = with("customer_ref", json!("ada"));
    let unkeyed = hand.account.request(Method::POST, "/v1/orders");
    let unkeyed = unkeyed.header("Content-Type", "application/json");
    let unkeyed = unkeyed.body(good.clone());
    assert_answered("no key", unkeyed, (400, "IDEMPOTENCY_KEY_MISSING")).await;
    let text = hand.account.request(Method::POST, "/v1/orders");
    let text = text.header("Idempotency-Key", "text").body(good.clone());
    let text = text.header("Content-Type", "text/plain");
    assert_answered("text", text, (415, "UNSUPPORTED_MEDIA_TYPE")).await;

    assert_eq!(hand.json("/v1/orders").await["orders"], json!([]));
    let stock = &hand.json("/v1/items/TEA").await["stock"];
    assert_eq!(
        stock,
        &json!({"on_hand": 10, "reserved": 0, "available": 10})
    );
    // The key of what was refused is free, and a wish that is none is not heard.
    let placed = hand.post("unknown", good).header("Prefer", "wait=abc");
    assert_answered("at last", placed, (201, "")).await;
    let placed = hand.json("/v1/orders").await;
    let id = placed["orders"][0]["order_id"].as_str().unwrap();
    hand.shop.buyer.ended(id).await;
    hand.shop.assert_sound().await;
}

#[tokio::test]
async fn a_wrong_question_has_a_reason_of_its_own() {
    let hand = Hand::open().await;
    let order = hand.buy().await;
    let (order_id, payment_id) = (order.order_id.as_str(), order.payment_id.as_str());
    let absent = OrderId::new();
    let states = ["state=CONFIRMED"; 21].join("&");
    let questions = [
        ("/v1/orders/1".to_owned(), (400, "INVALID_FIELD")),
        (format!("/v1/orders/{payment_id}"), (400, "INVALID_FIELD")),
        ("/v1/orders/%ff".to_owned(), (400, "INVALID_PATH")),
        (format!("/v1/orders/{absent}"), (404, "ORDER_NOT_FOUND")),
        (
            format!("/v1/orders/{absent}/timeline"),
            (404, "ORDER_NOT_FOUND"),
        ),
        (format!("/v1/payments/{order_id}"), (400, "INVALID_FIELD")),
        (
            format!("/v1/payments/{}", PaymentId::new()),
            (404, "PAYMENT_NOT_FOUND"),
        ),
        (
            format!("/v1/shipments/{}", ShipmentId::new()),
            (404, "SHIPMENT_NOT_FOUND"),
        ),
        ("/v1/items/NOPE".to_owned(), (404, "ITEM_NOT_FOUND")),
        (
            format!("/v1/items/{}", "x".repeat(65)),
            (400, "INVALID_FIELD"),
        ),
        ("/v1/orders?page_size=-1".to_owned(), (400, "INVALID_FIELD")),
        (
            "/v1/orders?page_size=many".to_owned(),
            (400, "INVALID_QUERY"),
        ),
        (
            "/v1/orders?page_size=9999999999".to_owned(),
            (400, "INVALID_QUERY"),
        ),
        ("/v1/orders?page_size=2147483647".to_owned(), (200, "")),
        (
            "/v1/orders?page_token=made-up".to_owned(),
            (400, "PAGE_TOKEN_INVALID"),
        ),
        ("/v1/orders?state=LOST".to_owned(), (400, "INVALID_QUERY")),
        (format!("/v1/orders?{states}"), (400, "INVALID_FIELD")),
        ("/v1/orders?customer=ada".to_owned(), (400, "INVALID_QUERY")),
        (
            "/v1/orders?create_time_from=today".to_owned(),
            (400, "INVALID_QUERY"),
        ),
        ("/v1/baskets".to_owned(), (404, "NOT_FOUND")),
    ];

    for (path, expected) in questions {
        assert_answered(&path, hand.get(&path), expected).await;
    }
    for method in [Method::OPTIONS, Method::DELETE, Method::PATCH] {
        let asked = hand.account.request(method.clone(), "/v1/orders");
        assert_answered(method.as_str(), asked, (405, "METHOD_NOT_ALLOWED")).await;
    }
    for (path, status) in [(order_id.to_owned(), 200), (absent.to_string(), 404)] {
        let asked = hand
            .account
            .request(Method::HEAD, &format!("/v1/orders/{path}"));
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.bytes().await.unwrap().len(), 0);
    }
}

#[tokio::test]
async fn what_is_anothers_is_not_there() {
    let hand = Hand::open().await;
    let sold = hand.buy().await;
    let neighbour = hand.account.neighbour().await;
    let (order_id, payment_id) = (&sold.order_id, &sold.payment_id);
    let keyed = |path: String| {
        let request = neighbour.request(Method::POST, &path);
        request.header("Idempotency-Key", "theirs").json(&json!({}))
    };

    for (path, reason) in [
        (format!("/v1/orders/{order_id}"), "ORDER_NOT_FOUND"),
        (format!("/v1/orders/{order_id}/timeline"), "ORDER_NOT_FOUND"),
        (format!("/v1/payments/{payment_id}"), "PAYMENT_NOT_FOUND"),
        (
            format!("/v1/shipments/{}", sold.shipment_id),
            "SHIPMENT_NOT_FOUND",
        ),
        ("/v1/items/TEA".to_owned(), "ITEM_NOT_FOUND"),
    ] {
        let asked = neighbour.request(Method::GET, &path);
        assert_answered(&path, asked, (404, reason)).await;
    }
    let cancel = keyed(format!("/v1/orders/{order_id}/cancel"));
    assert_answered("cancel", cancel, (404, "ORDER_NOT_FOUND")).await;
    let refund = keyed(format!("/v1/payments/{payment_id}/refunds"));
    assert_answered("refund", refund, (404, "PAYMENT_NOT_FOUND")).await;
    let bought = order(json!([line("TEA", 1)]));
    let bought = keyed("/v1/orders".to_owned()).json(&bought);
    assert_answered("order", bought, (400, "UNKNOWN_SKU")).await;

    let listed = neighbour.request(Method::GET, "/v1/orders").send().await;
    let listed: Value = listed.unwrap().json().await.unwrap();
    assert_eq!(listed["orders"], json!([]));
    let payment = hand.shop.buyer.payment(payment_id).await;
    assert_eq!(payment.refunds.len(), 0);
    hand.shop.assert_sound().await;
}
