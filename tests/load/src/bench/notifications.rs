//! Notifications: real nodes with PostgreSQL and Redis, and thousands of clients on the same
//! machine. Clients are in this process and have one thread, as senders have.

mod clients;
mod cluster;
mod ears;
mod link;
mod parts;
mod probes;
mod senders;
mod stream;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use tradepost_service::Clock;

use super::process::Process;
use super::target::{Server, TargetError};

pub use cluster::{Herd, Share, cluster, herd};
pub use parts::{broadcast, idle, storm, targeted, two_nodes};
pub use senders::{Caller, Kind};

/// How large a load.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections, each of a user of its own.
    pub clients: usize,
    /// Messages a second, each to one of them.
    pub rate: NonZeroU32,
    /// For how long.
    pub seconds: NonZeroU32,
    /// Messages to all of them, one after the other.
    pub broadcasts: u32,
}

impl Load {
    fn window(&self) -> Duration {
        Duration::from_secs(self.seconds.get().into())
    }
}

/// A node of the service.
#[derive(Debug)]
pub struct Node {
    /// Its process.
    pub server: Server,
    /// Its live port.
    pub live: SocketAddr,
}

impl Node {
    fn process(&self) -> Process {
        Process(self.server.pid)
    }
}

/// The core of a node that has one to itself.
pub const NODE_CORE: usize = 0;

/// Keeps this process off the core of such a node.
pub fn pin() {
    Process(std::process::id()).pin(NODE_CORE + 1);
}

/// Lets it run on all cores again.
pub fn unpin() {
    Process(std::process::id()).unpin();
}

/// What times count from: the same for who sends and who hears, in whatever process.
#[derive(Debug, Clone, Copy)]
struct Origin {
    at: Instant,
    /// The same moment, in microseconds since 1970.
    unix_us: u64,
}

impl Origin {
    fn now() -> Self {
        let unix_us = Clock::system().now().unix_timestamp_nanos() / 1_000;
        Self {
            at: Instant::now(),
            unix_us: u64::try_from(unix_us).unwrap_or_default(),
        }
    }

    fn stamp(self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.at);
        let since = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        self.unix_us.saturating_add(since)
    }

    fn since(self, stamp: u64) -> Duration {
        let now = self.stamp(Instant::now());
        Duration::from_micros(now.saturating_sub(stamp))
    }
}

/// The name of a user.
fn user(number: usize) -> String {
    format!("user-{number}")
}

/// Waits until something is so.
async fn until(
    what: &str,
    max: Duration,
    mut is_so: impl FnMut() -> bool,
) -> Result<(), TargetError> {
    let end = Instant::now() + max;
    while !is_so() {
        if Instant::now() >= end {
            let why = format!("{what}: not after {} s", max.as_secs());
            return Err(TargetError::Wrong(why));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
