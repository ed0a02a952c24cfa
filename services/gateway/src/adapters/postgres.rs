//! The gateway's own database.

pub mod audit;
mod credentials;
mod identity;
pub mod revocation;

pub use credentials::PgCredentials;
pub use identity::PgIdentity;

/// The gateway's own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
