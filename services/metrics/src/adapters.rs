//! Each foreign technology in one place.

pub mod grpc;
pub mod postgres;
