//! Looks at the database for what was not heard of. Losing Redis, a message or a node loses nothing,
//! since what was committed is found here: a little later, but in any case.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;
use tokio_util::sync::CancellationToken;

use super::{KnownEpoch, Looks};
use crate::metrics::{HealedFrom, NodeMetrics};
use crate::ports::{
    Announcement, Change, Entry, Followers, Gap, Pasts, Portion, PreferenceChange, Recents,
    Snapshot, StoreError, StreamKey, Tail, Top,
};

/// Rows that a look takes at once, about.
const ROWS_MAX: u32 = 10_000;
/// Gaps that are read together.
const GAPS_MAX: usize = 200;
/// What of one gap is read at once; the rest is read next.
const PORTION: Portion = Portion {
    entries: 200,
    bytes: 128 * 1_024,
};
/// The longest pause after looks that failed.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// Over how long the looks of all nodes are spread that one event leads to.
const SPREAD_MAX: Duration = Duration::from_millis(250);
/// How long what was committed just now may still be on its way over Redis.
const SETTLE: Duration = Duration::from_millis(30);
/// When the database went back, so many transactions before where it stands are looked at again.
const AGAIN: u64 = 10_000;

/// What a healer works with.
#[derive(Clone)]
pub struct Healing {
    /// The database.
    pub past: Pasts,
    /// What was told lately.
    pub recents: Recents,
    /// Who is told.
    pub followers: Followers,
    /// Asks for looks before their time.
    pub looks: Arc<Looks>,
    /// Where the epoch is made known.
    pub epoch: Arc<KnownEpoch>,
    /// How often it looks.
    pub every: Duration,
    /// The instruments.
    pub metrics: NodeMetrics,
}

/// The healer. One a node, so that a stream is never read twice at one time.
pub struct Healer {
    parts: Healing,
    since: Option<Snapshot>,
    /// Tops that were seen and not reached yet: a failed read forgets nothing.
    owed: HashMap<StreamKey, u64>,
    failures: u32,
    looked: Instant,
}

impl Healer {
    /// A healer that has seen nothing.
    #[must_use]
    pub fn new(parts: Healing) -> Self {
        Self {
            parts,
            since: None,
            owed: HashMap::new(),
            failures: 0,
            looked: Instant::now(),
        }
    }

    /// Finds out where the database stands, as often as it takes. Only then may anybody follow a
    /// stream: what is committed from here on is seen.
    pub async fn begin(&mut self, until: &CancellationToken) {
        while self.since.is_none() {
            self.look().await;
            if self.since.is_none() && self.pause(until).await.is_none() {
                return;
            }
        }
    }

    /// Looks until the token is cancelled.
    pub async fn run(mut self, until: CancellationToken) {
        self.begin(&until).await;
        while self.pause(&until).await.is_some() {
            self.look().await;
        }
    }

    /// Waits for the time of the next look, or until one is asked for; none: it is over.
    async fn pause(&self, until: &CancellationToken) -> Option<()> {
        let every = self.parts.every;
        if self.failures > 0 {
            let doubled = every.saturating_mul(1 << self.failures.min(8));
            let wait = doubled.min(PAUSE_MAX.max(every));
            let wait = wait.mul_f64(rand::rng().random_range(0.5..=1.0));
            return until.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
        let due = async {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.parts.looks.asked() => {
                    // All nodes lose one Redis at the same moment.
                    let wait = (every / 4).min(SPREAD_MAX);
                    let wait = wait.mul_f64(rand::rng().random_range(0.0..=1.0));
                    tokio::time::sleep(wait).await;
                }
            }
        };
        until.run_until_cancelled(due).await
    }

    /// One look, with all that it leads to.
    async fn look(&mut self) {
        let looked = self.look_and_heal().await;
        self.parts.metrics.looked(looked.is_ok());
        match looked {
            Ok(()) => {
                let now = Instant::now();
                let lag = now.saturating_duration_since(self.looked);
                self.parts.metrics.look_lag(lag);
                (self.looked, self.failures) = (now, 0);
            }
            Err(error) => {
                if self.failures == 0 {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        event = "nodes.not_looked",
                        error,
                        "the database was not looked at; tried again"
                    );
                }
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    async fn look_and_heal(&mut self) -> Result<(), StoreError> {
        loop {
            let asked = self.since;
            let tail = self.parts.past.tail(asked, ROWS_MAX).await?;
            let others = tail.members.len() + tail.preferences.len() + tail.reads.len();
            let rows = tail.tops.len() + others;
            let is_full = rows >= usize::try_from(ROWS_MAX / 2).unwrap_or(usize::MAX);
            self.hear(tail);
            self.heal().await?;
            if !is_full || self.since == asked {
                return Ok(());
            }
        }
    }

    /// Takes in what was committed.
    fn hear(&mut self, tail: Tail) {
        let went_back = self.since.is_some_and(|since| tail.next < since);
        // A database from a backup counts transactions from where the backup stood; what was
        // committed between its start and this look comes again.
        self.since = Some(if went_back {
            Snapshot(tail.next.0.saturating_sub(AGAIN))
        } else {
            tail.next
        });
        if self.parts.epoch.set(&tail.epoch) {
            tracing::info!(event = "nodes.epoch", epoch = %tail.epoch.0, "the history's epoch");
            self.owed.clear();
            self.parts.followers.epoch(&tail.epoch);
        }
        let members = tail.members.into_iter().map(Announcement::Member);
        let preferences = tail.preferences.into_iter().map(|(reader, revision)| {
            Announcement::Preferences(PreferenceChange {
                reader,
                revision,
                preferences: None,
            })
        });
        let reads = tail.reads.into_iter().map(Announcement::Read);
        let changes: Vec<Change> = members.chain(preferences).chain(reads).collect();
        if !changes.is_empty() {
            self.parts.followers.tell(&changes);
        }
        for (key, top) in tail.tops {
            let owed = self.owed.entry(key).or_default();
            *owed = top.max(*owed);
        }
    }

    /// Fills what is missing on this node.
    async fn heal(&mut self) -> Result<(), StoreError> {
        let mut gaps = self.missing();
        if !gaps.is_empty() {
            tokio::time::sleep(SETTLE).await;
            gaps = self.missing();
        }
        while !gaps.is_empty() {
            for some in gaps.chunks(GAPS_MAX) {
                self.fill(some).await?;
            }
            let left = self.missing();
            // Whoever follows may be at the same gap, and a gap that came meanwhile has its own look.
            if left == gaps {
                return Ok(());
            }
            gaps = left;
        }
        Ok(())
    }

    /// What is missing. A stream of which something is missing owes its top still: it may be said in
    /// pieces.
    fn missing(&mut self) -> Vec<Gap> {
        let owed = std::mem::take(&mut self.owed);
        let tops: Vec<Top> = owed.iter().map(|(key, top)| (key.clone(), *top)).collect();
        let gaps = self.parts.followers.gaps(&tops);
        for gap in &gaps {
            let top = owed.get(&gap.key).copied().unwrap_or_default();
            let owed = self.owed.entry(gap.key.clone()).or_default();
            *owed = top.max(gap.upto).max(*owed);
        }
        gaps
    }

    async fn fill(&self, gaps: &[Gap]) -> Result<(), StoreError> {
        let found = self.parts.recents.recent(gaps, PORTION.bytes).await;
        let mut unread = Vec::new();
        for (gap, entries) in gaps.iter().zip(found) {
            match entries {
                Some(entries) => self.tell(entries, HealedFrom::Recent),
                None => unread.push(gap.clone()),
            }
        }
        if unread.is_empty() {
            return Ok(());
        }
        let read = self.parts.past.entries(&unread, PORTION).await?;
        for (gap, entries) in unread.iter().zip(read) {
            let is_whole = entries
                .first()
                .is_some_and(|entry| entry.seq == gap.after + 1);
            self.tell(entries, HealedFrom::Database);
            if !is_whole {
                // The gap is below something that was committed, so it is no longer kept.
                tracing::warn!(
                    event = "nodes.lost",
                    after = gap.after,
                    upto = gap.upto,
                    "entries are gone that somebody has not got; they are told so"
                );
                self.parts.metrics.lost();
                self.parts.followers.lost(gap);
            }
        }
        Ok(())
    }

    fn tell(&self, entries: Vec<Entry>, from: HealedFrom) {
        self.parts.metrics.healed(from, entries.len());
        let changes: Vec<Change> = entries.into_iter().map(Announcement::Entry).collect();
        self.parts.followers.tell(&changes);
    }
}
