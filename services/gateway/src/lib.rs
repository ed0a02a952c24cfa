//! The gateway: the REST API that shops and apps talk to, and its description.
//!
//! It decides nothing about orders, and everything about who may ask: `http` speaks REST, with one
//! gate in front of every route; `application` knows callers, limits and the audit trail over
//! `ports`, which `adapters` fill; `upstream` asks the services over gRPC; `bootstrap` puts them
//! together.

pub mod adapters;
pub mod application;
pub mod bootstrap;
pub mod command;
pub mod config;
#[cfg(test)]
mod demo;
pub mod domain;
pub mod http;
pub mod metrics;
pub mod ports;
pub mod upstream;
