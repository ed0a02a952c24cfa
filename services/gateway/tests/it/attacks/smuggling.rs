//! Requests that two readers would end in two places, and others that are none.

use crate::limits::said;
use crate::stage::Stage;

/// What must never be answered.
const SMUGGLED: &str = "GET /v1/items/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends `bytes` and a smuggled request; the only answer is a problem that ends the connection.
async fn refused(stage: &Stage, bytes: &str, status: u16, reason: &str) {
    let answer = said(stage.addr, &format!("{bytes}{SMUGGLED}")).await;

    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{bytes:?}: {answer}"
    );
    assert!(
        answer.contains("\r\ncontent-type: application/problem+json\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("\r\nconnection: close\r\n"),
        "{bytes:?}: {answer}"
    );
    assert!(answer.contains("\r\nx-request-id: "), "{answer}");
    assert!(
        answer.contains("\r\nx-content-type-options: nosniff\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains(&format!("\"reason\":\"{reason}\"")),
        "{bytes:?}: {answer}"
    );
    assert_eq!(
        answer.matches("HTTP/1.1 ").count(),
        1,
        "{bytes:?}: {answer}"
    );
    assert_eq!(stage.fake.calls(), 0, "{bytes:?}");
}

async fn post_refused(headers_and_body: &str) {
    let stage = Stage::new().await;
    let bytes = format!(
        "POST /v1/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\n{headers_and_body}"
    );
    refused(&stage, &bytes, 400, "MALFORMED_REQUEST").await;
    assert!(stage.counts("http_heads_refused_total{reason=\"malformed\"} 1"));
}

#[tokio::test]
async fn cl_te() {
    post_refused("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG").await;
}

#[tokio::test]
async fn te_cl() {
    post_refused("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nG\r\n0\r\n\r\n")
        .await;
}

#[tokio::test]
async fn te_te() {
    for second in [
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked",
        "Transfer-encoding: x",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        " Transfer-Encoding: chunked",
    ] {
        let headers = format!("Transfer-Encoding: chunked\r\n{second}\r\n\r\n0\r\n\r\n");
        post_refused(&headers).await;
    }
    for only in [
        "xchunked",
        "chunked, identity",
        "gzip, chunked",
        "\"chunked\"",
    ] {
        post_refused(&format!("Transfer-Encoding: {only}\r\n\r\n0\r\n\r\n")).await;
    }
}

#[tokio::test]
async fn two_content_lengths() {
    post_refused("Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}").await;
    post_refused("Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}").await;
    post_refused("Content-Length: 2, 2\r\n\r\n{}").await;
}

#[tokio::test]
async fn content_lengths_that_are_no_numbers() {
    for length in ["+2", "-2", "0x2", "2 ,", "2;", "", "99999999999999999999"] {
        post_refused(&format!("Content-Length: {length}\r\n\r\n{{}}")).await;
    }
}

#[tokio::test]
async fn bare_line_feeds_and_folded_headers() {
    for bytes in [
        "GET /v1/items/a HTTP/1.1\nHost: x\n\n",
        "GET /v1/items/a HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
        "GET /v1/items/a HTTP/1.1\r\nHost: x\r\n\n",
        "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
        "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\n\r\n",
        "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nX: a\rY: b\r\n\r\n",
    ] {
        refused(&Stage::new().await, bytes, 400, "MALFORMED_REQUEST").await;
    }
}

#[tokio::test]
async fn many_hosts_and_none() {
    for headers in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n"] {
        let bytes = format!("GET /v1/items/a HTTP/1.1\r\n{headers}\r\n");
        refused(&Stage::new().await, &bytes, 400, "MALFORMED_REQUEST").await;
    }
}

#[tokio::test]
async fn a_host_that_is_not_the_one_of_the_request_line() {
    let stage = Stage::new().await;
    let bytes = "GET http://a.example/v1/items/a HTTP/1.1\r\nHost: b.example\r\n\r\n";
    refused(&stage, bytes, 400, "INVALID_HOST").await;

    let same = "GET http://a.example/v1/items/a HTTP/1.1\r\nHost: a.example\r\n\
                Connection: close\r\n\r\n";
    let answer = said(stage.addr, same).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_connection_that_names_headers() {
    let bytes = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nConnection: close, Authorization\r\n\r\n";
    refused(&Stage::new().await, bytes, 400, "INVALID_CONNECTION").await;
}

#[tokio::test]
async fn an_expectation_that_nobody_meets() {
    let bytes = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\n\r\n";
    refused(&Stage::new().await, bytes, 417, "EXPECTATION_FAILED").await;
}

#[tokio::test]
async fn what_is_no_http_at_all() {
    for bytes in [
        "\r\n\r\n",
        "hello\r\n",
        "GET /v1/items/a\r\n",
        "GET /v1/items/a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n",
        "GET /v1/items/{a} HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        refused(&Stage::new().await, bytes, 400, "MALFORMED_REQUEST").await;
    }
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    refused(&Stage::new().await, preface, 505, "VERSION_NOT_SUPPORTED").await;
}

#[tokio::test]
async fn chunks_with_more_than_a_size() {
    for body in [
        "2;ext=1\r\n{}\r\n0\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "2\n{}\r\n0\r\n\r\n",
        "2\r\n{}X0\r\n\r\n",
        "2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
        "2\r\n{}\r\n0\r\n\n",
        "fffffffff\r\n{}",
    ] {
        let stage = Stage::new().await;
        let bytes = format!(
            "POST /v1/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
        );
        refused(&stage, &bytes, 400, "BODY_BROKEN").await;
    }
}

#[tokio::test]
async fn what_follows_an_error_in_a_pipeline_is_not_read() {
    let stage = Stage::new().await;
    let good = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\n\r\n";

    let answer = said(stage.addr, &format!("{good}{good}GET / x\r\n{SMUGGLED}")).await;

    let statuses: Vec<_> = answer
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answer[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answer}");
    assert_eq!(stage.fake.calls(), 2);
}

#[tokio::test]
async fn requests_in_a_pipeline_are_answered_in_turn_wherever_they_are_cut() {
    let stage = Stage::new().await;
    let order = crate::stage::an_order().to_string();
    let post = |body: &str| {
        format!(
            "POST /v1/orders HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n\
             Content-Type: application/json\r\n{body}"
        )
    };
    let sized = post(&format!("Content-Length: {}\r\n\r\n{order}", order.len()));
    let chunked = format!("{:x}\r\n{order}\r\n0\r\n\r\n", order.len());
    let chunked = post(&format!("Transfer-Encoding: chunked\r\n\r\n{chunked}"));
    let last = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let bytes = format!("{sized}{chunked}{sized}{last}");
    for cut in (1..bytes.len()).step_by(37) {
        let answer = crate::limits::said_in_two(stage.addr, &bytes, cut).await;
        assert_eq!(
            answer.matches("HTTP/1.1 201 ").count(),
            3,
            "{cut}: {answer}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1 200 ").count(),
            1,
            "{cut}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_path_that_two_readers_read_in_two_ways() {
    let stage = Stage::new().await;
    for path in [
        "//v1/items/a",
        "/v1//items/a",
        "/v1/./items/a",
        "/v1/orders/../items/a",
        "/v1/items/..",
        "/v1/items/%2e%2e/stock-movements",
        "/v1/orders/a%2ftimeline",
        "/v1/orders/a%5c",
        "/v1/orders/a%00",
        "/v1/orders/a%252f",
        "/v1/items/a%252f",
        "/v1/orders/a;b=c",
        "/docs/..;/admin",
        "/nowhere/%2e%2e",
    ] {
        let bytes = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = said(stage.addr, &bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(
            answer.contains("\"reason\":\"INVALID_PATH\""),
            "{path}: {answer}"
        );
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn a_method_in_a_header_is_not_one() {
    let stage = Stage::new().await;
    let bytes = "GET /v1/items/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                 X-HTTP-Method-Override: DELETE\r\nX-Method-Override: PUT\r\n\r\n";

    let answer = said(stage.addr, bytes).await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
