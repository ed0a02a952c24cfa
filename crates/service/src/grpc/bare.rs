//! Errors that were made below the handlers: no handler saw the call, and no reason was given.

use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::error::{Failure, PLATFORM_DOMAIN, code_name, is_malformed};

const STATUS: &str = "grpc-status";
const DETAILS: &str = "grpc-status-details-bin";

/// Gives such an error a reason; any other answer is left as it is.
pub(super) fn explain(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if !headers.contains_key(STATUS) || headers.contains_key(DETAILS) {
        return response;
    }
    match response.extensions().get::<Status>() {
        Some(status) if status.code() != Code::Ok => Status::from(reasoned(status)).into_http(),
        Some(_) | None => response,
    }
}

fn reasoned(status: &Status) -> Failure {
    let code = status.code();
    let (code, reason) = if code == Code::Internal && is_malformed(status) {
        // It is the caller's message: a server reads no other.
        (Code::InvalidArgument, "MESSAGE_MALFORMED")
    } else if code == Code::OutOfRange {
        (code, "MESSAGE_TOO_LARGE")
    } else {
        (code, code_name(code))
    };
    Failure::new(code, reason, PLATFORM_DOMAIN, status.message())
}
