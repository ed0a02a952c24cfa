//! Connections: who is here ([`hub`]), what each of them says and hears (`session`), how they come
//! (`port`), who judges those that come without the gateway (`straight`), and how they are sent away when the process ends (`drain`). It knows streams and no
//! database: what is missing is asked for through ports.

mod desk;
mod drain;
mod events;
pub mod hub;
mod limits;
mod line;
mod port;
mod reads;
mod service;
mod session;
mod straight;
mod wheel;

pub use events::Events;
pub use line::{Line, Way};
pub use service::{Live, Parts, RULE};
pub use straight::Access;
