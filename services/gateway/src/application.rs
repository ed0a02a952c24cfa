//! What can be done, one use case a file, over the ports.

mod limits;

pub use limits::{Decision, Limiter, RATE_LIMIT, RATE_LIMIT_POLICY};
