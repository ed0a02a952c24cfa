//! Batches from Redis Streams: for producers that would rather write to Redis than call us.
//!
//! A stream is read as a consumer group. An entry is acknowledged after what is in it was committed;
//! the ledger of batches makes one that comes again harmless (ADR 34). What cannot be read goes to a
//! dead-letter stream with the reason.

mod backoff;
mod entry;
mod group;
mod reader;

pub use reader::{Reader, Reading};
