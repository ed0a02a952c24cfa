//! The requests that are measured, as bytes.

use super::ORDER;

/// What the card provider would report: any text, since the stub verifies nothing.
const REPORT: &str = r#"{"id":"evt_bench","type":"payment_intent.succeeded"}"#;

/// Reads of the order: token, limits, REST to gRPC.
pub(super) fn reads(tokens: &[String]) -> Vec<Vec<u8>> {
    let read = |token: &String| {
        format!(
            "GET /v1/orders/{ORDER} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n"
        )
        .into_bytes()
    };
    tokens.iter().map(read).collect()
}

/// Cancellations of the order: the same, between two entries of the audit trail.
pub(super) fn changes(tokens: &[String]) -> Vec<Vec<u8>> {
    let change = |(number, token): (usize, &String)| {
        format!(
            "POST /v1/orders/{ORDER}/cancel HTTP/1.1\r\nhost: bench\r\n\
             authorization: Bearer {token}\r\nidempotency-key: bench-{number}\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}"
        )
        .into_bytes()
    };
    tokens.iter().enumerate().map(change).collect()
}

/// Reports of the card provider: REST to gRPC without token, caller's limit or trail. It is the
/// least that a proxied request costs.
pub(super) fn reports() -> Vec<Vec<u8>> {
    let length = REPORT.len();
    let report = format!(
        "POST /v1/webhooks/payments HTTP/1.1\r\nhost: bench\r\nstripe-signature: t=1,v1=00\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{REPORT}"
    );
    vec![report.into_bytes()]
}
