//! A gateway of a hundred lines: items with stock, orders that take all their lines or nothing,
//! idempotency keys, and faults.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tradepost_load::gateway::{Gateway, RetryPolicy};

/// The one API key it knows.
const KEY: &str = "tp_test_key";

/// What goes wrong with a changing request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused with 503 before anything happens.
    Unavailable,
    /// It is carried out and the answer is cut off.
    CutOff,
}

#[derive(Default)]
pub(crate) struct Shop {
    pub(crate) available: BTreeMap<String, i64>,
    pub(crate) movements: Vec<(String, String, i64, String)>,
    pub(crate) orders: Vec<Value>,
    /// The keys of all changing requests in the order they came, the refused ones too.
    pub(crate) keys: Vec<String>,
    pub(crate) faults: VecDeque<Fault>,
    /// One fault after so many changing requests.
    pub(crate) fail_after: Option<(usize, Fault)>,
    /// The state in which every accepted order ends.
    pub(crate) end: Option<&'static str>,
    answers: HashMap<String, (Value, usize)>,
}

#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<Shop>>);

impl Fake {
    pub(crate) fn shop(&self) -> MutexGuard<'_, Shop> {
        self.0.lock().unwrap()
    }

    /// Starts it and returns a client.
    pub(crate) async fn start(&self) -> Gateway {
        let router = Router::new()
            .route("/v1/items/{sku}", get(item).put(put_item))
            .route(
                "/v1/items/{sku}/stock-movements",
                get(movements).post(move_stock),
            )
            .route("/v1/orders", post(place).get(list))
            .layer(middleware::from_fn_with_state(self.clone(), faulty))
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let retry = RetryPolicy {
            attempts_max: 40,
            pause_first: std::time::Duration::from_millis(1),
            pause_max: std::time::Duration::from_millis(1),
        };
        let gateway = Gateway::new(&url, retry).unwrap();
        gateway.with_key(&KEY.into()).unwrap()
    }
}

async fn faulty(State(fake): State<Fake>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get("authorization");
    if authorization.is_none_or(|given| *given != format!("Bearer {KEY}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Some(key) = key(request.headers()) else {
        return next.run(request).await;
    };
    let fault = {
        let mut shop = fake.shop();
        shop.keys.push(key);
        let came = shop.keys.len() - 1;
        let once = shop.fail_after.filter(|(after, _)| *after == came);
        once.map(|(_, fault)| fault)
            .or_else(|| shop.faults.pop_front())
    };
    match fault {
        None => next.run(request).await,
        Some(Fault::Unavailable) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::CutOff) => {
            let mut answer = next.run(request).await;
            let cut = stream::iter([Err::<&str, _>(std::io::Error::other("cut off"))]);
            *answer.body_mut() = Body::from_stream(cut);
            answer.headers_mut().remove("content-length");
            answer
        }
    }
}

fn key(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("idempotency-key")?.to_str().unwrap().to_owned())
}

async fn item(State(fake): State<Fake>, Path(sku): Path<String>) -> Json<Value> {
    let available = fake.shop().available.get(&sku).copied().unwrap_or_default();
    Json(
        json!({"sku": sku, "stock": {"on_hand": available, "reserved": 0, "available": available}}),
    )
}

async fn put_item(fake: State<Fake>, path: Path<String>, body: Json<Value>) -> Json<Value> {
    assert_eq!(body["active"], true);
    fake.shop().available.entry(path.0.clone()).or_default();
    item(fake, path).await
}

async fn move_stock(
    State(fake): State<Fake>,
    Path(sku): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut shop = fake.shop();
    let key = key(&headers).unwrap();
    if let Some((known, _)) = shop.answers.get(&key) {
        let same = *known == body;
        return if same {
            StatusCode::CREATED
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        .into_response();
    }
    shop.answers.insert(key, (body.clone(), 0));
    let quantity = body["quantity"].as_i64().unwrap();
    let (kind, reference) = (
        body["kind"].as_str().unwrap(),
        body["reference"].as_str().unwrap(),
    );
    let delta = if kind == "WRITTEN_OFF" {
        -quantity
    } else {
        quantity
    };
    *shop.available.get_mut(&sku).unwrap() += delta;
    shop.movements
        .push((sku, kind.to_owned(), quantity, reference.to_owned()));
    StatusCode::CREATED.into_response()
}

/// One movement a page, to make the client turn pages.
async fn movements(
    State(fake): State<Fake>,
    Path(sku): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    let shop = fake.shop();
    let page: usize = query
        .get("page_token")
        .map_or(0, |token| token.parse().unwrap());
    let all: Vec<_> = shop
        .movements
        .iter()
        .filter(|movement| movement.0 == sku)
        .collect();
    let shown: Vec<_> = all
        .iter()
        .skip(page)
        .take(1)
        .map(|m| json!({"reference": m.3}))
        .collect();
    let mut answer = json!({"movements": shown});
    if page + 1 < all.len() {
        answer["next_page_token"] = json!((page + 1).to_string());
    }
    Json(answer)
}

async fn place(State(fake): State<Fake>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let mut shop = fake.shop();
    let key = key(&headers).unwrap();
    if let Some((known, place)) = shop.answers.get(&key).cloned() {
        if known != body {
            let problem = json!({"reason": "REQUEST_ID_REUSED", "detail": "another body"});
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(problem)).into_response();
        }
        if headers.contains_key("prefer") && shop.orders[place]["state"] == "RESERVING" {
            finish(&mut shop, place);
        }
        let replayed = [("idempotent-replayed", "true")];
        return (StatusCode::OK, replayed, Json(shop.orders[place].clone())).into_response();
    }
    let place = shop.orders.len();
    shop.answers.insert(key, (body.clone(), place));
    shop.orders.push(order(place, &body));
    if headers.contains_key("prefer") {
        finish(&mut shop, place);
    }
    (StatusCode::CREATED, Json(shop.orders[place].clone())).into_response()
}

fn order(place: usize, body: &Value) -> Value {
    let lines = body["lines"].as_array().unwrap().iter().map(|line| {
        let (quantity, price) = (&line["quantity"], &line["agreed_unit_price"]["minor_units"]);
        let total = quantity.as_i64().unwrap() * price.as_i64().unwrap_or(100);
        let total = json!({"currency_code": "GBP", "minor_units": total});
        json!({"sku": line["sku"], "quantity": quantity, "total": total})
    });
    let lines: Vec<_> = lines.collect();
    json!({
        "order_id": format!("order_{place}"), "state": "RESERVING", "lines": lines,
        "customer_ref": body["customer_ref"], "country": body["shipping_address"]["country_code"],
    })
}

/// All lines or nothing.
fn finish(shop: &mut Shop, place: usize) {
    let mut left = shop.available.clone();
    for line in shop.orders[place]["lines"].as_array().unwrap() {
        *left.get_mut(line["sku"].as_str().unwrap()).unwrap() -= line["quantity"].as_i64().unwrap();
    }
    if left.values().all(|&units| units >= 0) {
        shop.available = left;
        shop.orders[place]["state"] = json!(shop.end.unwrap_or("CONFIRMED"));
    } else {
        shop.orders[place]["state"] = json!("REJECTED");
        shop.orders[place]["reject_reason"] = json!("OUT_OF_STOCK");
    }
}

async fn list(State(fake): State<Fake>, Query(query): Query<Vec<(String, String)>>) -> Json<Value> {
    let mut shop = fake.shop();
    let values = |name: &str| -> Vec<&String> {
        query
            .iter()
            .filter(|pair| pair.0 == name)
            .map(|pair| &pair.1)
            .collect()
    };
    let (states, customers) = (values("state"), values("customer_ref"));
    let found: Vec<_> = shop
        .orders
        .iter()
        .filter(|order| customers[0] == order["customer_ref"].as_str().unwrap())
        .filter(|order| {
            states.is_empty()
                || states
                    .iter()
                    .any(|state| *state == order["state"].as_str().unwrap())
        })
        .cloned()
        .collect();
    // Nobody may have asked for their end.
    for place in 0..shop.orders.len() {
        if shop.orders[place]["state"] == "RESERVING" {
            finish(&mut shop, place);
        }
    }
    Json(json!({"orders": found}))
}
