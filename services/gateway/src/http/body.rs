//! Reading a body: not too large, not too slow.

use std::pin::pin;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use super::router::Gateway;
use crate::config::LimitsConfig;

/// How slow a body may be.
#[derive(Debug, Clone, Copy)]
pub struct BodyPatience {
    total: Duration,
    grace: Duration,
    bytes_per_second_min: u64,
}

impl From<&LimitsConfig> for BodyPatience {
    fn from(limits: &LimitsConfig) -> Self {
        Self {
            total: Duration::from_millis(limits.body_read_ms),
            grace: Duration::from_millis(limits.body_grace_ms),
            bytes_per_second_min: limits.body_bytes_per_second_min,
        }
    }
}

impl BodyPatience {
    /// How long a body may have taken when so much of it has arrived.
    fn allows(self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let earned = bytes.saturating_mul(1_000) / self.bytes_per_second_min.max(1);
        self.total.min(self.grace + Duration::from_millis(earned))
    }
}

/// Reads the whole body.
///
/// # Errors
/// 413 for more than `bytes_max` bytes, 408 if it arrives too slowly, 400 if it breaks off. The
/// rest of such a body is not read, so the connection ends with the answer.
pub(super) async fn read(
    request: Request,
    bytes_max: usize,
    gateway: &Gateway,
) -> Result<Bytes, Problem> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let mut body = pin!(Limited::new(request.into_body(), bytes_max));
    let (started, mut bytes) = (Instant::now(), BytesMut::new());
    loop {
        let due = started + gateway.body_patience.allows(bytes.len());
        match timeout_at(due, body.frame()).await {
            Ok(None) => return Ok(bytes.freeze()),
            // What is no data is trailers, which nobody asked for.
            Ok(Some(Ok(frame))) => bytes.extend(frame.into_data()),
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => {
                return Err(too_large(bytes_max));
            }
            Ok(Some(Err(_broken))) => return Err(broken()),
            Err(_elapsed) => {
                gateway.metrics.client_cut("body");
                return Err(too_slow());
            }
        }
    }
}

fn broken() -> Problem {
    let detail = "the body broke off, or is not delimited as RFC 9112 has it";
    Problem::new(StatusCode::BAD_REQUEST, "BODY_BROKEN", detail).closing()
}

fn too_slow() -> Problem {
    let detail = "the body did not arrive in time";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW", detail).closing()
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "BODY_TOO_LARGE",
        format!("the body must not have more than {bytes_max} bytes"),
    )
    .closing()
}
