//! What happens now, and what happened: live aggregates from memory, tenant analytics from
//! PostgreSQL.
//!
//! `adapters` speak gRPC and SQL, `bootstrap` puts them together.

pub mod adapters;
pub mod bootstrap;
pub mod command;
pub mod config;
