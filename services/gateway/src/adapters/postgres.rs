//! The gateway's own database.

pub mod audit;
pub mod credentials;

/// The gateway's own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
