//! Each foreign technology in one place.

pub mod amqp;
pub mod grpc;
pub mod postgres;
pub mod redis;
pub mod smtp;
pub mod webhooks;
