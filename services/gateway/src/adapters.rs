//! Foreign technology, each in one place.

pub mod audit_files;
pub mod grpc;
pub mod postgres;
pub mod redis;
