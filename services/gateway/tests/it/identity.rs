//! Who may come in: logins, sessions, users, tenants and keys, on real PostgreSQL.

mod keys;
mod logins;
mod process;
mod refreshing;
mod revoking;
mod shop;
mod tenants;
mod trying;
mod users;
