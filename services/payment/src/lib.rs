//! Payments and their ledger: the money of an order is held, taken, let go and given back.
//!
//! `domain` decides, `application` sequences, `adapters` speak gRPC, AMQP, SQL and the provider's
//! HTTP, `bootstrap` puts them together.

pub mod adapters;
pub mod application;
pub mod bootstrap;
pub mod config;
pub mod domain;
pub mod metrics;
pub mod ports;
