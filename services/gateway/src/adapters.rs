//! Foreign technology, each in one place.

pub mod postgres;
