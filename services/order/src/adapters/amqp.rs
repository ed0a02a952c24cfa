//! Messages in and out: commands and facts are rendered here, answers are parsed here.

mod consumer;
mod parse;
mod render;

pub use consumer::{QUEUE, Replies, subscription};
pub use parse::parse;
pub use render::{Cause, Supplement, outgoing, trace_id};
