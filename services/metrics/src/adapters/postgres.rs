//! The store on PostgreSQL.

use sqlx::migrate::Migrator;

/// The tables of this service.
pub static MIGRATOR: Migrator = sqlx::migrate!("./migrations");
