//! The gateway's own database.

/// The gateway's own tables.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");
