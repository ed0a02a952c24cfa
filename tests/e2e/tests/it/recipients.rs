//! What people and systems say over REST of how they want to be told, held against what they are told.

use std::collections::HashMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tradepost_e2e::{Account, SOON, Service, Setup, Shop};
use tradepost_notification::domain::webhook::{SigningSecret, signatures};
use tradepost_types::OrderId;

async fn call(account: &Account, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let key = OrderId::new().to_string();
    let request = account.request(method, path).header("Idempotency-Key", key);
    let answer = request.json(&body).send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// A message, as an endpoint got it.
struct Got {
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// What the sender would have signed with this secret.
    fn is_signed_with(&self, secret: &str) -> bool {
        let secret = SigningSecret::parse(secret.to_owned()).unwrap();
        let timestamp = self.headers["webhook-timestamp"].parse().unwrap();
        let id = &self.headers["webhook-id"];
        let wanted = signatures([&secret], id, timestamp, &self.body).unwrap();
        self.headers["webhook-signature"] == wanted
    }
}

/// The next message, which is taken.
async fn next(listener: &TcpListener) -> Got {
    let taking = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        let end = loop {
            assert_ne!(
                stream.read_buf(&mut bytes).await.unwrap(),
                0,
                "a whole head"
            );
            let mut windows = bytes.windows(4);
            if let Some(at) = windows.position(|window| window == b"\r\n\r\n") {
                break at;
            }
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let headers = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        let headers: HashMap<_, _> = headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length: usize = headers["content-length"].parse().unwrap();
        let mut body = bytes.split_off(end + 4);
        while body.len() < length {
            assert_ne!(stream.read_buf(&mut body).await.unwrap(), 0, "a whole body");
        }
        let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
        // Who waits no more sends it again.
        let _gone = stream.write_all(answer).await;
        Got { headers, body }
    };
    tokio::time::timeout(SOON, taking).await.unwrap()
}

#[tokio::test]
async fn a_webhook_endpoint_made_over_rest_gets_an_orders_news_signed() {
    let setup = Setup::default()
        .with(Service::Notification, "WEBHOOKS__ALLOW_HTTP", true)
        .with(Service::Notification, "WEBHOOKS__ALLOW_PRIVATE", true)
        .with(Service::Notification, "WEBHOOKS__LOOK_MS", 100);
    let mut shop = Shop::with(setup).await;
    let account = shop.open_account().await;
    shop.buyer.stock("TEA", 10).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let wanted = json!({"url": url, "types": ["order.confirmed"]});

    // With the API key: a program manages the tenant's webhooks.
    let (status, made) = call(&account, Method::POST, "/v1/webhook-endpoints", wanted).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let path = format!(
        "/v1/webhook-endpoints/{}",
        made["endpoint"]["endpoint_id"].as_str().unwrap()
    );
    let order = json!({
        "customer_ref": "c-1001",
        "currency_code": "GBP",
        "lines": [{"sku": "TEA", "quantity": 1}],
        "shipping_address": {
            "recipient": "Ada Example", "lines": ["1 Sample Street"], "city": "London",
            "postal_code": "N1 9GU", "country_code": "GB",
        },
        "payment_method": "pm_card_visa",
    });
    let (_, order) = call(&account, Method::POST, "/v1/orders", order).await;
    let order = order["order_id"].as_str().unwrap();
    let got = next(&listener).await;

    assert!(got.is_signed_with(made["secret"].as_str().unwrap()));
    let told = got.json();
    assert_eq!(told["type"], "order.confirmed");
    assert_eq!(told["data"]["data"]["order_id"], order);
    // What signs after a rotation is told by it, and a test message is sent at once.
    let (status, rotated) =
        call(&account, Method::POST, &format!("{path}/secret"), json!({})).await;
    assert_eq!(status, StatusCode::CREATED, "{rotated}");
    assert_ne!(rotated["secret"], made["secret"]);
    let (status, due) = call(&account, Method::POST, &format!("{path}/test"), json!({})).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{due}");
    // The staff is told of the order too, which is a message of its own.
    let tested = loop {
        let got = next(&listener).await;
        if got.json()["type"] == "webhook.test" {
            break got;
        }
    };
    assert_eq!(due["webhook_id"], tested.headers["webhook-id"].as_str());
    shop.buyer.ended(order).await;
    shop.assert_sound().await;
}
