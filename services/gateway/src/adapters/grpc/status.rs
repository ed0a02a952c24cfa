//! What is refused, as gRPC says it.

use std::time::Duration;

use tonic::Code;
use tradepost_service::error::Failure;

use crate::http::NotAdmitted;

/// The domain of the gateway's reasons.
pub(super) const DOMAIN: &str = "gateway.tradepost";
/// When to come back after what was not there, or full.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why somebody is not let in.
pub(super) fn not_admitted(why: &NotAdmitted) -> Failure {
    let (code, retry_after) = match why {
        NotAdmitted::Unauthenticated { .. } => (Code::Unauthenticated, None),
        NotAdmitted::Suspended | NotAdmitted::ForeignPage => (Code::PermissionDenied, None),
        NotAdmitted::TooMany(delay) => (Code::ResourceExhausted, Some(*delay)),
        NotAdmitted::Unavailable => (Code::Unavailable, Some(RETRY_AFTER)),
    };
    let failure = Failure::new(code, why.reason(), DOMAIN, why.to_string());
    match retry_after {
        Some(delay) => failure.retry_after(delay),
        None => failure,
    }
}

/// Too many watch already.
pub(super) fn too_many_watchers() -> Failure {
    let message = "too many are watching; try again later";
    let code = Code::ResourceExhausted;
    Failure::new(code, "TOO_MANY_WATCHERS", DOMAIN, message).retry_after(RETRY_AFTER)
}
