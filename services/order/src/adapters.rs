//! Each foreign technology in one place.

pub mod amqp;
pub mod grpc;
pub mod inventory;
pub mod postgres;
