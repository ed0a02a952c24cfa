//! A whole shop for one test: every service as a process of its own, with real databases, a real
//! broker, and the card provider's simulator; and a buyer who never gives up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod account;
mod audience;
mod browser;
mod buyer;
mod databases;
mod listener;
mod old_proxy;
mod points;
mod rest_buyer;
mod service;
mod settings;
mod shop;
mod unit;

pub use account::Account;
pub use audience::{Audience, Telling};
pub use browser::Browser;
pub use buyer::{Buyer, Client, basket};
pub use databases::Cluster;
pub use listener::Listener;
pub use points::{Point, points};
pub use rest_buyer::RestBuyer;
pub use service::Service;
pub use shop::{Setup, Shop, knock};
pub use unit::{Death, Unit};

use std::time::Duration;

use old_proxy::OldProxy;

/// How long a test waits for what must come: far above what it takes, because all tests share the
/// machine.
pub const SOON: Duration = Duration::from_secs(180);
