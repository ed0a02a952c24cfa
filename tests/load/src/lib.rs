//! Load tools for a running Tradepost: a replay of real order history, and benches.
//!
//! They speak only the gateway's REST API and know nothing of the services behind it.

pub mod bench;
pub mod gateway;
pub mod plan;
pub mod replay;
pub mod samples;
