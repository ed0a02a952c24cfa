//! Redis, which may vanish at any moment: with it nodes hear of each other at once.
//!
//! All nodes write what they announce into one stream and read it ([`Carrier`]), and keep a stream's
//! last entries in another ([`RedisRecents`]). Nothing rests on either (ADR 42).

mod keeper;
mod link;
mod parcel;
mod reader;
mod recents;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use redis::Client;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tradepost_service::Tasks;
use uuid::Uuid;

use keeper::Keeper;
use link::Link;
use reader::Reader;
use writer::Writer;

pub use recents::RedisRecents;

use crate::metrics::NodeMetrics;
use crate::nodes::{KnownEpoch, Looks, Outbox};
use crate::ports::Followers;

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
        // Never the parser's own text: it may hold the password.
        let client = Client::open(url.expose_secret()).map_err(|_unsafe_to_show| ());
        Ok(Self {
            client: client.ok().context("redis.url cannot be used")?,
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

    /// Carries until the token is cancelled: also while connections are sent away, since they are
    /// told what happens until they are gone. What waits then is still written.
    pub fn start(self, followers: Followers, tasks: &Tasks, until: &CancellationToken) {
        let Carriage {
            outbox,
            looks,
            epoch,
            metrics,
        } = self.parts;
        let keeper = Keeper {
            client: self.client.clone(),
            link: Arc::clone(&self.link),
            budget: RECENT_BUDGET,
            metrics: metrics.clone(),
        };
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
