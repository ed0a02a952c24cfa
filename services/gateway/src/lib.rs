//! The gateway: the REST API that shops and apps talk to, and its description.
//!
//! It decides nothing about orders. `http` speaks REST: strict JSON in, problem+json out;
//! `upstream` asks the services over gRPC; `bootstrap` puts them together. Who calls, and whether they
//! may, is decided at one gate, `http/gate.rs`, before anything else.

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
