//! Connections: who is here ([`hub`]), what each of them says and hears (`session`), how they come
//! (`port`), and how they are sent away when the process ends (`drain`). It knows streams and no
//! database: what is missing is asked for through ports.

mod desk;
mod drain;
pub mod hub;
mod limits;
mod line;
mod port;
mod service;
mod session;
mod wheel;

pub use line::Line;
pub use service::{Live, Parts, RULE};
