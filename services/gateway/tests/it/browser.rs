//! What browsers are told.

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::Full;
use tonic::Code;
use tradepost_service::error::Failure;

use crate::stage::{Answer, Stage};

const SHOP: &str = "https://shop.example";

async fn stage() -> Stage {
    Stage::with(|config| config.cors.origins = vec![SHOP.to_owned()]).await
}

fn from(origin: &str, method: Method, path: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("origin", origin).body(Full::default());
    request.unwrap()
}

fn preflight(origin: &str, path: &str) -> Request<Full<Bytes>> {
    let mut request = from(origin, Method::OPTIONS, path);
    let headers = request.headers_mut();
    headers.insert("access-control-request-method", "PUT".parse().unwrap());
    headers.insert(
        "access-control-request-headers",
        "authorization, idempotency-key".parse().unwrap(),
    );
    request
}

fn readable_by_the_shop(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
    assert_eq!(answer.header("vary"), Some("Origin"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["X-Request-Id", "Retry-After", "RateLimit", "Location"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_before_anybody_is_asked_who_they_are() {
    let stage = stage().await;
    stage.doubles.closed();
    stage.doubles.exhaust_address();

    for path in ["/v1/items/a", "/v1/orders", "/nowhere"] {
        let answer = stage.send(preflight(SHOP, path)).await;

        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(SHOP));
        assert_eq!(answer.header("access-control-max-age"), Some("600"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.contains("PUT"), "{methods}");
        let headers = answer.header("access-control-allow-headers").unwrap();
        for name in [
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "X-Api-Key",
        ] {
            assert!(headers.contains(name), "{headers}");
        }
        let vary = answer.header("vary").unwrap();
        assert!(vary.starts_with("Origin"), "{vary}");
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn pages_of_other_origins_may_not_call() {
    let stage = stage().await;
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://SHOP.example",
        "null",
        "*",
    ] {
        let asked = stage.send(preflight(origin, "/v1/items/a")).await;
        let called = stage.send(from(origin, Method::GET, "/v1/items/a")).await;

        assert_eq!(asked.faults().1, "ORIGIN_NOT_ALLOWED", "{origin}");
        for answer in [asked, called] {
            assert_eq!(
                answer.header("access-control-allow-origin"),
                None,
                "{origin}"
            );
            assert!(answer.header("vary").unwrap().starts_with("Origin"));
        }
    }
}

#[tokio::test]
async fn a_page_can_read_every_answer_errors_too() {
    let stage = stage().await;
    let get = |path: &str| from(SHOP, Method::GET, path);

    let fine = stage.send(get("/v1/items/a")).await;
    let nowhere = stage.send(get("/nowhere")).await;
    let method = stage.send(from(SHOP, Method::DELETE, "/v1/items/a")).await;
    let path = stage.send(get("/v1//items")).await;
    stage.fake.fail(Failure::new(Code::Internal, "X", "x", "x"));
    let fault = stage.send(get("/v1/items/a")).await;
    stage.doubles.closed();
    let unknown = stage.send(get("/v1/items/a")).await;
    stage.doubles.exhaust_address();
    let limited = stage.send(get("/v1/items/a")).await;

    for (answer, status) in [
        (fine, 200),
        (nowhere, 404),
        (method, 405),
        (path, 400),
        (fault, 500),
        (unknown, 401),
        (limited, 429),
    ] {
        assert_eq!(answer.status, status);
        readable_by_the_shop(&answer);
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_what_not_to_do() {
    let stage = stage().await;

    for path in ["/v1/items/a", "/nowhere", "/v1//items", "/openapi.json"] {
        let answer = stage.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
            ("vary", "Origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        assert_eq!(answer.header("server"), None);
        assert_eq!(
            answer.header("strict-transport-security"),
            None,
            "not encrypted"
        );
    }
}

#[tokio::test]
async fn the_page_of_the_description_has_a_policy_it_can_live_with() {
    let stage = stage().await;

    let page = stage.get("/docs/").await;

    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self';"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe-eval"), "{policy}");
    let text = String::from_utf8_lossy(&page.bytes).into_owned();
    assert!(
        !text.contains("<script>"),
        "no script stands in the page itself"
    );
}

#[tokio::test]
async fn the_demo_loads_nothing_but_its_own_parts_under_a_strict_policy() {
    let stage = stage().await;

    let page = stage.get("/demo").await;

    let policy = page.header("content-security-policy").unwrap();
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = String::from_utf8_lossy(&page.bytes).into_owned();
    assert!(!text.contains("<script>") && !text.contains("style=\""));
    let parts: Vec<&str> = text
        .split('"')
        .filter(|part| part.starts_with('/') || part.contains("//"))
        .collect();
    assert_eq!(parts, ["/demo/demo.css", "/demo/demo.js"]);
    for (path, kind) in [
        ("/demo/demo.css", "text/css; charset=utf-8"),
        ("/demo/demo.js", "text/javascript; charset=utf-8"),
        ("/demo/client.js", "text/javascript; charset=utf-8"),
        ("/demo/events.js", "text/javascript; charset=utf-8"),
        ("/demo/way.js", "text/javascript; charset=utf-8"),
    ] {
        let part = stage.get(path).await;
        assert_eq!(part.status, 200, "{path}");
        assert_eq!(part.header("content-type"), Some(kind));
    }
}

#[tokio::test]
async fn a_plain_options_is_no_preflight() {
    let stage = stage().await;

    let answer = stage.send(from(SHOP, Method::OPTIONS, "/v1/items/a")).await;

    assert_eq!(answer.status, 405);
    readable_by_the_shop(&answer);
}
