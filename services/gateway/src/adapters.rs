//! Foreign technology, each in one place.

pub mod postgres;
pub mod redis;
