//! Foreign technology, each in one place.

pub mod guards;
pub mod postgres;
