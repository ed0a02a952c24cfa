//! Notifications: real nodes with PostgreSQL and Redis, and thousands of clients on the same
//! machine. Clients are in this process and have one thread, as senders have.

mod clients;
mod link;
mod parts;
mod senders;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::process::Process;
use super::target::{Server, TargetError};

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

    /// Keeps all its threads on a core, and this process on another.
    pub fn pin(&self) {
        self.process().pin(0);
        Process(std::process::id()).pin(1);
    }
}

/// Lets this process run on all cores again, after [`Node::pin`].
pub fn unpin() {
    Process(std::process::id()).unpin();
}

/// What times count from: the same for who sends and who hears.
#[derive(Debug, Clone, Copy)]
struct Origin(Instant);

impl Origin {
    fn stamp(self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.0);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn since(self, stamp: u64) -> Duration {
        self.0
            .elapsed()
            .saturating_sub(Duration::from_micros(stamp))
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
