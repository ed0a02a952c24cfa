//! Errors as callers see them: problem details of RFC 9457.
//!
//! A handler returns a [`Problem`]; the layer around every request ([`super::edge`]) renders it,
//! since only there the trace, the path and the names in the route are known.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::upstream::Refusal;

/// The content type of every error answer.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// The headers of an error answer that stand beside its problem.
const KEPT: [HeaderName; 3] = [
    ALLOW,
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
];

/// An error answer in the making.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    detail: String,
    faults: Vec<(Place, String)>,
    retry_after: Option<Duration>,
    closing: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Where a fault is.
#[derive(Debug, Clone)]
enum Place {
    Pointer(String),
    Parameter(String),
    Header(&'static str),
    /// Nowhere: what a missing field may be.
    Choice(String),
    /// As a service names it: what it was in the request depends on the route.
    Field(String),
}

/// An error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "urn:tradepost:reason:INVALID_FIELD",
    "title": "Bad Request",
    "status": 400,
    "detail": "lines[3].quantity must be at least 1",
    "instance": "/v1/orders",
    "reason": "INVALID_FIELD",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "errors": [{"pointer": "/lines/3/quantity", "detail": "must be at least 1"}]
}))]
pub(super) struct ProblemBody {
    /// Names the kind of error: the reason as a URN.
    #[serde(rename = "type")]
    kind: String,
    /// The name of the status.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What happened, for developers. Not for programs: the text may change.
    detail: String,
    /// The path of the request.
    instance: String,
    /// The reason for programs, in `UPPER_SNAKE`; part of the API.
    reason: String,
    /// By which the request is found in logs and traces; also in `X-Request-Id`.
    trace_id: String,
    /// What is wrong with the request, part by part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<ProblemError>,
    /// What the missing field may be, where that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Choice>,
    /// After how many seconds the same request may be tried again; also in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// One part of a request that is at fault: of the body, or else a parameter or a header.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct ProblemError {
    /// The place in the body, as a JSON pointer; empty for the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// The name of the parameter in the query or the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The name of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    /// What is wanted.
    detail: String,
}

/// What a field may be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Choice {
    /// What to send.
    value: String,
    /// What it is called.
    title: String,
}

/// What a problem is rendered with.
pub(super) struct Rendering<'a> {
    pub(super) trace_id: &'a str,
    pub(super) path: &'a str,
    /// The template of the route: `/v1/orders/{order_id}`.
    pub(super) route: &'a str,
    /// Whether the request could have a body: the fields of one without are parameters.
    pub(super) has_body: bool,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        reason: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            reason: reason.into(),
            detail: detail.into(),
            faults: Vec::new(),
            retry_after: None,
            closing: false,
            headers: Vec::new(),
        }
    }

    /// A field of the body that is not what it must be.
    pub(super) fn field(pointer: &str, wanted: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "INVALID_FIELD",
            format!("{pointer} {wanted}"),
        )
        .pointer(pointer.to_owned(), wanted)
    }

    /// A parameter of the path that is not what it must be.
    pub(super) fn path_fault(name: &str, wanted: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "INVALID_FIELD",
            format!("{name} {wanted}"),
        )
        .parameter(name, wanted)
    }

    /// Says what the missing field may be: one of several such values.
    pub(super) fn choice(self, value: String, title: &str) -> Self {
        self.fault(Place::Choice(value), title)
    }

    /// An error that has no more to say than its status.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("error");
        let reason = title.to_uppercase().replace([' ', '-'], "_");
        Self::new(status, reason, title.to_lowercase())
    }

    /// Names a place of the body.
    pub(super) fn pointer(self, pointer: String, detail: &str) -> Self {
        self.fault(Place::Pointer(pointer), detail)
    }

    /// Names a parameter of the query or the path.
    pub(super) fn parameter(self, name: &str, detail: &str) -> Self {
        self.fault(Place::Parameter(name.to_owned()), detail)
    }

    /// Names a header.
    pub(super) fn header(self, name: &'static str, detail: &str) -> Self {
        self.fault(Place::Header(name), detail)
    }

    fn fault(mut self, place: Place, detail: &str) -> Self {
        self.faults.push((place, detail.to_owned()));
        self
    }

    /// What happened, for developers.
    pub(super) fn into_detail(self) -> String {
        self.detail
    }

    /// Says that the same request may be tried again after `delay`.
    pub(super) const fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Adds a header to the answer.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says how the caller could show who they are, or what is missing for it.
    pub(super) fn challenge(self, challenge: &str) -> Self {
        match HeaderValue::try_from(challenge) {
            Ok(challenge) => self.with(WWW_AUTHENTICATE, challenge),
            Err(_unprintable) => self,
        }
    }

    /// Ends the connection with the answer: what is left of the request was not read.
    pub(super) const fn closing(mut self) -> Self {
        self.closing = true;
        self
    }

    /// The answer. Of the headers of `given`, those that say more than the problem are kept.
    pub(super) fn render(self, given: &HeaderMap, rendering: &Rendering<'_>) -> Response {
        let seconds = self.retry_after.map(whole_seconds);
        let (mut errors, mut choices) = (Vec::new(), Vec::new());
        for (place, detail) in self.faults {
            match place {
                Place::Choice(value) => choices.push(Choice {
                    value,
                    title: detail,
                }),
                Place::Pointer(_) | Place::Parameter(_) | Place::Header(_) | Place::Field(_) => {
                    errors.push(place.render(detail, rendering));
                }
            }
        }
        let body = ProblemBody {
            kind: format!("urn:tradepost:reason:{}", self.reason),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            instance: rendering.path.to_owned(),
            reason: self.reason,
            trace_id: rendering.trace_id.to_owned(),
            errors,
            choices,
            retry_after_seconds: seconds,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        for name in KEPT {
            for value in given.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        if let Some(seconds) = seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(self.headers);
        if self.status == StatusCode::UNAUTHORIZED && !headers.contains_key(WWW_AUTHENTICATE) {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static(rendering.scheme()),
            );
        }
        if self.closing {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Never less than was said: a caller that comes back too early is refused again.
fn whole_seconds(delay: Duration) -> u64 {
    let more = u64::from(delay.subsec_nanos() > 0);
    delay.as_secs().saturating_add(more).max(1)
}

impl Place {
    fn render(self, detail: String, rendering: &Rendering<'_>) -> ProblemError {
        let mut error = ProblemError {
            detail,
            ..ProblemError::default()
        };
        match self {
            Self::Pointer(pointer) => error.pointer = Some(pointer),
            Self::Parameter(name) => error.parameter = Some(name),
            Self::Header(name) => error.header = Some(name.to_owned()),
            Self::Choice(_) => {}
            Self::Field(field) => match field.as_str() {
                "request_id" | "batch_key" => error.header = Some("Idempotency-Key".to_owned()),
                "signature" => error.header = Some("Stripe-Signature".to_owned()),
                name if rendering.is_parameter(name) => {
                    error.parameter = Some(parameter(name).to_owned());
                }
                path => error.pointer = Some(pointer(path)),
            },
        }
        error
    }
}

impl Rendering<'_> {
    /// How a caller of this route shows who they are.
    fn scheme(&self) -> &'static str {
        if self.route.starts_with("/v1/webhooks/") {
            "Stripe-Signature"
        } else {
            "Bearer"
        }
    }

    fn is_parameter(&self, field: &str) -> bool {
        !self.has_body || self.route.contains(&format!("{{{field}}}"))
    }
}

/// The parameter of the query that a field of a list request comes from.
fn parameter(field: &str) -> &str {
    let (name, _index) = field.split_once('[').unwrap_or((field, ""));
    match name {
        "states" => "state",
        "event_types" => "event_type",
        "unread_only" => "unread",
        "range" | "range.start_time" => "from",
        "range.end_time" => "to",
        name => name,
    }
}

/// `lines[3].quantity` as a JSON pointer: `/lines/3/quantity`.
fn pointer(field: &str) -> String {
    let mut pointer = String::with_capacity(field.len() + 1);
    for step in field.split(['.', '[']).filter(|step| !step.is_empty()) {
        let step = step.strip_suffix(']').unwrap_or(step);
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let fields = refusal.fields.into_iter();
        Self {
            faults: fields
                .map(|fault| (Place::Field(fault.field), fault.description))
                .collect(),
            retry_after: refusal.retry_after,
            ..Self::new(refusal.status, refusal.reason, refusal.detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_service_becomes_a_pointer() {
        assert_eq!(pointer("lines[3].quantity"), "/lines/3/quantity");
        assert_eq!(
            pointer("shipping_address.lines[0]"),
            "/shipping_address/lines/0"
        );
        assert_eq!(pointer("note"), "/note");
        assert_eq!(pointer("a/b~c"), "/a~1b~0c");
    }

    #[test]
    fn nobody_is_asked_back_too_early() {
        assert_eq!(whole_seconds(Duration::from_millis(200)), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1_001)), 2);
        assert_eq!(whole_seconds(Duration::ZERO), 1);
    }
}
