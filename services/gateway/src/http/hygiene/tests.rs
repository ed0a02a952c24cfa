//! What is refused, and what is not.

use axum::http::Request;
use axum::http::request::Parts;

use super::*;

fn refused(path: &str) -> bool {
    path::fault(path).is_some()
}

fn parts(uri: &str, headers: &[(&'static str, &'static str)]) -> Parts {
    let (mut parts, ()) = Request::get(uri).body(()).unwrap().into_parts();
    for (name, value) in headers {
        parts.headers.append(*name, HeaderValue::from_static(value));
    }
    parts
}

fn reason(uri: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
    let parts = parts(uri, headers);
    let refused = check(&parts.uri, &parts.headers).err();
    refused.map(|problem| problem.reason)
}

#[test]
fn plain_paths_are_taken() {
    for path in [
        "/",
        "/v1/orders",
        "/v1/orders/",
        "/v1/orders/order_01h455vb4pex5vsknk084sn02q/timeline",
        "/docs/swagger-ui.css",
        "/.well-known/jwks.json",
        "/v1/orders/a...b",
        "/v1/orders/...",
        "/v1/orders/%20",
    ] {
        assert!(!refused(path), "{path}");
    }
}

#[test]
fn a_path_that_two_readers_read_in_two_ways_is_refused() {
    for path in [
        "",
        "*",
        "v1/orders",
        "//v1/orders",
        "/v1//orders",
        "/v1/orders//",
        "/.",
        "/..",
        "/v1/./orders",
        "/v1/../admin",
        "/v1/orders/..",
        "/v1/%2e%2e/admin",
        "/v1/%2E./admin",
        "/v1/.%2e",
        "/v1/orders%2fx",
        "/v1/orders/%2F",
        "/v1/orders/%5c",
        "/v1/orders\\x",
        "/v1/orders/%00",
        "/v1/orders/%0d%0a",
        "/v1/orders/%7f",
        "/v1/orders/%252f",
        "/v1/orders/%25",
        "/v1/orders;a=b",
        "/v1/orders/;",
        "/v1/orders/%3b",
        "/v1/orders/%",
        "/v1/orders/%2",
        "/v1/orders/%zz",
        "/v1/orders/%+1",
    ] {
        assert!(refused(path), "{path}");
    }
}

#[test]
fn a_sku_may_hold_every_printable_character_and_stands_in_one_place() {
    for path in [
        "/v1/items/A%201%2F2",
        "/v1/items/A%2F1/stock-movements",
        "/v1/items/a%5Cb",
        "/v1/items/a%3Bb",
        "/v1/items/50%25",
        "/v1/items/50%25%20off",
        "/v1/items/%C3%BC",
        "/v1/items/..a",
    ] {
        assert!(!refused(path), "{path}");
    }
    for path in [
        "/v1/items/..",
        "/v1/items/%2e%2e/stock-movements",
        "/v1/items/a%252F",
        "/v1/items/a%2500",
        "/v1/items/a%00",
        "/v1/items/a;b",
        "/v1/items/a\\b",
        "/v1/items//stock-movements",
        "/v1/items/a/stock%2Fmovements",
        "/v1/orders/v1/items/a%2F",
    ] {
        assert!(refused(path), "{path}");
    }
}

#[test]
fn there_is_one_host() {
    let uri = "/v1/orders";
    assert_eq!(reason(uri, &[("host", "api.example")]), None);
    assert_eq!(reason(uri, &[("host", "api.example:8080")]), None);
    assert_eq!(reason(uri, &[("host", "[::1]:80")]), None);
    for hosts in [
        &[("host", "a"), ("host", "a")][..],
        &[("host", "a"), ("host", "b")],
        &[("host", "a, b")],
        &[("host", "user@a")],
        &[("host", "a/b")],
        &[("host", "")],
    ] {
        assert_eq!(
            reason(uri, hosts).as_deref(),
            Some("INVALID_HOST"),
            "{hosts:?}"
        );
    }
}

#[test]
fn a_host_in_the_request_line_is_the_one_in_the_header() {
    let uri = "http://api.example/v1/orders";

    assert_eq!(reason(uri, &[("host", "API.example")]), None);
    assert_eq!(
        reason(uri, &[("host", "evil.example")]).as_deref(),
        Some("INVALID_HOST")
    );
    assert_eq!(
        reason(uri, &[("host", "api.example:81")]).as_deref(),
        Some("INVALID_HOST")
    );
}

#[test]
fn a_length_is_said_in_one_way() {
    let both = [("transfer-encoding", "chunked"), ("content-length", "3")];
    assert_eq!(reason("/", &both).as_deref(), Some("MALFORMED_REQUEST"));
}

#[test]
fn a_connection_names_no_header_that_would_have_to_go() {
    for fine in [
        "close",
        "Keep-Alive",
        "keep-alive, Upgrade",
        "",
        "TE, close",
    ] {
        assert_eq!(reason("/", &[("connection", fine)]), None, "{fine}");
    }
    for trick in [
        "close, authorization",
        "X-Forwarded-For",
        "host",
        "content-length",
        "x",
    ] {
        let refused = reason("/", &[("connection", trick)]);
        assert_eq!(refused.as_deref(), Some("INVALID_CONNECTION"), "{trick}");
    }
}

#[test]
fn only_one_expectation_is_met() {
    assert_eq!(reason("/", &[("expect", "100-Continue")]), None);
    for other in ["", "200-ok", "100-continue, x"] {
        let parts = parts("/", &[("expect", other)]);
        let problem = check(&parts.uri, &parts.headers).unwrap_err();
        assert_eq!(problem.status, StatusCode::EXPECTATION_FAILED);
    }
}

#[test]
fn what_only_trusted_parts_say_is_taken_away() {
    let headers = [
        ("x-user-id", "root"),
        ("x_user_role", "owner"),
        ("x-tenant-id", "1"),
        ("x-tradepost-tenant", "1"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-host", "evil"),
        ("x-real-ip", "1.1.1.1"),
        ("x-original-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("forwarded", "for=1.1.1.1"),
        ("x-request-id", "a"),
        ("x-api-key", "b"),
        ("x-userid", "c"),
        ("from", "d"),
    ];
    let mut headers = parts("/", &headers).headers;

    strip(&mut headers);

    let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    left.sort_unstable();
    assert_eq!(left, ["from", "x-api-key", "x-request-id", "x-userid"]);
}
