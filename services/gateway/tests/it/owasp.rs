//! The OWASP API Security Top 10 of 2023, one after the other.

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tradepost_gateway::domain::caller::Caller;
use tradepost_gateway::domain::rights::Role;
use tradepost_proto::order::v1 as ord;
use tradepost_types::TenantId;

use crate::doubles::caller;
use crate::stage::{Answer, Stage, an_order, bare, keyed};

/// A stage on which everybody has to say who they are, by the name of their role.
async fn guarded() -> Stage {
    let stage = Stage::new().await;
    stage.doubles.closed();
    for role in Role::ALL {
        stage.doubles.knows(role.as_str(), caller(*role));
    }
    stage
}

async fn send(stage: &Stage, token: &str, mut request: Request<Full<Bytes>>) -> Answer {
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    stage.send(request).await
}

fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    keyed(Method::POST, path, body.to_string())
}

/// A customer's order, as it should be.
fn own_order() -> Value {
    let mut order = an_order();
    order.as_object_mut().unwrap().remove("customer_ref");
    let line = order["lines"][1].as_object_mut().unwrap();
    line.remove("agreed_unit_price");
    order
}

#[tokio::test]
async fn api1_broken_object_level_authorization() {
    let stage = guarded().await;
    let other = caller(Role::Customer).subject;
    let elsewhere = TenantId::new();

    for (token, id) in [
        ("customer", format!("of-{other}")),
        ("customer", format!("in-{elsewhere}")),
        ("owner", format!("in-{elsewhere}")),
    ] {
        for request in [
            bare(Method::GET, &format!("/v1/orders/{id}")),
            bare(Method::GET, &format!("/v1/orders/{id}/timeline")),
            post(&format!("/v1/orders/{id}/cancel"), &json!({})),
        ] {
            let answer = send(&stage, token, request).await;
            assert_eq!(answer.faults().0, 404, "{token} {id}");
        }
    }
    let list = bare(Method::GET, &format!("/v1/orders?customer_ref={other}"));
    assert_eq!(send(&stage, "customer", list).await.status, 403);
    let before = stage.fake.calls();
    let theirs = format!("/v1/notification-recipients/{other}");
    for (method, path) in [
        (Method::GET, format!("{theirs}/preferences")),
        (Method::PUT, format!("{theirs}/preferences")),
        (Method::GET, format!("{theirs}/email-address")),
        (Method::PUT, format!("{theirs}/email-address")),
        (Method::DELETE, format!("{theirs}/email-address")),
        (Method::GET, format!("{theirs}/emails")),
        (Method::GET, format!("/v1/presence?user_ids={other}")),
        (
            Method::GET,
            "/v1/notification-groups/staff/presence".to_owned(),
        ),
    ] {
        let request = keyed(method.clone(), &path, "{}");
        let answer = send(&stage, "customer", request).await;
        assert_eq!(answer.faults().0, 403, "{method} {path}");
    }
    assert_eq!(stage.fake.calls(), before);
}

#[tokio::test]
async fn api2_broken_authentication() {
    let stage = guarded().await;
    let with = |values: &[&str]| {
        let mut request = bare(Method::GET, "/v1/orders/o");
        for value in values {
            let value = value.parse().unwrap();
            request.headers_mut().append("authorization", value);
        }
        request
    };

    for (request, status) in [
        (with(&[]), 401),
        (with(&["Bearer stolen"]), 401),
        (with(&["Basic b3duZXI6b3duZXI="]), 400),
        (with(&["Bearer owner", "Bearer customer"]), 400),
        (bare(Method::GET, "/v1/orders/o?access_token=owner"), 401),
    ] {
        let answer = stage.send(request).await;
        assert_eq!(answer.faults().0, status);
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
    }
    stage.doubles.revoke("owner");
    let revoked = send(&stage, "owner", with(&[])).await;
    assert_eq!(revoked.status, 401);
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn api3_broken_object_property_level_authorization() {
    let stage = guarded().await;
    for (pointer, value) in [
        ("state", json!("CONFIRMED")),
        ("tenant_id", json!("tenant_01jd0000000000000000000000")),
        ("total", json!({"currency_code": "GBP", "minor_units": 1})),
        ("order_id", json!("order_01h455vb4pex5vsknk084sn02q")),
    ] {
        let mut order = own_order();
        order[pointer] = value;
        let answer = send(&stage, "customer", post("/v1/orders", &order)).await;
        assert_eq!(answer.faults().0, 400, "{pointer} cannot be set by anybody");
    }
    for (pointer, value) in [
        ("/customer_ref", json!("c-2")),
        (
            "/lines/0/agreed_unit_price",
            json!({"currency_code": "GBP", "minor_units": 1}),
        ),
    ] {
        let mut order = own_order();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        order.pointer_mut(parent).unwrap()[name] = value;
        let answer = send(&stage, "customer", post("/v1/orders", &order)).await;
        let place = ("pointer".to_owned(), pointer.to_owned());
        let refusal = (403, "PERMISSION_DENIED".to_owned(), vec![place]);
        assert_eq!(
            answer.faults(),
            refusal,
            "customers do not choose {pointer}"
        );
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn api4_unrestricted_resource_consumption() {
    let stage = guarded().await;

    let large = keyed(Method::POST, "/v1/orders", vec![b' '; 2 * 1024 * 1024 + 1]);
    assert_eq!(send(&stage, "owner", large).await.status, 413);

    send(&stage, "owner", bare(Method::GET, "/v1/orders/o")).await;
    let timeout = stage.fake.metadata().get("grpc-timeout").cloned();
    assert!(timeout.is_some(), "no call lasts without end");

    stage.doubles.exhaust_identity();
    let over = send(&stage, "owner", bare(Method::GET, "/v1/orders")).await;
    assert_eq!(over.status, 429);
    assert!(over.header("retry-after").is_some());
    assert_eq!(stage.fake.calls(), 1);
}

#[tokio::test]
async fn api5_broken_function_level_authorization() {
    let stage = guarded().await;
    for (token, request) in [
        ("customer", keyed(Method::PUT, "/v1/items/a", "{}")),
        ("customer", post("/v1/items/a/stock-movements", &json!({}))),
        ("customer", post("/v1/payments/p/refunds", &json!({}))),
        ("customer", bare(Method::GET, "/v1/payments/p")),
        ("support", post("/v1/payments/p/refunds", &json!({}))),
        ("support", post("/v1/orders", &an_order())),
        ("manager", bare(Method::GET, "/v1/access/explain")),
        ("operator", bare(Method::GET, "/v1/orders")),
        ("operator", bare(Method::GET, "/v1/metrics/live")),
        ("owner", bare(Method::GET, "/v1/analytics/daily")),
        ("support", post("/v1/events", &json!({}))),
        ("customer", bare(Method::GET, "/v1/events")),
        ("customer", bare(Method::GET, "/v1/webhook-endpoints")),
        ("support", post("/v1/webhook-endpoints", &json!({}))),
        (
            "support",
            post("/v1/webhook-endpoints/e/secret", &json!({})),
        ),
        ("operator", bare(Method::GET, "/v1/webhook-endpoints")),
    ] {
        let path = request.uri().to_string();
        let answer = send(&stage, token, request).await;
        assert_eq!(answer.faults().0, 403, "{token} {path}");
    }
    // Another method, spelling or header does not lead around.
    for request in [
        bare(Method::HEAD, "/v1/payments/p"),
        keyed(Method::POST, "/v1/items/a", "{}"),
        bare(Method::GET, "/v1/payments/p/"),
        bare(Method::GET, "/V1/payments/p"),
    ] {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let answer = send(&stage, "customer", request).await;
        assert!(answer.status.is_client_error(), "{method} {path}");
    }
    let mut disguised = bare(Method::GET, "/v1/items/a");
    let delete = "DELETE".parse().unwrap();
    disguised
        .headers_mut()
        .insert("x-http-method-override", delete);
    assert_eq!(send(&stage, "customer", disguised).await.status, 200);
    assert_eq!(stage.fake.calls(), 1);
}

#[tokio::test]
async fn api6_unrestricted_access_to_sensitive_business_flows() {
    let stage = guarded().await;

    let keyless = bare(Method::POST, "/v1/orders");
    assert_eq!(send(&stage, "customer", keyless).await.status, 400);
    send(&stage, "customer", post("/v1/orders", &own_order())).await;

    // Placing counts more than reading, and a repetition is the same order.
    assert_eq!(stage.doubles.costs(), [5, 5]);
    let placed = stage.fake.only::<ord::PlaceOrderRequest>();
    assert_eq!(placed.request_id, "key-1");
}

#[test]
fn api7_server_side_request_forgery() {
    /// Compared, never fetched; `url` is a webhook endpoint's, handed on to the notification service,
    /// which connects to public addresses only.
    const HARMLESS: [&str; 4] = ["redirect_uri", "redirect_uris", "redirect_url", "url"];
    fn addresses(name: &str, value: &Value, found: &mut Vec<String>) {
        let text = name.to_lowercase();
        let names_one = ["url", "uri", "webhook", "callback", "host"]
            .iter()
            .any(|word| text.contains(word));
        if names_one && value.get("type").is_some() && !HARMLESS.contains(&name) {
            found.push(name.to_owned());
        }
        if let Value::Object(fields) = value {
            for (name, field) in fields {
                addresses(name, field, found);
            }
        }
    }
    let document = serde_json::to_value(tradepost_gateway::http::openapi()).unwrap();
    let bodies = document["paths"].as_object().unwrap().values();
    let asked = bodies.flat_map(|item| item.as_object().unwrap().values());
    let schemas = &document["components"]["schemas"];
    let mut found = Vec::new();
    for operation in asked {
        let content = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        if let Some(name) = content.as_str().and_then(|name| name.rsplit('/').next()) {
            addresses("", &schemas[name], &mut found);
        }
    }
    assert_eq!(
        found,
        Vec::<String>::new(),
        "nobody tells the gateway whom to call"
    );
}

#[tokio::test]
async fn api8_security_misconfiguration() {
    let stage = guarded().await;
    stage
        .fake
        .fail(Status::internal("select * from orders at 10.0.0.7"));

    for answer in [
        stage.send(bare(Method::GET, "/nowhere")).await,
        stage.send(bare(Method::GET, "/v1/orders")).await,
        stage.send(bare(Method::TRACE, "/v1/orders")).await,
        send(&stage, "owner", bare(Method::GET, "/v1/orders/o")).await,
    ] {
        let text = answer.problem().to_string();
        assert!(
            !text.contains("select") && !text.contains("10.0.0.7"),
            "{text}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").is_some());
        assert_eq!(answer.header("server"), None);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[test]
fn api9_improper_inventory_management() {
    let document = serde_json::to_value(tradepost_gateway::http::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for path in paths.keys() {
        let known = ["/v1/", "/oauth/", "/.well-known/"];
        assert!(known.iter().any(|start| path.starts_with(start)), "{path}");
    }
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            assert!(!summary.is_empty(), "{method} {path} says what it is for");
        }
    }
}

#[tokio::test]
async fn api10_unsafe_consumption_of_apis() {
    let stage = guarded().await;
    // A service that answers nonsense, or refuses in the name of somebody else.
    stage
        .fake
        .fail(Status::new(Code::Unknown, "<script>alert(1)</script>"));
    let odd = send(&stage, "owner", bare(Method::GET, "/v1/orders/o")).await;
    assert_eq!(odd.problem()["detail"], "internal error");

    stage.fake.fail(Status::unauthenticated("who are you?"));
    let unknown = send(&stage, "owner", bare(Method::GET, "/v1/orders/o")).await;
    assert_eq!(unknown.status, 503, "that is not the caller's fault");

    // Nobody but the card provider reports payments.
    let report = Request::post("/v1/webhooks/payments").body(Full::from("{}"));
    assert_eq!(stage.send(report.unwrap()).await.status, 401);
}

#[tokio::test]
async fn who_calls_is_never_taken_from_a_header_of_theirs() {
    let stage = guarded().await;
    let customer: Caller = caller(Role::Customer);
    stage.doubles.knows("buyer", customer.clone());
    let mut request = bare(Method::GET, "/v1/orders/o");
    for (name, value) in [
        ("x-user-id", "user_01jd0000000000000000000000"),
        ("x-tenant-id", "tenant_01jd0000000000000000000001"),
        ("x-tradepost-actor", "owner"),
        ("x-forwarded-user", "owner"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }

    send(&stage, "buyer", request).await;

    let seen = stage.seen_by("order");
    assert_eq!(seen.subject, customer.subject.to_string());
    assert_eq!((seen.tenant, seen.customer), (customer.tenant, true));
    assert_eq!(
        seen.rights,
        ["orders:place", "orders:read", "orders:cancel"]
    );
}
