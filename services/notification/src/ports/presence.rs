//! Who is connected. Nothing of it is stored for good.

use std::sync::Arc;

use async_trait::async_trait;
use tradepost_notifications::stream::UserName;
use tradepost_types::TenantId;

use super::announcements::Reader;

/// That somebody is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present {
    /// Their connections.
    pub connections: u32,
    /// Since when without a break, in milliseconds since 1970.
    pub since_ms: i64,
}

impl Present {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            connections: self.connections.saturating_add(other.connections),
            since_ms: if self.since_ms < other.since_ms {
                self.since_ms
            } else {
                other.since_ms
            },
        }
    }
}

/// Who came or went since it was asked last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// These; whether they are here now is to be asked.
    Some(Vec<Reader>),
    /// Too many to be named.
    Many,
}

/// Who is connected to this node. Nothing here waits.
#[async_trait]
pub trait Here: Send + Sync {
    /// Whether a person is.
    fn here(&self, reader: &Reader) -> Option<Present>;

    /// Everybody.
    fn everybody(&self) -> Vec<(Reader, Present)>;

    /// From now on it is noted who comes and goes.
    fn watch(&self);

    /// Who came or went, as soon as somebody has.
    async fn moved(&self) -> Moved;
}

/// As its users hold it.
pub type People = Arc<dyn Here>;

/// Who is connected to other nodes, as far as that is known.
#[async_trait]
pub trait Elsewhere: Send + Sync {
    /// Of each user whether they are; none: it is not known of anybody, or not of all nodes.
    async fn elsewhere(&self, tenant: TenantId, users: &[UserName])
    -> Option<Vec<Option<Present>>>;
}

/// As its users hold it.
pub type OtherNodes = Arc<dyn Elsewhere>;
