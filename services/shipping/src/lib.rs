//! Parcels: what they cost, who carries them, where they are.
//!
//! `domain` decides, `application` sequences, `adapters` speak gRPC, AMQP and SQL and to the
//! carrier, `bootstrap` puts them together.

pub mod adapters;
pub mod application;
pub mod bootstrap;
pub mod config;
pub mod domain;
pub mod metrics;
pub mod ports;
