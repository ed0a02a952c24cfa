//! Reading a body: not too large, not too slow.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::Problem;

/// Reads the whole body.
///
/// # Errors
/// 413 for more than `bytes_max` bytes, 408 if it has not arrived within `read_max`, 400 if it
/// breaks off. The rest of such a body is not read, so the connection ends with the answer.
pub(super) async fn read(
    request: Request,
    bytes_max: usize,
    read_max: Duration,
) -> Result<Bytes, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let body = Limited::new(request.into_body(), bytes_max).collect();
    match tokio::time::timeout(read_max, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
        Ok(Err(_broken)) => {
            Err(
                Problem::new(StatusCode::BAD_REQUEST, "BODY_BROKEN", "the body broke off")
                    .closing(),
            )
        }
        Err(_elapsed) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "BODY_TOO_SLOW",
            format!("the body did not arrive within {read_max:?}"),
        )
        .closing()),
    }
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "BODY_TOO_LARGE",
        format!("the body must not have more than {bytes_max} bytes"),
    )
    .closing()
}
