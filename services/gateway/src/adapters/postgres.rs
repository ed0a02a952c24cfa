//! The gateway's own database.

pub mod audit;
mod identity;
pub mod revocation;

pub use identity::PgIdentity;

/// The gateway's own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
