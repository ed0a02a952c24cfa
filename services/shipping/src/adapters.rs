//! Each foreign technology in one place.

pub mod amqp;
mod document;
pub mod grpc;
pub mod mishaps;
pub mod postgres;
pub mod table_rate;
