//! Who comes to a service without passing the gateway: judged here, on real PostgreSQL, and told
//! when that has ended.

mod admitting;
mod canary;
mod door;
mod tickets;
mod watching;
