//! Errors that were made below the handlers: no handler saw the call, or what came next in its
//! stream, and no reason was given.

use http::{HeaderMap, Response};
use http_body_util::BodyExt;
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
        Some(status) if status.code() != Code::Ok => {
            let malformed = status.code() == Code::Internal && is_malformed(status);
            Status::from(reasoned(status, malformed)).into_http()
        }
        Some(_) | None => response,
    }
}

/// The same for an error that ends an open stream: it stands behind the answers.
pub(super) fn explain_end(response: Response<Body>) -> Response<Body> {
    response.map(|body| {
        Body::new(body.map_frame(|mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                explain_trailers(trailers);
            }
            frame
        }))
    })
}

fn explain_trailers(trailers: &mut HeaderMap) {
    if trailers.contains_key(DETAILS) {
        return;
    }
    let Some(status) = Status::from_header_map(trailers) else {
        return;
    };
    if status.code() == Code::Ok {
        return;
    }
    // The cause is not kept so far. But a handler's own `INTERNAL` has a reason; what has none is
    // what it was told when it read on.
    let malformed = status.code() == Code::Internal;
    let mut explained = HeaderMap::new();
    if Status::from(reasoned(&status, malformed))
        .add_header(&mut explained)
        .is_ok()
    {
        trailers.extend(explained);
    }
}

/// A malformed message is the caller's: a server reads no other.
fn reasoned(status: &Status, malformed: bool) -> Failure {
    let code = status.code();
    let (code, reason) = if malformed {
        (Code::InvalidArgument, "MESSAGE_MALFORMED")
    } else if code == Code::OutOfRange {
        (code, "MESSAGE_TOO_LARGE")
    } else {
        (code, code_name(code))
    };
    Failure::new(code, reason, PLATFORM_DOMAIN, status.message())
}
