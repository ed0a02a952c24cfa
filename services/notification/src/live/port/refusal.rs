//! Why a connection is not opened, as the client is told.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tradepost_notifications::wire::SUBPROTOCOL;
use tradepost_service::auth::Denied;

use super::VERSION;

/// Seconds after which a full node may be asked again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");
/// The same where only the pace was too high.
const RETRY_SOON_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a connection is not opened.
#[derive(Debug)]
pub(super) enum Refusal {
    NoUpgrade,
    KeyMalformed,
    ProtocolUnknown,
    /// The token is missing, not believed, or does not allow it.
    Caller(Denied),
    /// The token names nobody who could have notifications.
    NoReader,
    Full,
    TooFast,
    Going,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Caller(denied)
    }
}

impl Refusal {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoUpgrade => "UPGRADE_REQUIRED",
            Self::KeyMalformed => "UPGRADE_MALFORMED",
            Self::ProtocolUnknown => "SUBPROTOCOL_UNKNOWN",
            Self::Caller(Denied::Unauthenticated(_)) => "UNAUTHENTICATED",
            Self::Caller(Denied::Forbidden(_)) => "PERMISSION_DENIED",
            Self::NoReader => "READER_UNNAMED",
            Self::Full => "NODE_FULL",
            Self::TooFast => "TOO_MANY_CONNECTS",
            Self::Going => "SHUTTING_DOWN",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoUpgrade => StatusCode::UPGRADE_REQUIRED,
            Self::KeyMalformed | Self::ProtocolUnknown => StatusCode::BAD_REQUEST,
            Self::Caller(Denied::Unauthenticated(_)) => StatusCode::UNAUTHORIZED,
            Self::Caller(Denied::Forbidden(_)) | Self::NoReader => StatusCode::FORBIDDEN,
            Self::Full | Self::TooFast | Self::Going => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::NoUpgrade => "this port speaks WebSocket (RFC 6455, version 13) only".to_owned(),
            Self::KeyMalformed => {
                "Sec-WebSocket-Key is given once, with 16 bytes in base64".to_owned()
            }
            Self::ProtocolUnknown => format!("the subprotocol is {SUBPROTOCOL}"),
            Self::Caller(denied) => denied.to_string(),
            Self::NoReader => "the token names no person of a tenant".to_owned(),
            Self::Full => "the node is full: come back with back-off".to_owned(),
            Self::TooFast => "too many connections are being opened: come back".to_owned(),
            Self::Going => "the node goes: come back, to another".to_owned(),
        }
    }

    fn headers(&self, headers: &mut HeaderMap) {
        let mut add = |name: HeaderName, value| drop(headers.insert(name, value));
        match self {
            Self::NoUpgrade => {
                add(UPGRADE, HeaderValue::from_static("websocket"));
                add(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
            }
            Self::Full | Self::Going => add(RETRY_AFTER, RETRY_SECONDS),
            Self::TooFast => add(RETRY_AFTER, RETRY_SOON_SECONDS),
            Self::KeyMalformed | Self::ProtocolUnknown | Self::Caller(_) | Self::NoReader => {}
        }
        add(CONNECTION, HeaderValue::from_static("close"));
        add(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
    }

    /// The answer.
    pub(super) fn render(&self) -> Response<Full<Bytes>> {
        let status = self.status();
        let body = json!({
            "type": format!("urn:tradepost:reason:{}", self.reason()),
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail(),
            "reason": self.reason(),
        });
        let mut answer = Response::new(Full::from(body.to_string()));
        *answer.status_mut() = status;
        self.headers(answer.headers_mut());
        answer
    }
}
