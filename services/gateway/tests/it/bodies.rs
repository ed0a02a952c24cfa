//! Bodies, queries and paths that are refused before a service is asked.

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use crate::stage::{Stage, an_order, keyed};

fn at(pointer: &str) -> Vec<(String, String)> {
    vec![("pointer".to_owned(), pointer.to_owned())]
}

#[tokio::test]
async fn every_fault_of_a_body_is_named_by_its_place() {
    let stage = Stage::new().await;
    let order = an_order().to_string();
    let with = |from: &str, to: &str| {
        assert!(order.contains(from), "{from}");
        order.replacen(from, to, 1)
    };
    let deep = format!("{{\"lines\":{}{}}}", "[".repeat(32), "]".repeat(32));
    let deepest = format!("/lines{}", "/0".repeat(31));
    let cases: Vec<(Bytes, &str, &str)> = vec![
        ("".into(), "INVALID_JSON", ""),
        ("{".into(), "INVALID_JSON", ""),
        (format!("{order} {{}}").into(), "INVALID_JSON", ""),
        (
            b"{\"customer_ref\":\"\xFF\"}"[..].into(),
            "INVALID_JSON",
            "",
        ),
        (
            with("\"quantity\":2", "\"quantity\":2,\"quantity\":2").into(),
            "INVALID_JSON",
            "/lines/0/quantity",
        ),
        (deep.into(), "INVALID_JSON", &deepest),
        (
            with("\"quantity\":2", "\"quantity\":2,\"colour\":1").into(),
            "INVALID_FIELD",
            "/lines/0/colour",
        ),
        (
            with("\"minor_units\":5", "\"minor_units\":5.0").into(),
            "INVALID_FIELD",
            "/lines/1/agreed_unit_price/minor_units",
        ),
        (
            with("\"minor_units\":5", "\"minor_units\":\"5\"").into(),
            "INVALID_FIELD",
            "/lines/1/agreed_unit_price/minor_units",
        ),
        (
            with("\"city\":\"London\",", "").into(),
            "INVALID_FIELD",
            "/shipping_address/city",
        ),
        (
            with("[\"1 Main St\"]", "[\"1 Main St\",null]").into(),
            "INVALID_FIELD",
            "/shipping_address/lines/1",
        ),
        ("[]".into(), "INVALID_FIELD", ""),
        ("{}".into(), "INVALID_FIELD", "/currency_code"),
    ];

    for (body, reason, pointer) in cases {
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer = stage.post_raw("/v1/orders", body).await;
        assert_eq!(
            answer.faults(),
            (400, reason.to_owned(), at(pointer)),
            "{text}"
        );
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let stage = Stage::new().await;
    let mut largest = an_order().to_string();
    largest.push_str(&" ".repeat(2 * 1024 * 1024 - largest.len()));

    let taken = stage.post_raw("/v1/orders", largest.clone()).await;
    let refused = stage.post_raw("/v1/orders", format!("{largest} ")).await;

    assert_eq!(taken.status, 201);
    assert_eq!(refused.faults(), (413, "BODY_TOO_LARGE".to_owned(), vec![]));
    assert_eq!(refused.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_body_that_does_not_say_its_length_is_limited_too() {
    let stage = Stage::new().await;

    let status = crate::limits::chunked(stage.addr, 2 * 1024 * 1024 + 1).await;

    assert!(status.starts_with("HTTP/1.1 413 "), "{status}");
}

#[tokio::test]
async fn only_json_is_taken_for_json() {
    let stage = Stage::new().await;
    let refused = |header: &'static str, value: &'static str| {
        let (mut parts, body) =
            keyed(Method::POST, "/v1/orders", an_order().to_string()).into_parts();
        parts.headers.insert(header, value.parse().unwrap());
        Request::from_parts(parts, body)
    };
    let untyped = Request::post("/v1/orders")
        .header("idempotency-key", "k")
        .body(Full::from("{}"))
        .unwrap();

    for request in [
        refused("content-type", "text/plain"),
        refused("content-type", "application/json; charset=latin1"),
        refused("content-encoding", "gzip"),
        untyped,
    ] {
        let answer = stage.send(request).await;
        assert_eq!(
            answer.faults(),
            (415, "UNSUPPORTED_MEDIA_TYPE".to_owned(), vec![])
        );
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn the_note_of_a_cancellation_is_optional_but_not_anything_else() {
    let stage = Stage::new().await;

    let answer = stage
        .post("/v1/orders/o/cancel", &json!({"reason": "x"}))
        .await;

    assert_eq!(
        answer.faults(),
        (400, "INVALID_FIELD".to_owned(), at("/reason"))
    );
    let answer = stage.post_raw("/v1/orders/o/cancel", " ").await;
    assert_eq!(answer.faults(), (400, "INVALID_JSON".to_owned(), at("")));
}

#[tokio::test]
async fn people_record_no_sales() {
    let stage = Stage::new().await;
    let path = "/v1/items/a/stock-movements";

    let answer = stage
        .post(path, &json!({"kind": "SOLD", "quantity": 1}))
        .await;

    assert_eq!(
        answer.faults(),
        (400, "INVALID_FIELD".to_owned(), at("/kind"))
    );
}

#[tokio::test]
async fn every_fault_of_a_query_is_named() {
    let stage = Stage::new().await;
    for (path, parameter) in [
        ("/v1/orders?state=OPEN", "state"),
        ("/v1/orders?state=UNSPECIFIED", "state"),
        ("/v1/orders?page_size=ten", "page_size"),
        ("/v1/orders?page_size=1&page_size=2", "page_size"),
        ("/v1/orders?create_time_from=yesterday", "create_time_from"),
        ("/v1/orders?colour=red", "colour"),
        ("/v1/orders/o?expand=lines", "expand"),
        ("/v1/orders/o/timeline?x=1", "x"),
        ("/v1/items?sku_prefix=%FF", "sku_prefix"),
        ("/v1/items/a?x=1", "x"),
        ("/v1/items/a/stock-movements?sku=b", "sku"),
        ("/v1/payments/p?x=1", "x"),
        ("/v1/shipments/s?x=1", "x"),
    ] {
        let expected = vec![("parameter".to_owned(), parameter.to_owned())];
        let answer = stage.get(path).await;
        assert_eq!(
            answer.faults(),
            (400, "INVALID_QUERY".to_owned(), expected),
            "{path}"
        );
    }
    let answer = stage.post("/v1/orders?dry_run=true", &an_order()).await;
    assert_eq!(answer.faults().1, "INVALID_QUERY");
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn a_path_that_is_not_text_is_refused() {
    let stage = Stage::new().await;

    let answer = stage.get("/v1/items/%FF").await;

    assert_eq!(answer.faults(), (400, "INVALID_PATH".to_owned(), vec![]));
}

#[tokio::test]
async fn what_is_nowhere_and_what_is_no_method_are_problems_too() {
    let stage = Stage::new().await;

    for path in [
        "/",
        "/v1",
        "/v1/orders/",
        "/v1/orders/a/b/c",
        "/v2/orders",
        "/docs/none.js",
    ] {
        let answer = stage.get(path).await;
        assert_eq!(
            answer.faults(),
            (404, "NOT_FOUND".to_owned(), vec![]),
            "{path}"
        );
    }
    for (method, path, allow) in [
        (Method::DELETE, "/v1/orders", "GET,HEAD,POST"),
        (Method::GET, "/v1/orders/o/cancel", "POST"),
        (Method::POST, "/v1/items/a", "GET,HEAD,PUT"),
        (Method::PATCH, "/v1/payments/p", "GET,HEAD"),
    ] {
        let answer = stage.send(keyed(method, path, "")).await;
        assert_eq!(
            answer.faults(),
            (405, "METHOD_NOT_ALLOWED".to_owned(), vec![])
        );
        let mut allowed: Vec<_> = answer.header("allow").unwrap().split(',').collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow);
    }
}
