//! What happens now, and what happened: live aggregates from memory, tenant analytics from
//! PostgreSQL.
//!
//! `domain` has the words, `rollup` the arithmetic, `application` sequences, `adapters` speak gRPC
//! and SQL, `bootstrap` puts them together.

pub mod adapters;
pub mod application;
pub mod bootstrap;
pub mod command;
pub mod config;
pub mod domain;
pub mod metrics;
pub mod ports;
pub mod rollup;
pub mod tally;
