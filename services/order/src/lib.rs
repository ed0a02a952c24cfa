//! The order service: orders, and the saga that drives them from acceptance to delivery.
//!
//! `domain` holds the pure machine, `application` the use cases, `ports` what they need, `adapters`
//! one foreign technology each; `bootstrap` puts them together.

pub mod adapters;
pub mod application;
pub mod bootstrap;
pub mod config;
pub mod domain;
pub mod metrics;
pub mod ports;
