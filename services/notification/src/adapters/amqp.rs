//! The order backbone's facts, from RabbitMQ.

mod consumer;
mod parse;

pub use consumer::{QUEUE, subscription};
