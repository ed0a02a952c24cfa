//! The catalogue and its stock: what there is, what is held for orders, what was sold.
//!
//! `domain` decides, `application` sequences, `adapters` speak gRPC, AMQP and SQL, `bootstrap`
//! puts them together.

pub mod adapters;
pub mod application;
pub mod bootstrap;
pub mod config;
pub mod domain;
pub mod metrics;
pub mod ports;
