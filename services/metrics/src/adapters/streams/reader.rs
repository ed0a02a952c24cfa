//! Reads one stream for as long as the process lives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Client, RedisResult};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tradepost_proto::metrics::v1::RejectionReason;
use tradepost_service::Clock;

use super::backoff::Backoff;
use super::entry::{Entry, Fault, Place};
use super::group::Group;
use crate::adapters::grpc::analytics::batch::entry::Allowed;
use crate::adapters::grpc::analytics::batch::{Parsed, Window};
use crate::application::{Ingest, NotStored};
use crate::config::{StreamConfig, StreamsConfig};
use crate::metrics::{Metrics, StreamMetrics};
use crate::ports::{Batch, Outcome};

/// Between two tries to reach Redis.
const AWAY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// Between two tries to store what there was no room for.
const ROOM_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));
/// Of one entry, while the database is there.
const FAILURES_MAX: u32 = 5;
/// How often lag is asked for.
const BACKLOG_EVERY: Duration = Duration::from_secs(5);
/// Refused events of an entry that its dead letter names.
const TOLD_MAX: usize = 20;

/// What all readers share.
#[derive(Clone)]
pub struct Reading {
    /// Where batches go in.
    pub ingest: Ingest,
    /// The limits.
    pub config: Arc<StreamsConfig>,
    /// Events from longer ago are refused.
    pub history_days: u16,
    /// Tells what is too old and what is not yet.
    pub clock: Clock,
    /// The instruments of events.
    pub metrics: Metrics,
    /// The instruments of streams.
    pub stream_metrics: StreamMetrics,
}

/// Reads one stream.
pub struct Reader {
    client: Client,
    key: String,
    allowed: Allowed,
    shared: Reading,
}

/// A batch that is not stored yet.
struct Waiting<'a> {
    entry: &'a Entry,
    batch: Arc<Batch>,
    failures: u32,
}

impl Reader {
    /// A reader of a stream; it connects to nothing yet.
    ///
    /// # Errors
    /// Fails when the URL cannot be used.
    pub fn new(url: &SecretString, stream: &StreamConfig, shared: Reading) -> anyhow::Result<Self> {
        Ok(Self {
            client: tradepost_redis::client(url)?,
            key: stream.key.clone(),
            allowed: Allowed::new(stream.tenants()),
            shared,
        })
    }

    /// Reads until shutdown. What is being stored then is stored, and not acknowledged: it comes
    /// again and is known.
    pub async fn run(self, shutdown: CancellationToken) {
        let (min, max) = AWAY_PAUSE;
        let mut backoff = Backoff::new(min, max);
        let mut is_first = true;
        let key = &self.key;
        while let Some(ended) = shutdown
            .run_until_cancelled(self.session(&mut backoff, &mut is_first))
            .await
        {
            self.shared.stream_metrics.connected(key, false);
            if let Err(error) = ended {
                let error = &error as &dyn std::error::Error;
                if is_first {
                    tracing::warn!(event = "streams.away", stream = key, error, "tried again");
                } else {
                    tracing::debug!(event = "streams.away", stream = key, error, "tried again");
                }
            }
            is_first = false;
            if shutdown.run_until_cancelled(backoff.wait()).await.is_none() {
                return;
            }
        }
    }

    /// Reads for as long as the connection and the group are there.
    async fn session(&self, backoff: &mut Backoff, is_first: &mut bool) -> RedisResult<()> {
        let config = &*self.shared.config;
        let mut group = Group::join(&self.client, &self.key, config).await?;
        self.finish_own(&mut group).await?;
        backoff.reset();
        *is_first = true;
        self.shared.stream_metrics.connected(&self.key, true);
        tracing::info!(
            event = "streams.reading",
            stream = self.key,
            "read from now on"
        );
        let (mut claim_from, mut claimed) = ("0".to_owned(), None);
        let mut asked: Option<Instant> = None;
        loop {
            if is_due(asked, BACKLOG_EVERY) {
                let backlog = group.backlog().await?;
                let metrics = &self.shared.stream_metrics;
                metrics.backlog(&self.key, backlog.lag, backlog.pending);
                asked = Some(Instant::now());
            }
            if claim_from != "0-0" && claim_from != "0" || is_due(claimed, config.claim_after() / 2)
            {
                let (next, entries) = group.claim(&claim_from).await?;
                self.settle(&mut group, entries).await?;
                (claim_from, claimed) = (next, Some(Instant::now()));
            }
            let entries = group.fresh().await?;
            self.settle(&mut group, entries).await?;
        }
    }

    /// What this consumer took before it lost its connection, or died.
    async fn finish_own(&self, group: &mut Group<'_>) -> RedisResult<()> {
        let mut after = "0".to_owned();
        loop {
            let entries = group.own(&after).await?;
            let Some(last) = entries.last() else {
                return Ok(());
            };
            after.clone_from(&last.id);
            self.settle(group, entries).await?;
        }
    }

    /// Stores entries, or says in a dead letter why not; then acknowledges them.
    async fn settle(&self, group: &mut Group<'_>, entries: Vec<Entry>) -> RedisResult<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let (mut waiting, mut refused) = (Vec::new(), Vec::new());
        let now_ms = self.shared.clock.now().unix_timestamp_nanos() / 1_000_000;
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let window = Window::at(now_ms, self.shared.history_days);
        // Without fields it was deleted before it was acknowledged: there is nothing left to store.
        for entry in entries.iter().filter(|entry| entry.fields.is_some()) {
            match self.read(entry, window) {
                Ok(parsed) => {
                    if parsed.rejected > 0 {
                        self.shared.metrics.rejected(parsed.rejected);
                        refused.push((entry, rejected(&parsed)));
                    }
                    if !parsed.batch.events.is_empty() {
                        waiting.push(Waiting {
                            entry,
                            batch: Arc::new(parsed.batch),
                            failures: 0,
                        });
                    }
                }
                Err(fault) => refused.push((entry, fault)),
            }
        }
        refused.extend(self.store(waiting).await);
        self.bury(group, &refused).await?;
        tradepost_crash::point("streams.before_ack");
        group.acknowledge(&entries).await
    }

    fn read(&self, entry: &Entry, window: Window) -> Result<Parsed, Fault> {
        let bytes_max = self.shared.config.entry_bytes_max;
        if entry.bytes() > bytes_max {
            let detail = format!("{} bytes; at most {bytes_max}", entry.bytes());
            return Err(Fault::new("ENTRY_TOO_LARGE", detail));
        }
        entry.read(Place {
            key: &self.key,
            allowed: &self.allowed,
            window,
        })
    }

    /// Stores all of it, however long there is no room or no database; what is refused for good.
    async fn store<'a>(&self, mut waiting: Vec<Waiting<'a>>) -> Vec<(&'a Entry, Fault)> {
        let (min, max) = ROOM_PAUSE;
        let mut backoff = Backoff::new(min, max);
        let mut refused = Vec::new();
        while !waiting.is_empty() {
            let batches: Vec<_> = waiting.iter().map(|one| Arc::clone(&one.batch)).collect();
            let outcomes = self.shared.ingest.store_all(&batches).await;
            let mut again = Vec::new();
            for (mut one, outcome) in waiting.into_iter().zip(outcomes) {
                match self.judge(&mut one, outcome) {
                    Verdict::Done => {}
                    Verdict::Again => again.push(one),
                    Verdict::Refused(fault) => refused.push((one.entry, fault)),
                }
            }
            waiting = again;
            if !waiting.is_empty() {
                backoff.wait().await;
            }
        }
        refused
    }

    fn judge(&self, one: &mut Waiting<'_>, outcome: Result<Outcome, NotStored>) -> Verdict {
        let fate = match outcome {
            Ok(Outcome::Stored { .. }) => "stored",
            Ok(Outcome::Duplicate) => "duplicate",
            Ok(Outcome::KeyReused) => {
                let detail = "another batch was stored under its name";
                return Verdict::Refused(Fault::new("REQUEST_ID_REUSED", detail));
            }
            Err(NotStored::NoRoom(_)) => return Verdict::Again,
            Err(NotStored::Failed(error)) => {
                let cause = &error as &dyn std::error::Error;
                tracing::warn!(
                    event = "streams.not_stored",
                    stream = self.key,
                    error = cause,
                    "an entry is offered again"
                );
                if error.may_be_of_one() {
                    one.failures += 1;
                }
                return if one.failures >= FAILURES_MAX {
                    Verdict::Refused(Fault::new("NOT_STORED", error.to_string()))
                } else {
                    Verdict::Again
                };
            }
        };
        self.shared.stream_metrics.entry(&self.key, fate);
        Verdict::Done
    }

    async fn bury(&self, group: &mut Group<'_>, refused: &[(&Entry, Fault)]) -> RedisResult<()> {
        group.bury(refused).await?;
        for (entry, fault) in refused {
            self.shared.stream_metrics.entry(&self.key, &fault.reason);
            tracing::warn!(
                event = "streams.refused",
                stream = self.key,
                entry = entry.id,
                reason = fault.reason,
                "an entry, or events of it, went to the dead-letter stream"
            );
        }
        Ok(())
    }
}

/// What becomes of a batch after a try.
enum Verdict {
    Done,
    Again,
    Refused(Fault),
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

/// Which events of an entry were refused; its others are stored.
fn rejected(parsed: &Parsed) -> Fault {
    let told = parsed.rejections.iter().take(TOLD_MAX);
    let told: Vec<String> = told
        .map(|each| {
            let reason = RejectionReason::try_from(each.reason).unwrap_or_default();
            format!("{} {}", each.index, reason.as_str_name())
        })
        .collect();
    let stored = parsed.batch.events.len();
    let detail = format!(
        "{} refused, {stored} stored: {}",
        parsed.rejected,
        told.join(", ")
    );
    Fault::new("EVENTS_REJECTED", detail)
}
