//! Requests that are refused whoever sends them: those that two readers could read in two ways.
//!
//! What can only be seen in the bytes of a head is refused before (`port/head.rs`). Nothing is
//! repaired here: a path is taken as it stands or not at all, so the route that was matched is the
//! route that was meant.

mod path;

use axum::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, uri};

use super::problem::Problem;

/// Options of a connection. Any other would name a header that a proxy on the way had to remove.
const CONNECTION_OPTIONS: [&str; 5] = ["close", "keep-alive", "upgrade", "te", "http2-settings"];

/// Headers by which only trusted parts speak, and others that name another method: by their
/// beginning.
const NOT_FROM_OUTSIDE: [&str; 8] = [
    "x-forwarded-",
    "x-http-method",
    "x-method-override",
    "x-original-",
    "x-real-ip",
    "x-tenant-",
    "x-tradepost-",
    "x-user-",
];
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");

/// Refuses what is ambiguous.
pub(super) fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    check_path(uri)?;
    check_host(uri, headers)?;
    check_framing(headers)?;
    check_connection(headers)?;
    check_expect(headers)
}

fn check_path(uri: &Uri) -> Result<(), Problem> {
    path::fault(uri.path()).map_or(Ok(()), |fault| {
        let detail = format!("the path {fault}");
        Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "INVALID_PATH",
            detail,
        ))
    })
}

/// One host, and the one of the request line if that names one too.
fn check_host(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, other) = (hosts.next(), hosts.next());
    if other.is_some() {
        return Err(bad_header("INVALID_HOST", "Host", "must be given once"));
    }
    let Some(host) = host else { return Ok(()) };
    let malformed = || {
        bad_header(
            "INVALID_HOST",
            "Host",
            "must be a host, with or without a port",
        )
    };
    let host = host.to_str().map_err(|_unreadable| malformed())?;
    let authority: uri::Authority = host.parse().map_err(|_malformed| malformed())?;
    if host.contains('@') {
        return Err(malformed());
    }
    match uri.authority() {
        Some(named) if *named != authority => {
            let wanted = "must be the host of the request line";
            Err(bad_header("INVALID_HOST", "Host", wanted))
        }
        _ => Ok(()),
    }
}

/// The port refuses it by the bytes; here for a port that does not.
fn check_framing(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        let wanted = "must not stand beside Transfer-Encoding";
        return Err(bad_header("MALFORMED_REQUEST", "Content-Length", wanted));
    }
    Ok(())
}

fn check_connection(headers: &HeaderMap) -> Result<(), Problem> {
    let known = |option: &str| {
        let option = option.trim();
        option.is_empty()
            || CONNECTION_OPTIONS
                .iter()
                .any(|known| option.eq_ignore_ascii_case(known))
    };
    let all_known = headers
        .get_all(CONNECTION)
        .iter()
        .all(|line| line.to_str().is_ok_and(|line| line.split(',').all(known)));
    if all_known {
        return Ok(());
    }
    let wanted = "must be close, keep-alive, upgrade or te";
    Err(bad_header("INVALID_CONNECTION", "Connection", wanted))
}

fn check_expect(headers: &HeaderMap) -> Result<(), Problem> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(EXPECT).iter().all(known) {
        return Ok(());
    }
    let (status, wanted) = (StatusCode::EXPECTATION_FAILED, "must be 100-continue");
    let detail = format!("the header Expect {wanted}");
    Err(Problem::new(status, "EXPECTATION_FAILED", detail)
        .header("Expect", wanted)
        .closing())
}

fn bad_header(reason: &'static str, name: &'static str, wanted: &str) -> Problem {
    let detail = format!("the header {name} {wanted}");
    Problem::new(StatusCode::BAD_REQUEST, reason, detail)
        .header(name, wanted)
        .closing()
}

/// Takes away what only trusted parts may say, once it has been read or disbelieved.
pub(super) fn strip(headers: &mut HeaderMap) {
    let taken: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_inside(name))
        .cloned()
        .collect();
    for name in taken {
        headers.remove(name);
    }
}

fn is_inside(name: &HeaderName) -> bool {
    let text = name.as_str();
    // Most names begin otherwise. An underscore is a hyphen to programs of another age.
    let begins = |beginning: &str| {
        text.len() >= beginning.len()
            && text
                .bytes()
                .zip(beginning.bytes())
                .all(|(byte, wanted)| byte == wanted || (byte == b'_' && wanted == b'-'))
    };
    match text.as_bytes().first() {
        Some(b'x') => NOT_FROM_OUTSIDE.iter().any(|beginning| begins(beginning)),
        Some(b'f') => *name == FORWARDED,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
