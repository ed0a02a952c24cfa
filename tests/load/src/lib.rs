//! Load tools: a replay of real order history, and benches.
//!
//! Towards a running Tradepost they speak only the gateway's REST API and know nothing of the
//! services behind it. The benches of one service alone start one of their own.

pub mod bench;
pub mod gateway;
pub mod plan;
pub mod replay;
pub mod samples;
