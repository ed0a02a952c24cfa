//! Keys, ids and traces in headers.

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use crate::stage::{Stage, an_order, bare, keyed};

fn order_with_keys(keys: &[&[u8]]) -> Request<Full<Bytes>> {
    let (mut parts, body) = keyed(Method::POST, "/v1/orders", an_order().to_string()).into_parts();
    parts.headers.remove("idempotency-key");
    for key in keys {
        parts
            .headers
            .append("idempotency-key", (*key).try_into().unwrap());
    }
    Request::from_parts(parts, body)
}

#[tokio::test]
async fn a_key_is_required_once_and_printable() {
    let stage = Stage::new().await;
    let long = [b'k'; 256];
    for (keys, reason) in [
        (&[][..], "IDEMPOTENCY_KEY_MISSING"),
        (&[&b""[..]][..], "IDEMPOTENCY_KEY_MISSING"),
        (&[b"a", b"a"], "IDEMPOTENCY_KEY_INVALID"),
        (&[&long], "IDEMPOTENCY_KEY_INVALID"),
        (&[b"caf\xC3\xA9"], "IDEMPOTENCY_KEY_INVALID"),
        (&[b"a\tb"], "IDEMPOTENCY_KEY_INVALID"),
    ] {
        let answer = stage.send(order_with_keys(keys)).await;
        let header = ("header".to_owned(), "Idempotency-Key".to_owned());
        assert_eq!(
            answer.faults(),
            (400, reason.to_owned(), vec![header]),
            "{keys:?}"
        );
    }
    assert_eq!(stage.fake.calls(), 0);

    let longest = stage.send(order_with_keys(&[&long[1..]])).await;
    assert_eq!(longest.status, 201);
}

#[tokio::test]
async fn what_would_do_more_twice_than_once_wants_a_key() {
    let stage = Stage::new().await;
    for (method, path) in [
        (Method::POST, "/v1/orders"),
        (Method::POST, "/v1/orders/o/cancel"),
        (Method::PUT, "/v1/items/a"),
        (Method::POST, "/v1/items/a/stock-movements"),
        (Method::POST, "/v1/payments/p/refunds"),
        (Method::POST, "/v1/notifications"),
        (Method::POST, "/v1/notification-groups/g/notifications"),
    ] {
        let answer = stage.send(bare(method, path)).await;
        assert_eq!(answer.faults().1, "IDEMPOTENCY_KEY_MISSING", "{path}");
    }
}

#[tokio::test]
async fn the_services_are_told_who_asks_and_for_how_long() {
    let stage = Stage::new().await;

    stage.get("/v1/items/a").await;

    let metadata = stage.fake.metadata();
    let text = |name| metadata.get(name).unwrap().to_str().unwrap().to_owned();
    let (seen, owner) = (stage.seen_by("inventory"), stage.doubles.owner());
    assert_eq!(
        (seen.tenant, &seen.subject),
        (owner.tenant, &owner.subject.to_string())
    );
    assert_eq!(seen.issuer, "gateway");
    let rights = ["items:read", "items:write", "inventory:adjust"];
    assert_eq!(seen.rights, rights, "those of the service, and no others");
    assert!(!seen.customer);
    let timeout = text("grpc-timeout");
    let micros: u64 = timeout.strip_suffix('u').unwrap().parse().unwrap();
    assert!((1..=20_000_000).contains(&micros), "{timeout}");
}

#[tokio::test]
async fn a_caller_may_not_choose_the_tenant() {
    let stage = Stage::new().await;
    let request = Request::get("/v1/items/a")
        .header("x-tradepost-tenant", "tenant_01jd0000000000000000000001")
        .body(Full::default())
        .unwrap();

    stage.send(request).await;

    assert!(stage.fake.metadata().get("x-tradepost-tenant").is_none());
    let seen = stage.seen_by("inventory").tenant;
    assert_eq!(seen, stage.doubles.owner().tenant);
}

#[tokio::test]
async fn an_answer_carries_the_callers_id_or_one_of_its_own() {
    let stage = Stage::new().await;
    let with_id = |id: &str| {
        let request = Request::get("/v1/items/a").header("x-request-id", id);
        request.body(Full::default()).unwrap()
    };

    let own = stage.get("/v1/items/a").await;
    let given = stage.send(with_id("caller-7")).await;
    let unprintable = stage.send(with_id("two words")).await;
    let long = stage.send(with_id(&"x".repeat(129))).await;

    assert_eq!(own.header("x-request-id").unwrap().len(), 32);
    assert_eq!(given.header("x-request-id"), Some("caller-7"));
    assert_eq!(unprintable.header("x-request-id").unwrap().len(), 32);
    assert_eq!(long.header("x-request-id").unwrap().len(), 32);
}

#[tokio::test]
async fn nothing_is_cached_and_nothing_guessed() {
    let stage = Stage::new().await;

    for answer in [stage.get("/v1/items/a").await, stage.get("/nowhere").await] {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn requests_are_counted_by_the_template_of_their_route() {
    let stage = Stage::new().await;

    stage.get("/v1/items/a").await;
    stage.get("/v1/items/b").await;
    stage.get("/nowhere/1").await;
    stage.post("/v1/payments/p/refunds", &json!({"x": 1})).await;

    let text = stage.registry.render().unwrap();
    for line in [
        "http_requests_total{route=\"/v1/items/{sku}\",method=\"GET\",status=\"200\"} 2",
        "http_requests_total{route=\"none\",method=\"GET\",status=\"404\"} 1",
        "http_requests_total{route=\"/v1/payments/{payment_id}/refunds\",method=\"POST\",status=\"400\"} 1",
        "http_request_duration_seconds_count{route=\"/v1/items/{sku}\",method=\"GET\"} 2",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
