//! What a service refuses, in the terms of HTTP: the one table from gRPC codes to statuses.

use std::error::Error;
use std::time::Duration;

use axum::http::StatusCode;
use tonic::{Code, Status};
use tradepost_service::error::{ErrorDetails, Failure, FieldViolation, PLATFORM_DOMAIN, code_name};

use super::link::Held;

/// When a caller may come back after a passing fault, if the service does not say.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A call that did not succeed. Nothing in it is internal.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// The reason for programs.
    pub reason: String,
    /// The text for developers.
    pub detail: String,
    /// The fields at fault, as the service names them: `lines[3].quantity`.
    pub fields: Vec<FieldViolation>,
    /// When the same call may be tried again.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A call whose deadline has passed.
    pub(super) fn late() -> Status {
        let message = "the deadline passed before an answer came; the outcome is unknown";
        Failure::new(
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED",
            PLATFORM_DOMAIN,
            message,
        )
        .into()
    }

    /// A call that was not made.
    pub(super) fn held(service: &'static str, held: Held) -> Self {
        let (reason, detail, retry_after) = match held {
            Held::Open { retry_after } => {
                let detail = format!("the {service} service is not well and not asked for a while");
                ("UPSTREAM_UNAVAILABLE", detail, retry_after)
            }
            Held::Full => {
                let detail = format!("too many calls of the {service} service are running");
                ("UPSTREAM_OVERLOADED", detail, RETRY_AFTER)
            }
        };
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason: reason.to_owned(),
            detail,
            fields: Vec::new(),
            retry_after: Some(retry_after),
        }
    }

    /// A service that is not there.
    pub(super) fn unreachable(service: &'static str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason: "UPSTREAM_UNAVAILABLE".to_owned(),
            detail: format!("the {service} service cannot be reached"),
            fields: Vec::new(),
            retry_after: Some(RETRY_AFTER),
        }
    }

    /// A service that this gateway is run without. No use in coming back: somebody must set it up.
    pub(super) fn not_configured(service: &'static str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            reason: "UPSTREAM_NOT_CONFIGURED".to_owned(),
            detail: format!("this gateway is run without the {service} service"),
            fields: Vec::new(),
            retry_after: None,
        }
    }

    /// What an error answer comes to.
    pub(super) fn code(status: &Status) -> Code {
        code(status, &ErrorDetails::from_status(status))
    }

    /// What is wrong with the page that a list of our own is asked for.
    pub(crate) fn of_list(status: &Status) -> Self {
        Self::read("gateway", status).0
    }

    /// Reads an error answer, and names its code for the metrics. What is our fault and not the
    /// caller's is said without its cause. A service that fails often is told of by its breaker,
    /// once, and not here with every call.
    pub(super) fn read(service: &'static str, status: &Status) -> (Self, &'static str) {
        let details = ErrorDetails::from_status(status);
        let code = code(status, &details);
        let http = http_status(code, &details.reason);
        if http.is_server_error() {
            let cause: &dyn Error = status;
            tracing::debug!(
                event = "gateway.upstream_failed",
                upstream.service = service,
                upstream.code = code_name(code),
                upstream.reason = details.reason,
                error = cause,
                "a service did not answer a call"
            );
        }
        (Self::say(service, code, http, details), code_name(code))
    }

    fn say(service: &'static str, code: Code, status: StatusCode, details: ErrorDetails) -> Self {
        let transport = details.reason.is_empty();
        let detail = match code {
            Code::Unavailable if transport => {
                format!("the {service} service cannot be reached")
            }
            Code::Unauthenticated if status == StatusCode::SERVICE_UNAVAILABLE => {
                format!("the {service} service does not know this gateway")
            }
            Code::Internal | Code::Unknown | Code::DataLoss => "internal error".to_owned(),
            Code::Ok
            | Code::Cancelled
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unavailable
            | Code::Unauthenticated => details.message,
        };
        let reason = match details.reason {
            reason if !reason.is_empty() => reason,
            _ if code == Code::Unavailable => "UPSTREAM_UNAVAILABLE".to_owned(),
            _ => code_name(code).to_owned(),
        };
        let passing = status == StatusCode::SERVICE_UNAVAILABLE;
        let retry_after = details.retry_after.or(passing.then_some(RETRY_AFTER));
        Self {
            status,
            reason,
            detail,
            fields: details.fields,
            retry_after,
        }
    }
}

/// A service always gives a reason; a status with a source and without one was made by the
/// transport.
fn code(status: &Status, details: &ErrorDetails) -> Code {
    let lost = status.source().is_some() && details.reason.is_empty();
    if lost {
        Code::Unavailable
    } else {
        details.code
    }
}

/// The reasons of a webhook whose signature is not good begin with it.
const SIGNATURE: &str = "SIGNATURE_";

/// The reason of a key that was used for another request: 422, as the Idempotency-Key draft says.
const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";

fn http_status(code: Code, reason: &str) -> StatusCode {
    match code {
        Code::InvalidArgument | Code::AlreadyExists if reason == REQUEST_ID_REUSED => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated if reason.starts_with(SIGNATURE) => StatusCode::UNAUTHORIZED,
        // Our own token was not believed: the caller's may be as good as any.
        Code::Unauthenticated => StatusCode::SERVICE_UNAVAILABLE,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => StatusCode::CONFLICT,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable | Code::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
