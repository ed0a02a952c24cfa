//! Each foreign technology in one place.

pub mod amqp;
pub mod archived;
pub mod files;
pub mod grpc;
pub mod naming;
pub mod objects;
pub mod parquet;
pub mod postgres;
pub mod redis;
pub mod sheets;
pub mod streams;
