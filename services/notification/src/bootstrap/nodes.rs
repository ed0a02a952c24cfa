//! What connects this node with the others: Redis if there is one, and looks at the database.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use tradepost_service::{Runtime, Tasks};
use tradepost_telemetry::Registry;

use crate::adapters::redis::{Carriage, Carrier};
use crate::config::{LiveConfig, RedisConfig};
use crate::live::Way;
use crate::live::hub::Hub;
use crate::metrics::NodeMetrics;
use crate::nodes::{Deliveries, Healer, Healing, KnownEpoch, Looks, Nodes, NothingRecent, Outbox};
use crate::ports::{Announcer, Followers, OtherNodes, Pasts, People, Recents};

/// How often it is looked whether the last connection has gone.
const GONE_EVERY: Duration = Duration::from_millis(20);
/// How much longer than they are sent away connections may take to go.
const GONE_MAX: Duration = Duration::from_secs(5);

/// A token that is cancelled after shutdown, when no connection is left to be told anything.
#[must_use]
pub fn until_empty(
    hub: &Arc<Hub<Way>>,
    config: &LiveConfig,
    runtime: &Runtime,
) -> CancellationToken {
    let until = CancellationToken::new();
    let (hub, shutdown, ended) = (Arc::clone(hub), runtime.shutdown.clone(), until.clone());
    let most = Duration::from_millis(config.drain_ms) + GONE_MAX;
    runtime.tasks.spawn("nodes end", async move {
        shutdown.cancelled().await;
        let gone = async {
            while !hub.is_empty() {
                tokio::time::sleep(GONE_EVERY).await;
            }
        };
        let _too_late = tokio::time::timeout(most, gone).await;
        ended.cancel();
    });
    until
}

/// The way to other nodes, before it is used.
pub struct Fanout {
    looks: Arc<Looks>,
    epoch: Arc<KnownEpoch>,
    metrics: NodeMetrics,
    carrier: Option<(Carrier, Arc<Outbox>)>,
    recents: Recents,
}

impl Fanout {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// Fails when the URL of Redis cannot be used.
    pub fn new(config: &RedisConfig, registry: &Registry) -> anyhow::Result<Self> {
        let metrics = NodeMetrics::register(registry);
        let (looks, epoch) = (Arc::<Looks>::default(), Arc::<KnownEpoch>::default());
        let Some(url) = &config.url else {
            tracing::warn!(
                event = "nodes.no_redis",
                "there is no redis.url: other nodes hear what is told here a little later"
            );
            return Ok(Self {
                looks,
                epoch,
                metrics,
                carrier: None,
                recents: Arc::new(NothingRecent),
            });
        };
        let outbox = Arc::new(Outbox::new(Arc::clone(&epoch), metrics.clone()));
        let parts = Carriage {
            outbox: Arc::clone(&outbox),
            looks: Arc::clone(&looks),
            epoch: Arc::clone(&epoch),
            metrics: metrics.clone(),
        };
        let carrier = Carrier::new(url, parts)?;
        Ok(Self {
            looks,
            epoch,
            metrics,
            recents: Arc::new(carrier.recents()),
            carrier: Some((carrier, outbox)),
        })
    }

    /// What was told lately, for connections that resume.
    #[must_use]
    pub fn recents(&self) -> Recents {
        Arc::clone(&self.recents)
    }

    /// Tells other nodes who is connected to this one, and knows who is to them; none: there is no
    /// Redis.
    #[must_use]
    pub fn tell_presence(
        &self,
        people: People,
        every: Duration,
        turning: (&Tasks, &CancellationToken),
    ) -> Option<OtherNodes> {
        let (carrier, _) = self.carrier.as_ref()?;
        Some(Arc::new(carrier.tell_presence(people, every, turning)))
    }

    /// Starts to carry and to look at the database every so often, and returns once it is known
    /// where the database stands: only then may connections be opened. `until` is cancelled when the
    /// last of them is gone, which is later than shutdown begins: they are told what happens until
    /// then.
    pub async fn start(
        self,
        (past, followers): (Pasts, Followers),
        every: Duration,
        (tasks, until): (&Tasks, &CancellationToken),
    ) -> Announcer {
        let mut healer = Healer::new(Healing {
            past,
            recents: self.recents,
            followers: Arc::clone(&followers),
            looks: self.looks,
            epoch: self.epoch,
            every,
            metrics: self.metrics,
        });
        healer.begin(until).await;
        tasks.spawn("healer", healer.run(until.clone()));
        let outbox = self.carrier.map(|(carrier, outbox)| {
            carrier.start(Arc::clone(&followers), tasks, until);
            outbox
        });
        Deliveries::start(Nodes::new(followers, outbox), tasks, until)
    }
}
