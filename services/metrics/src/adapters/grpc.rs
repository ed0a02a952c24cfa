//! The gRPC faces: parse, call, render.

pub mod analytics;
pub mod live;
mod status;
pub mod tenant;

/// The domain of this service's errors.
pub(crate) const DOMAIN: &str = "metrics.tradepost";
