//! Redis, which may vanish at any moment: with it nodes hear of each other at once.
//!
//! All nodes write what they announce into one stream and read it ([`Carrier`]), and keep a stream's
//! last entries in another ([`RedisRecents`]). Nothing rests on either (ADR 42).

mod parcel;
mod presence;
mod reader;
mod recents;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use redis::Client;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tradepost_redis::{Fault, Keeper, Link, Observe};
use tradepost_service::{Clock, Tasks};
use uuid::Uuid;

use presence::Teller;
use reader::Reader;
use writer::Writer;

pub use presence::RedisBoard;
pub use recents::RedisRecents;

use crate::metrics::NodeMetrics;
use crate::nodes::{KnownEpoch, Looks, Outbox};
use crate::ports::{Followers, People};

/// How long Redis may take to give what was told lately: the database is not much slower.
const RECENT_BUDGET: Duration = Duration::from_millis(50);

/// What a carrier works with.
#[derive(Debug, Clone)]
pub struct Carriage {
    /// What is to be carried.
    pub outbox: Arc<Outbox>,
    /// Asks for a look at the database when something got lost.
    pub looks: Arc<Looks>,
    /// Which history is carried.
    pub epoch: Arc<KnownEpoch>,
    /// The instruments.
    pub metrics: NodeMetrics,
}

/// Carries what is announced between nodes.
#[derive(Debug)]
pub struct Carrier {
    client: Client,
    link: Arc<Link>,
    node: Uuid,
    parts: Carriage,
}

impl Carrier {
    /// A carrier over the Redis at `url`, which need not be there. It connects to nothing yet.
    ///
    /// # Errors
    /// Fails when the URL is none.
    pub fn new(url: &SecretString, parts: Carriage) -> anyhow::Result<Self> {
        Ok(Self {
            client: tradepost_redis::client(url)?,
            link: Arc::default(),
            node: Uuid::now_v7(),
            parts,
        })
    }

    /// What was told lately, as Redis has it.
    #[must_use]
    pub fn recents(&self) -> RedisRecents {
        let Carriage { epoch, metrics, .. } = self.parts.clone();
        RedisRecents::new(Arc::clone(&self.link), RECENT_BUDGET, epoch, metrics)
    }

    /// Tells other nodes who is here, and refreshes that every so often; who is there is on the board.
    /// The token ends it.
    pub fn tell_presence(
        &self,
        people: People,
        every: Duration,
        (tasks, until): (&Tasks, &CancellationToken),
    ) -> RedisBoard {
        let teller = Teller {
            link: Arc::clone(&self.link),
            node: self.node,
            people,
            every,
            clock: Clock::system(),
            metrics: self.parts.metrics.clone(),
        };
        tasks.spawn("node presence", teller.run(until.clone()));
        RedisBoard {
            link: Arc::clone(&self.link),
            node: self.node,
            every,
            clock: Clock::system(),
            metrics: self.parts.metrics.clone(),
        }
    }

    /// Carries until the token is cancelled: also while connections are sent away, since they are
    /// told what happens until they are gone. What waits then is still written.
    pub fn start(self, followers: Followers, tasks: &Tasks, until: &CancellationToken) {
        let Carriage {
            outbox,
            looks,
            epoch,
            metrics,
        } = self.parts;
        let (client, link) = (self.client.clone(), Arc::clone(&self.link));
        let keeper = Keeper::new(client, link, RECENT_BUDGET, Told(metrics.clone()));
        let token = until.clone();
        tasks.spawn("node link", async move {
            token.run_until_cancelled(keeper.keep()).await;
        });
        let writer = Writer {
            link: self.link,
            outbox,
            node: self.node,
            metrics: metrics.clone(),
        };
        tasks.spawn("node writer", writer.run(until.clone()));
        let reader = Reader::new(self.client, self.node, followers);
        let reader = reader.with(looks, epoch, metrics);
        tasks.spawn("node reader", reader.run(until.clone()));
    }
}

/// Says how it stands with Redis.
struct Told(NodeMetrics);

impl Observe for Told {
    fn closed(&self) {
        self.0.connected(true);
        tracing::info!(event = "nodes.carried", "Redis carries what is told");
    }

    fn opened(&self, fault: Option<&Fault>) {
        self.0.connected(false);
        tracing::warn!(
            event = "nodes.not_carried",
            error = fault.map(tracing::field::display),
            "Redis fails: other nodes find what is told here in the database"
        );
    }

    fn away(&self, fault: &Fault, first: bool) {
        if first {
            tracing::warn!(
                event = "nodes.redis_away",
                error = %fault,
                "Redis is not there: other nodes find what is told here in the database"
            );
        } else {
            tracing::debug!(event = "nodes.redis_away", error = %fault, "no connection");
        }
    }
}
