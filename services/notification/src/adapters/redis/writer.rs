//! Writes what waits in the outbox: for all nodes into one stream, and each entry among the last of
//! its own stream.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tradepost_redis::Link;
use uuid::Uuid;

use super::{parcel, recents};
use crate::metrics::{Carried, NodeMetrics};
use crate::nodes::{Outbox, Parcel};
use crate::ports::Announcement;

/// The stream that all nodes write and read.
pub(super) const CARRIED: &str = "notification:carried";
/// The fields of one of its entries.
pub(super) const NODE: &str = "n";
pub(super) const PARCEL: &str = "p";
/// Entries that it keeps, about. A node that is behind by more looks at the database.
const KEPT_MAX: u32 = 4_096;
/// A cluster that is gone leaves nothing behind.
const KEPT_SECONDS: u32 = 600;
/// How far apart writes begin under load, so that they share what a write costs this node, Redis and
/// every other node. What comes after a pause goes at once.
const GAP: Duration = Duration::from_millis(4);
/// How long Redis may take for a parcel.
const WRITE_MAX: Duration = Duration::from_secs(1);

/// The writer.
pub(super) struct Writer {
    pub(super) link: Arc<Link>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) node: Uuid,
    pub(super) metrics: NodeMetrics,
}

impl Writer {
    /// Writes until the token is cancelled, and then what waits.
    pub(super) async fn run(self, until: CancellationToken) {
        while until
            .run_until_cancelled(self.outbox.ready())
            .await
            .is_some()
        {
            let next = Instant::now() + GAP;
            self.write_all().await;
            let gap = tokio::time::sleep_until(next);
            let _over = until.run_until_cancelled(gap).await;
        }
        self.write_all().await;
    }

    /// Empties the outbox: what cannot be written now is not kept, since by the time Redis is back
    /// other nodes have it from the database, and signals are of no use any more.
    async fn write_all(&self) {
        loop {
            let Some(mut connection) = self.link.connection() else {
                return self.outbox.clear();
            };
            let Some(parcel) = self.outbox.take() else {
                return;
            };
            let fate = match self.write(&mut connection, &parcel).await {
                Ok(()) => Carried::Written,
                Err(fault) => {
                    self.judge(&fault);
                    Carried::Failed
                }
            };
            self.metrics.carried(fate, parcel.announcements.len());
        }
    }

    async fn write(
        &self,
        connection: &mut MultiplexedConnection,
        parcel: &Parcel,
    ) -> Result<(), Fault> {
        let commands = self.commands(parcel);
        let writing = commands.query_async::<Vec<RedisResult<Value>>>(connection);
        let answers = tokio::time::timeout(WRITE_MAX, writing).await;
        let answers = answers.map_err(|_elapsed| Fault::Late)??;
        // Only the first counts: an entry that has no room among the last of its stream, since a
        // later one is there already, is read from the database.
        let carried = answers.into_iter().next().transpose()?;
        carried.map(drop).ok_or(Fault::Late)
    }

    fn commands(&self, parcel: &Parcel) -> Pipeline {
        let mut commands = redis::pipe();
        commands.ignore_errors();
        let carry = commands.cmd("XADD").arg(CARRIED);
        carry.arg("MAXLEN").arg("~").arg(KEPT_MAX).arg("*");
        carry.arg(NODE).arg(self.node.as_bytes().as_slice());
        carry.arg(PARCEL).arg(parcel::seal(parcel));
        commands.cmd("EXPIRE").arg(CARRIED).arg(KEPT_SECONDS);
        let Some(epoch) = &parcel.epoch else {
            return commands;
        };
        for announcement in &parcel.announcements {
            match announcement {
                Announcement::Entry(entry) => recents::keep(&mut commands, epoch, entry),
                Announcement::Signal(_)
                | Announcement::Member(_)
                | Announcement::Read(_)
                | Announcement::Preferences(_) => {}
            }
        }
        commands
    }

    fn judge(&self, fault: &Fault) {
        tracing::debug!(event = "nodes.not_written", error = %fault, "other nodes have to look");
        match fault {
            Fault::Redis(error) if error.is_unrecoverable_error() => self.link.trip(),
            // A second is a long time for others who wait behind it.
            Fault::Late => self.link.trip(),
            Fault::Redis(_) => self.link.failed(),
        }
    }
}

/// Why a parcel was not written, as far as is known.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("no answer within {WRITE_MAX:?}")]
    Late,
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
}
