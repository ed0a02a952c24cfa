//! Commands in, answers out.

mod consumer;
mod parse;
pub(crate) mod render;

pub use consumer::subscription;
