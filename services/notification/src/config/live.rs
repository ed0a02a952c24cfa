//! Connections and their limits.

use std::net::{Ipv4Addr, SocketAddr};

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Connections and their limits.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LiveConfig {
    /// Where clients open their sockets.
    #[garde(skip)]
    pub listen_addr: SocketAddr,
    /// Connections of this node; fewer where the process may open fewer files.
    #[garde(range(min = 1, max = 1_000_000))]
    pub connections_max: usize,
    /// Connections of one user at this node; a further one ends the oldest.
    #[garde(range(min = 1, max = 1_000))]
    pub user_connections_max: usize,
    /// How many may be opened a second; in a burst twice as many.
    #[garde(range(min = 1, max = 100_000))]
    pub connects_per_second: u32,
    /// How often a client is told where its streams stand, and asked whether it lives.
    #[garde(range(min = 100, max = 600_000))]
    pub heartbeat_ms: u64,
    /// How long a client may take to say hello.
    #[garde(range(min = 100, max = 60_000))]
    pub hello_ms: u64,
    /// What may wait for one client, in bytes; a client that is behind by more is closed.
    #[garde(range(min = 4_096, max = 16_777_216))]
    pub queue_bytes_max: usize,
    /// The same in messages.
    #[garde(range(min = 16, max = 100_000))]
    pub queue_messages_max: usize,
    /// What a client may say a second; in a burst three times as much.
    #[garde(range(min = 1, max = 10_000))]
    pub messages_per_second: u32,
    /// How much one stream's resume may bring; whoever missed more is told so and reads the history.
    #[garde(range(min = 1, max = 10_000))]
    pub resume_max: u32,
    /// How many of a stream's last entries a node keeps in memory while somebody follows it.
    #[garde(range(min = 1, max = 10_000))]
    pub kept_entries_max: usize,
    /// Memory for those, of all streams.
    #[garde(range(min = 1, max = 65_536))]
    pub kept_mib_max: usize,
    /// Over how long clients are sent away when the process ends.
    #[garde(range(min = 0, max = 300_000))]
    pub drain_ms: u64,
    /// How often the database is looked at for what was not heard of.
    #[garde(range(min = 10, max = 60_000))]
    pub look_ms: u64,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            listen_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 50057)),
            connections_max: 19_000,
            user_connections_max: 10,
            connects_per_second: 2_000,
            heartbeat_ms: 25_000,
            hello_ms: 10_000,
            queue_bytes_max: 256 * 1024,
            queue_messages_max: 1_024,
            messages_per_second: 10,
            resume_max: 300,
            kept_entries_max: 100,
            kept_mib_max: 64,
            drain_ms: 10_000,
            look_ms: 500,
        }
    }
}
