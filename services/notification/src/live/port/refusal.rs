//! Why a connection is not opened, as the client is told.

use std::time::Duration;

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;
use tradepost_notifications::events::LAST_EVENT_ID;
use tradepost_notifications::wire::SUBPROTOCOL;
use tradepost_service::auth::Denied;

use super::{Answer, VERSION, full};
use crate::live::straight::{Crowded, Unwelcome};
use crate::ports::Refused;

/// Seconds after which a full node may be asked again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("5");
/// The same where only the pace was too high.
const RETRY_SOON_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a connection is not opened.
#[derive(Debug)]
pub(super) enum Refusal {
    NoUpgrade,
    /// Events are read, with GET.
    NotRead,
    KeyMalformed,
    ProtocolUnknown,
    /// The token is missing, not believed, or does not allow it.
    Caller(Denied),
    /// The token names nobody who could have notifications.
    NoReader,
    /// There is a query: nothing is asked in the URL, and credentials least of all.
    Query,
    /// What is shown is no credentials.
    Malformed,
    /// More than one are shown.
    Ambiguous,
    /// Events are not told without credentials.
    Missing,
    /// What was heard last is none of ours.
    LastEventId,
    /// The credentials of one who came straight.
    Unwelcome(Unwelcome),
    /// Their address has, or wants, too much.
    Crowded(Crowded),
    Full,
    TooFast,
    Going,
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::Caller(denied)
    }
}

impl From<Unwelcome> for Refusal {
    fn from(unwelcome: Unwelcome) -> Self {
        Self::Unwelcome(unwelcome)
    }
}

impl From<Crowded> for Refusal {
    fn from(crowded: Crowded) -> Self {
        Self::Crowded(crowded)
    }
}

impl Refusal {
    /// The reason for programs: the gateway's own, where it has said one.
    pub(super) fn reason(&self) -> &str {
        if let Self::Unwelcome(Unwelcome::Refused(
            Refused::Invalid { reason, .. } | Refused::Forbidden { reason, .. },
        )) = self
            && !reason.is_empty()
        {
            return reason;
        }
        self.label()
    }

    /// The reason, of a bounded number.
    pub(super) const fn label(&self) -> &'static str {
        match self {
            Self::NoUpgrade => "UPGRADE_REQUIRED",
            Self::NotRead => "METHOD_NOT_ALLOWED",
            Self::KeyMalformed => "UPGRADE_MALFORMED",
            Self::ProtocolUnknown => "SUBPROTOCOL_UNKNOWN",
            Self::Caller(Denied::Unauthenticated(_)) => "UNAUTHENTICATED",
            Self::Caller(Denied::Forbidden(_)) => "PERMISSION_DENIED",
            Self::NoReader => "READER_UNNAMED",
            Self::Query => "INVALID_QUERY",
            Self::Malformed => "CREDENTIALS_MALFORMED",
            Self::Ambiguous => "CREDENTIALS_AMBIGUOUS",
            Self::Missing | Self::Unwelcome(Unwelcome::Refused(Refused::Invalid { .. })) => {
                "UNAUTHENTICATED"
            }
            Self::LastEventId => "LAST_EVENT_ID_INVALID",
            Self::Unwelcome(Unwelcome::Refused(Refused::Forbidden { .. })) => "PERMISSION_DENIED",
            Self::Unwelcome(Unwelcome::Refused(Refused::TooOften { .. })) => "TOO_MANY_FAILURES",
            Self::Unwelcome(Unwelcome::Refused(Refused::Unavailable)) => "CREDENTIALS_UNAVAILABLE",
            Self::Unwelcome(Unwelcome::TenantFull) | Self::Crowded(Crowded::Connections) => {
                "TOO_MANY_SOCKETS"
            }
            Self::Crowded(Crowded::Waiting) => "TOO_MANY_WAITING",
            Self::Full => "NODE_FULL",
            Self::TooFast | Self::Crowded(Crowded::Pace) => "TOO_MANY_CONNECTS",
            Self::Going => "SHUTTING_DOWN",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoUpgrade => StatusCode::UPGRADE_REQUIRED,
            Self::NotRead => StatusCode::METHOD_NOT_ALLOWED,
            Self::KeyMalformed | Self::ProtocolUnknown | Self::Query | Self::LastEventId => {
                StatusCode::BAD_REQUEST
            }
            Self::Caller(Denied::Unauthenticated(_))
            | Self::Malformed
            | Self::Ambiguous
            | Self::Missing
            | Self::Unwelcome(Unwelcome::Refused(Refused::Invalid { .. })) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Caller(Denied::Forbidden(_))
            | Self::NoReader
            | Self::Unwelcome(Unwelcome::Refused(Refused::Forbidden { .. })) => {
                StatusCode::FORBIDDEN
            }
            Self::Unwelcome(
                Unwelcome::TenantFull | Unwelcome::Refused(Refused::TooOften { .. }),
            )
            | Self::Crowded(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Full
            | Self::TooFast
            | Self::Going
            | Self::Unwelcome(Unwelcome::Refused(Refused::Unavailable)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::NoUpgrade => "this port speaks WebSocket (RFC 6455, version 13) only".to_owned(),
            Self::NotRead => "events are read with GET".to_owned(),
            Self::KeyMalformed => {
                "Sec-WebSocket-Key is given once, with 16 bytes in base64".to_owned()
            }
            Self::ProtocolUnknown => format!("the subprotocol is {SUBPROTOCOL}"),
            Self::Caller(denied) => denied.to_string(),
            Self::NoReader => "the token names no person of a tenant".to_owned(),
            Self::Query => "there are no parameters: credentials never stand in the URL".to_owned(),
            Self::Malformed => "the credentials are malformed".to_owned(),
            Self::Ambiguous => "show one credential, once".to_owned(),
            Self::Missing => "show credentials in a header".to_owned(),
            Self::LastEventId => {
                format!("the header {LAST_EVENT_ID} is the id of an event, once, or left out")
            }
            Self::Unwelcome(Unwelcome::Refused(refused)) => refused.to_string(),
            Self::Unwelcome(Unwelcome::TenantFull) => {
                "your tenant has too many connections".to_owned()
            }
            Self::Crowded(Crowded::Connections) => {
                "your address has too many connections: close one first".to_owned()
            }
            Self::Crowded(Crowded::Pace) => "your address opens connections too fast".to_owned(),
            Self::Crowded(Crowded::Waiting) => {
                "too many connections have shown no credentials yet".to_owned()
            }
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
            Self::NotRead => add(ALLOW, HeaderValue::from_static("GET")),
            Self::Unwelcome(Unwelcome::Refused(Refused::TooOften { after })) => {
                add(RETRY_AFTER, seconds(*after));
            }
            Self::Full
            | Self::Going
            | Self::Unwelcome(Unwelcome::TenantFull | Unwelcome::Refused(Refused::Unavailable))
            | Self::Crowded(Crowded::Connections | Crowded::Waiting) => {
                add(RETRY_AFTER, RETRY_SECONDS);
            }
            Self::TooFast | Self::Crowded(Crowded::Pace) => add(RETRY_AFTER, RETRY_SOON_SECONDS),
            Self::KeyMalformed
            | Self::ProtocolUnknown
            | Self::Caller(_)
            | Self::NoReader
            | Self::Query
            | Self::Malformed
            | Self::Ambiguous
            | Self::Missing
            | Self::LastEventId
            | Self::Unwelcome(Unwelcome::Refused(
                Refused::Invalid { .. } | Refused::Forbidden { .. },
            )) => {}
        }
        add(CONNECTION, HeaderValue::from_static("close"));
        add(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
    }

    /// The answer.
    pub(super) fn render(&self) -> Answer {
        let status = self.status();
        let body = json!({
            "type": format!("urn:tradepost:reason:{}", self.reason()),
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail(),
            "reason": self.reason(),
        });
        let mut answer = Response::new(full(body.to_string().into()));
        *answer.status_mut() = status;
        self.headers(answer.headers_mut());
        answer
    }
}

/// Whole seconds, not earlier.
fn seconds(after: Duration) -> HeaderValue {
    HeaderValue::from(after.as_secs() + u64::from(after.subsec_nanos() > 0))
}
