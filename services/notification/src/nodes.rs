//! What is told on one node reaches the connections of all: over Redis at once ([`Outbox`]), and by
//! looks at the database whatever happens to Redis ([`Healer`]). No socket and no stream of a
//! connection is known here: who follows orders what it is told.

mod deliveries;
mod epoch;
mod healer;
mod looks;
mod outbox;

use std::sync::Arc;

use async_trait::async_trait;

pub use deliveries::Deliveries;
pub use epoch::KnownEpoch;
pub use healer::{Healer, Healing};
pub use looks::Looks;
pub use outbox::{Outbox, Parcel};

use crate::ports::{Announce, Announcement, Entry, Followers, Gap, Recent};

/// Tells this node's followers at once, and the other nodes by way of the outbox.
pub struct Nodes {
    followers: Followers,
    outbox: Option<Arc<Outbox>>,
}

impl Nodes {
    /// Without an outbox other nodes find what is told here by their looks at the database, and never
    /// hear a signal.
    #[must_use]
    pub fn new(followers: Followers, outbox: Option<Arc<Outbox>>) -> Self {
        Self { followers, outbox }
    }
}

impl Announce for Nodes {
    fn announce(&self, announcements: Vec<Announcement>) {
        if announcements.is_empty() {
            return;
        }
        // First, so that other nodes need not wait until a large group was told here.
        if let Some(outbox) = &self.outbox {
            outbox.put(announcements.clone());
        }
        self.followers.tell(&announcements);
    }
}

/// Where there is no Redis nothing is recent: all is asked of the database.
#[derive(Debug, Clone, Copy)]
pub struct NothingRecent;

#[async_trait]
impl Recent for NothingRecent {
    async fn recent(&self, gaps: &[Gap], _bytes_max: usize) -> Vec<Option<Vec<Entry>>> {
        vec![None; gaps.len()]
    }
}
