//! What a service refuses, in the terms of HTTP: the one table from gRPC codes to statuses.

use std::error::Error;
use std::time::Duration;

use axum::http::StatusCode;
use tonic::{Code, Status};
use tradepost_service::error::{ErrorDetails, Failure, FieldViolation, PLATFORM_DOMAIN, code_name};

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

    /// Reads an error answer, and names its code for the metrics. What is our fault and not the
    /// caller's is logged here and said without its cause.
    pub(super) fn read(service: &'static str, status: &Status) -> (Self, &'static str) {
        let details = ErrorDetails::from_status(status);
        // A service always gives a reason; a status with a source was made by the transport.
        let lost = status.source().is_some() && details.reason.is_empty();
        let code = if lost {
            Code::Unavailable
        } else {
            details.code
        };
        let http = http_status(code, &details.reason);
        if http.is_server_error() {
            let cause: &dyn Error = status;
            tracing::warn!(
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

/// The reason of a key that was used for another request: 422, as the Idempotency-Key draft says.
const REQUEST_ID_REUSED: &str = "REQUEST_ID_REUSED";

fn http_status(code: Code, reason: &str) -> StatusCode {
    match code {
        Code::InvalidArgument if reason == REQUEST_ID_REUSED => StatusCode::UNPROCESSABLE_ENTITY,
        Code::InvalidArgument | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
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
