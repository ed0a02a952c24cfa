//! Requests that would turn their connection into something else.
//!
//! What comes after an upgrade would pass the gate unseen, so only a route that says so gets one.

use axum::http::header::{
    AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::problem::Problem;

/// The subprotocol behind which a token stands: a page cannot set a header.
pub(super) const MARKER: &str = "bearer";
const VERSION: &str = "13";

/// Refuses an upgrade where there is none, and its absence where there must be one.
pub(super) fn check(wanted: bool, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let asks = headers.contains_key(UPGRADE) || lists(headers, "upgrade");
    match (wanted, asks) {
        (false, false) => Ok(()),
        (false, true) => {
            let detail = "this route speaks HTTP only: the connection cannot be upgraded";
            let status = StatusCode::BAD_REQUEST;
            Err(Problem::new(status, "UPGRADE_NOT_ALLOWED", detail).closing())
        }
        (true, _) if is_web_socket(method, headers) => Ok(()),
        (true, _) => {
            let detail = "this route speaks WebSocket (RFC 6455, version 13) only";
            let status = StatusCode::UPGRADE_REQUIRED;
            Err(Problem::new(status, "UPGRADE_REQUIRED", detail)
                .with(UPGRADE, HeaderValue::from_static("websocket"))
                .with(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION)))
        }
    }
}

fn is_web_socket(method: &Method, headers: &HeaderMap) -> bool {
    let is = |name, wanted: &str| {
        let mut values = headers.get_all(name).iter();
        let only = (values.next(), values.next());
        matches!(only, (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    method == Method::GET
        && is(UPGRADE, "websocket")
        && is(SEC_WEBSOCKET_VERSION, VERSION)
        && lists(headers, "upgrade")
}

/// Whether an option stands in `Connection`.
fn lists(headers: &HeaderMap, option: &str) -> bool {
    let lines = headers.get_all(CONNECTION).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|given| given.trim().eq_ignore_ascii_case(option))
}

/// The subprotocols that a client offers.
#[derive(Debug, Default)]
pub(super) struct Protocols {
    /// The token behind the marker.
    pub(super) token: Option<String>,
    /// The others, for the service.
    pub(super) rest: Vec<String>,
}

impl Protocols {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let mut offered = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .map(str::trim);
        let mut protocols = Self::default();
        while let Some(name) = offered.next() {
            if name == MARKER {
                protocols.token = offered.next().map(str::to_owned);
            } else if !name.is_empty() {
                protocols.rest.push(name.to_owned());
            }
        }
        protocols
    }

    /// What is answered to a client that gave its token here: a browser wants one of its own
    /// subprotocols back, and it must not be the token.
    pub(super) fn marker(&self) -> Option<HeaderValue> {
        let given = self.token.as_ref();
        given.map(|_token| HeaderValue::from_static(MARKER))
    }
}

/// The headers as they would be if a client's token stood where tokens stand. Beside another
/// credential both are kept, so that the two are refused.
pub(super) fn with_credentials(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    if let Some(token) = Protocols::of(&headers).token
        && let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {token}"))
    {
        bearer.set_sensitive(true);
        headers.append(AUTHORIZATION, bearer);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offering(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(line));
        }
        headers
    }

    #[test]
    fn a_token_stands_behind_its_marker() {
        for (lines, token, rest) in [
            (&["bearer, abc"][..], Some("abc"), &[][..]),
            (&["v1, bearer ,abc, v2"], Some("abc"), &["v1", "v2"]),
            (&["bearer", "abc"], Some("abc"), &[]),
            (&["bearer"], None, &[]),
            (&["v1"], None, &["v1"]),
            (&[], None, &[]),
        ] {
            let protocols = Protocols::of(&offering(lines));
            assert_eq!(protocols.token.as_deref(), token, "{lines:?}");
            assert_eq!(protocols.rest, rest, "{lines:?}");
        }
    }

    #[test]
    fn a_token_in_two_places_stands_in_both() {
        let mut headers = offering(&["bearer, abc"]);
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer def"));

        let headers = with_credentials(&headers);

        assert_eq!(headers.get_all(AUTHORIZATION).iter().count(), 2);
    }
}
