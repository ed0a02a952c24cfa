//! The gateway is the one door: who comes in by it, what they see, and that there is no other.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Request};
use tradepost_e2e::{Account, Service, Shop};
use tradepost_proto::order::v1::GetOrderRequest;
use tradepost_proto::order::v1::order_service_client::OrderServiceClient;
use tradepost_service::client::{ClientOptions, channel};

fn basket() -> Value {
    json!({
        "currency_code": "GBP",
        "lines": [{"sku": "TEA", "quantity": 1}],
        "shipping_address": {
            "recipient": "Ada Example", "lines": ["1 Sample Street"], "city": "London",
            "postal_code": "N1 9GU", "country_code": "GB",
        },
        "payment_method": "pm_card_visa",
    })
}

async fn answer(account: &Account, method: Method, path: &str, body: Option<Value>) -> Value {
    let mut request = account.request(method, path);
    if let Some(body) = body {
        request = request
            .header("Idempotency-Key", format!("{path}-1"))
            .header("Prefer", "wait=30")
            .json(&body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let mut json: Value = answer.json().await.unwrap();
    json["status"] = status.into();
    json
}

#[tokio::test]
async fn a_customer_buys_and_others_see_nothing_of_it() {
    let mut shop = Shop::open().await;
    let program = shop.open_account().await;
    shop.buyer.stock("TEA", 10).await;
    let ada = program.member("ada@example.com", "customer").await;
    let bob = program.member("bob@example.com", "customer").await;

    let order = answer(&ada, Method::POST, "/v1/orders", Some(basket())).await;
    let id = order["order_id"].as_str().unwrap();
    let path = format!("/v1/orders/{id}");
    let own = answer(&ada, Method::GET, &path, None).await;
    let foreign = answer(&bob, Method::GET, &path, None).await;
    let listed = answer(&bob, Method::GET, "/v1/orders", None).await;
    let cancelled = format!("{path}/cancel");
    let cancelled = answer(&bob, Method::POST, &cancelled, Some(json!({}))).await;
    let clerk = answer(&program, Method::GET, &path, None).await;
    let mut cheap = basket();
    cheap["lines"][0]["agreed_unit_price"] = json!({"currency_code": "GBP", "minor_units": 1});
    let cheap = answer(&bob, Method::POST, "/v1/orders", Some(cheap)).await;

    assert_eq!(order["status"], 201, "{order}");
    assert_eq!(own["status"], 200);
    assert_eq!(foreign["reason"], "ORDER_NOT_FOUND", "{foreign}");
    assert_eq!(listed["orders"], json!([]));
    assert_eq!(cancelled["reason"], "ORDER_NOT_FOUND", "{cancelled}");
    assert_eq!(clerk["status"], 200, "the tenant's program sees all");
    assert_eq!(cheap["status"], 403, "{cheap}");
    shop.buyer.ended(id).await;
    shop.assert_sound().await;
}

#[tokio::test]
async fn a_removed_member_is_out_and_all_that_was_done_is_in_the_trail() {
    let mut shop = Shop::open().await;
    let program = shop.open_account().await;
    let mallory = program.member("mallory@example.com", "manager").await;
    let me = answer(&mallory, Method::GET, "/v1/auth/me", None).await;
    let user = format!("/v1/users/{}", me["subject"].as_str().unwrap());

    let removed = program.owner().request(Method::DELETE, &user);
    let removed = removed.header("Idempotency-Key", "remove").send().await;
    let removed = removed.unwrap().status();
    let after = answer(&mallory, Method::GET, "/v1/orders", None).await;
    let trail = answer(&program.owner(), Method::GET, "/v1/audit", None).await;

    assert_eq!(removed, StatusCode::NO_CONTENT);
    assert_eq!(after["status"], 401, "{after}");
    let entries = trail["entries"].as_array().unwrap();
    let has = |action: &str| entries.iter().any(|entry| entry["action"] == action);
    for action in [
        "session.login",
        "api_key.create",
        "user.create",
        "user.remove",
    ] {
        assert!(has(action), "{action} in {trail}");
    }
}

#[tokio::test]
async fn there_is_no_way_around_the_gateway() {
    let shop = Shop::open().await;
    let url = shop.unit(Service::Order).url();
    let channel: Channel = channel(&url, &ClientOptions::default()).unwrap();
    let request = GetOrderRequest {
        order_id: "order_01h455vb4pex5vsknk084sn02q".to_owned(),
    };
    let mut forged = Request::new(request.clone());
    let metadata = forged.metadata_mut();
    metadata.insert("authorization", "Bearer a.b.c".parse().unwrap());
    let mut orders = OrderServiceClient::new(channel);

    let bare = orders.get_order(request).await.unwrap_err();
    let forged = orders.get_order(forged).await.unwrap_err();

    assert_eq!(bare.code(), Code::Unauthenticated, "{bare}");
    assert_eq!(forged.code(), Code::Unauthenticated, "{forged}");
}
