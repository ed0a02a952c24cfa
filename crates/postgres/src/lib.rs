//! A PostgreSQL pool with hygiene: the tenant transaction, migrations, retries, idempotency keys,
//! group commit.
//!
//! It wraps what is dangerous in sqlx: the pool is private, and the only ways to a connection are
//! [`TenantTx`] (row-level security applies) and [`SystemTx`]. It is *not* a place for queries of a
//! service: those live in the service's own adapter.
//!
//! Cluster-wide group roles that every migration grants to and writes policies for:
//! `tradepost_app` serves requests, `tradepost_system` runs consumers, relays and sweepers.

mod config;
mod database;
mod error;
mod group;
pub mod idempotency;
mod migrate;
mod pace;
pub mod provision;
mod retry;
mod transaction;

pub use config::DatabaseConfig;
pub use database::{Database, PoolFigures};
pub use error::DbError;
pub use group::{Abandoned, Group, GroupLimits};
pub use pace::Pace;
pub use retry::{RetryableTx, retrying};
pub use transaction::{SystemTx, TenantTx};
