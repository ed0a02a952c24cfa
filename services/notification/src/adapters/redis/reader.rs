//! Reads what other nodes have written, over a connection of its own: reads wait in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult};
use tokio_util::sync::CancellationToken;
use tradepost_service::Clock;
use uuid::Uuid;

use super::parcel;
use super::writer::{CARRIED, NODE, PARCEL};
use crate::metrics::{Carried, NodeMetrics};
use crate::nodes::{KnownEpoch, Looks, Parcel};
use crate::ports::{Announcement, Followers};

/// How long a new connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// How long a read waits for something to come.
const BLOCK_MS: u64 = 1_000;
/// How long an answer may take in all: a frozen Redis is seen after that.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Between two tries to reach Redis.
const AWAY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Entries that are read at once.
const ENTRIES_MAX: u32 = 64;
/// Nodes whose numbers are known; more were never seen at one time.
const NODES_MAX: usize = 1_024;
/// Before the first entry of a stream.
const FROM_THE_FIRST: (u64, u64) = (0, 0);

/// An entry: its id, and its fields one after the other. One that was deleted has none.
type Row = (String, Option<Vec<Vec<u8>>>);
/// The id of an entry, in its order.
type Id = (u64, u64);

/// The reader.
pub(super) struct Reader {
    client: Client,
    node: Uuid,
    followers: Followers,
    looks: Arc<Looks>,
    epoch: Arc<KnownEpoch>,
    metrics: NodeMetrics,
    clock: Clock,
    /// The last entry that was read.
    last: Option<Id>,
    /// The number that comes next from each node.
    next: HashMap<Vec<u8>, u64>,
}

impl Reader {
    pub(super) fn new(client: Client, node: Uuid, followers: Followers) -> Self {
        Self {
            client,
            node,
            followers,
            looks: Arc::default(),
            epoch: Arc::default(),
            metrics: NodeMetrics::default(),
            clock: Clock::system(),
            last: None,
            next: HashMap::new(),
        }
    }

    /// The same, with whom it asks for looks, what it knows of the history, and its instruments.
    pub(super) fn with(
        self,
        looks: Arc<Looks>,
        epoch: Arc<KnownEpoch>,
        metrics: NodeMetrics,
    ) -> Self {
        Self {
            looks,
            epoch,
            metrics,
            ..self
        }
    }

    /// Reads until the token is cancelled, however often Redis vanishes.
    pub(super) async fn run(mut self, until: CancellationToken) {
        let (min, max) = AWAY_PAUSE;
        let mut pause = min;
        while let Some(ended) = until.run_until_cancelled(self.session(&mut pause)).await {
            if let Err(error) = ended {
                tracing::debug!(event = "nodes.not_read", %error, "tried again");
            }
            // Nobody knows how long it will be gone.
            self.looks.ask();
            let wait = pause.mul_f64(rand::rng().random_range(0.5..=1.0));
            pause = (pause * 2).min(max);
            if until
                .run_until_cancelled(tokio::time::sleep(wait))
                .await
                .is_none()
            {
                return;
            }
        }
    }

    /// Reads for as long as the connection holds.
    async fn session(&mut self, pause: &mut Duration) -> RedisResult<()> {
        let connecting = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(ANSWER_MAX));
        let client = self.client.clone();
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&connecting)
            .await?;
        self.find_place(&mut connection).await?;
        (*pause, _) = AWAY_PAUSE;
        tracing::debug!(event = "nodes.read", "read from now on");
        // What was trimmed while nobody read is in the database.
        self.looks.ask();
        loop {
            if !self.read(&mut connection).await? {
                self.find_place(&mut connection).await?;
            }
        }
    }

    /// Goes on behind what was read last; a stream that ends before that is another one, and is read
    /// from its first entry.
    async fn find_place(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let newest: Vec<Row> = redis::cmd("XREVRANGE")
            .arg(CARRIED)
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1)
            .query_async(connection)
            .await?;
        let newest = newest.first().and_then(|(id, _)| parse(id));
        self.last = match (self.last, newest) {
            // An empty one may have been emptied, and its ids may begin again.
            (_, None) => Some(FROM_THE_FIRST),
            (None, Some(newest)) => Some(newest),
            (Some(last), Some(newest)) if newest < last => {
                self.looks.ask();
                Some(FROM_THE_FIRST)
            }
            (last, Some(_)) => last,
        };
        Ok(())
    }

    /// One read; whether anything came.
    async fn read(&mut self, connection: &mut MultiplexedConnection) -> RedisResult<bool> {
        let (ms, number) = self.last.unwrap_or(FROM_THE_FIRST);
        let streams: Option<Vec<(String, Vec<Row>)>> = redis::cmd("XREAD")
            .arg("COUNT")
            .arg(ENTRIES_MAX)
            .arg("BLOCK")
            .arg(BLOCK_MS)
            .arg("STREAMS")
            .arg(CARRIED)
            .arg(format!("{ms}-{number}"))
            .query_async(connection)
            .await?;
        let mut any = false;
        for (id, fields) in streams.into_iter().flatten().flat_map(|(_, rows)| rows) {
            any = true;
            self.last = parse(&id).or(self.last);
            self.hear(fields.unwrap_or_default());
        }
        Ok(any)
    }

    fn hear(&mut self, fields: Vec<Vec<u8>>) {
        let Ok([node_name, node, parcel_name, bytes]) = <[Vec<u8>; 4]>::try_from(fields) else {
            return self.looks.ask();
        };
        if node_name != NODE.as_bytes() || parcel_name != PARCEL.as_bytes() {
            return self.looks.ask();
        }
        if node == self.node.as_bytes() {
            return;
        }
        let Some(opened) = parcel::open(Bytes::from(bytes)) else {
            return self.looks.ask();
        };
        self.count(node, opened.parcel.first, opened.next);
        self.tell(&opened.parcel);
    }

    /// Sees by the numbers whether something is missing.
    fn count(&mut self, node: Vec<u8>, first: u64, next: u64) {
        if self.next.len() >= NODES_MAX {
            self.next.clear();
        }
        if self
            .next
            .insert(node, next)
            .is_some_and(|wanted| wanted < first)
        {
            self.metrics.hole();
            self.looks.ask();
        }
    }

    fn tell(&self, parcel: &Parcel) {
        let count = parcel.announcements.len();
        if let (Some(theirs), Some(ours)) = (&parcel.epoch, self.epoch.get())
            && *theirs != ours
        {
            // Either this node or that one has not looked yet; the look that is asked for finds it.
            self.metrics.carried(Carried::Foreign, count);
            return self.looks.ask();
        }
        self.metrics.carried(Carried::Heard, count);
        self.followers.tell(&parcel.announcements);
        self.measure(parcel);
    }

    /// How late the parcel's last entry is.
    fn measure(&self, parcel: &Parcel) {
        let newest = parcel.announcements.iter().rev().find_map(|one| match one {
            Announcement::Entry(entry) => Some(entry.stored_ms),
            Announcement::Signal(_)
            | Announcement::Member(_)
            | Announcement::Read(_)
            | Announcement::Preferences(_) => None,
        });
        if let Some(stored_ms) = newest {
            let now_ms = self.clock.now().unix_timestamp_nanos() / 1_000_000;
            let late_ms = now_ms.saturating_sub(i128::from(stored_ms));
            let late_ms = u64::try_from(late_ms).unwrap_or_default();
            self.metrics.carry(Duration::from_millis(late_ms));
        }
    }
}

fn parse(id: &str) -> Option<Id> {
    let (ms, number) = id.split_once('-')?;
    Some((ms.parse().ok()?, number.parse().ok()?))
}
