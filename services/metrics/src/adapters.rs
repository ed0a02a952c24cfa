//! Each foreign technology in one place.

pub mod archived;
pub mod files;
pub mod grpc;
pub mod objects;
pub mod parquet;
pub mod postgres;
pub mod sheets;
