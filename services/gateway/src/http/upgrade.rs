//! Requests that would turn their connection into something else.
//!
//! What comes after an upgrade would pass the gate unseen, so only a route that says so gets one.

use axum::http::header::{
    AUTHORIZATION, CONNECTION, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::problem::Problem;

/// The subprotocols behind which credentials stand, since a page cannot set a header; and what they
/// are in one.
const MARKERS: [(&str, &str); 2] = [("bearer", "Bearer"), ("ticket", TICKET)];
const TICKET: &str = "Ticket";
const VERSION: &str = "13";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

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
#[derive(Default)]
pub(super) struct Protocols {
    /// The credentials behind each marker, as a header has them.
    shown: Vec<(&'static str, String)>,
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
            let marker = MARKERS.iter().find(|(marker, _)| *marker == name);
            if let Some((marker, scheme)) = marker {
                let credentials = offered.next().map(|text| format!("{scheme} {text}"));
                protocols
                    .shown
                    .extend(credentials.map(|shown| (*marker, shown)));
            } else if !name.is_empty() {
                protocols.rest.push(name.to_owned());
            }
        }
        protocols
    }

    /// What is answered to a client that gave its credentials here: a browser wants one of its own
    /// subprotocols back, and it must not be the credentials.
    pub(super) fn marker(&self) -> Option<HeaderValue> {
        let (marker, _shown) = self.shown.first()?;
        Some(HeaderValue::from_static(marker))
    }
}

/// The headers as they would be if a client's credentials stood where credentials stand. Beside
/// others both are kept, so that the two are refused.
pub(super) fn with_credentials(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for (_, shown) in Protocols::of(&headers).shown {
        if let Ok(mut value) = HeaderValue::try_from(shown) {
            value.set_sensitive(true);
            headers.append(AUTHORIZATION, value);
        }
    }
    headers
}

/// The ticket that stands in place of credentials; `None` if there are others, too.
pub(super) fn ticket(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else {
        return None;
    };
    if headers.contains_key(API_KEY) {
        return None;
    }
    let (scheme, ticket) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(TICKET).then_some(ticket)
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
        for (lines, shown, rest) in [
            (&["bearer, abc"][..], Some("Bearer abc"), &[][..]),
            (&["v1, bearer ,abc, v2"], Some("Bearer abc"), &["v1", "v2"]),
            (&["bearer", "abc"], Some("Bearer abc"), &[]),
            (&["ticket, abc, v1"], Some("Ticket abc"), &["v1"]),
            (&["bearer"], None, &[]),
            (&["ticket"], None, &[]),
            (&["v1"], None, &["v1"]),
            (&[], None, &[]),
        ] {
            let protocols = Protocols::of(&offering(lines));
            let given = protocols.shown.first().map(|(_, shown)| shown.as_str());
            assert_eq!(given, shown, "{lines:?}");
            assert_eq!(protocols.rest, rest, "{lines:?}");
        }
    }

    #[test]
    fn a_token_in_two_places_stands_in_both() {
        let mut headers = offering(&["bearer, abc"]);
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer def"));

        let headers = with_credentials(&headers);

        assert_eq!(headers.get_all(AUTHORIZATION).iter().count(), 2);
        let both = with_credentials(&offering(&["bearer, abc, ticket, def"]));
        assert_eq!(both.get_all(AUTHORIZATION).iter().count(), 2);
        assert_eq!(ticket(&both), None);
    }

    #[test]
    fn a_ticket_is_one_only_by_itself() {
        let shown = with_credentials(&offering(&["ticket, abc"]));
        assert_eq!(ticket(&shown), Some("abc"));

        let mut beside = shown;
        beside.insert("x-api-key", HeaderValue::from_static("key"));

        assert_eq!(ticket(&beside), None);
        assert_eq!(ticket(&with_credentials(&offering(&["bearer, abc"]))), None);
    }
}
