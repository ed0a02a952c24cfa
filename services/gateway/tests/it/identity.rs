//! Who may come in: logins, sessions, users, tenants and keys, on real PostgreSQL.

mod commands;
mod feeding;
mod keys;
mod live;
mod logins;
mod origins;
mod outages;
mod plans;
pub(crate) mod process;
mod refreshing;
mod revoking;
pub(crate) mod shop;
mod tenants;
mod users;
