//! Answers that are kept (ADR 35).
//!
//! An answer is kept under its question and the version of what it is about, which was read before
//! it was computed. Every write changes the version, so that what was answered before is not found
//! any more; nothing is ever deleted. Within the age that is allowed an answer is given without a
//! look, and renewed beside the calls. Equal questions are computed once, in the node and, if Redis
//! is there, among nodes.

mod asked;
mod flights;
mod held;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache as Memory;
use tokio::sync::Semaphore;
use tradepost_service::{Clock, Tasks};

pub use asked::Asked;
use flights::Flights;
use held::{Held, Moment};

use crate::metrics::{AnswerMetrics, Refresh, Source};
use crate::ports::{Days, Scope, Shared, StoreError, Version, Versions};

/// Versions that are read at once; who asks meanwhile shares the next read.
const LOOKS_MAX: usize = 4;

/// How long answers are kept, and how old one may be.
#[derive(Debug, Clone, Copy)]
pub struct AnswerLimits {
    /// How old an answer may be that is given without a look; zero: none is.
    pub stale: Duration,
    /// How old such an answer is when it is renewed beside the calls.
    pub refresh_after: Duration,
    /// Memory for answers, in bytes.
    pub memory_bytes_max: u64,
    /// Larger answers are not kept, in bytes.
    pub answer_bytes_max: usize,
    /// For how long answers are kept that reach into yesterday or later.
    pub open_for: Duration,
    /// For how long the others are kept.
    pub closed_for: Duration,
    /// Refreshes that run at once.
    pub refreshes_max: usize,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// As it was computed.
    pub bytes: Arc<[u8]>,
    /// All that was committed at this moment is in it, in milliseconds since 1970.
    pub as_of_ms: i64,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotAnswered {
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] Arc<StoreError>),
    /// What computed it died.
    #[error("the computation of an answer died")]
    Died,
}

impl From<StoreError> for NotAnswered {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Where answers come from. Cheap to clone.
#[derive(Clone)]
pub struct Answers(Kind);

#[derive(Clone)]
enum Kind {
    Computed(Clock),
    Kept(Arc<Keep>),
}

/// What [`Answers`] need.
pub struct AnswerParts {
    /// Tells versions.
    pub versions: Versions,
    /// Where nodes share answers, if they do.
    pub shared: Option<Shared>,
    /// The limits.
    pub limits: AnswerLimits,
    /// The instruments.
    pub metrics: AnswerMetrics,
    /// Tells of when an answer is.
    pub clock: Clock,
    /// What computes goes on when its caller has gone.
    pub tasks: Tasks,
}

impl Answers {
    /// Every answer is computed.
    #[must_use]
    pub const fn computed(clock: Clock) -> Self {
        Self(Kind::Computed(clock))
    }

    /// Answers are kept.
    #[must_use]
    pub fn kept(parts: AnswerParts) -> Self {
        let memory = Memory::builder()
            .max_capacity(parts.limits.memory_bytes_max)
            .weigher(|_hash, held: &Arc<Held>| held.weight())
            .time_to_live(parts.limits.closed_for)
            .build();
        Self(Kind::Kept(Arc::new(Keep {
            memory,
            flights: Flights::default(),
            looks: Flights::default(),
            turns: Semaphore::new(LOOKS_MAX),
            refreshes: Arc::new(Semaphore::new(parts.limits.refreshes_max)),
            parts,
        })))
    }

    /// The answer to a question, computed by `compute` unless it is kept.
    ///
    /// # Errors
    /// [`NotAnswered`]: the version could not be read, or the answer not computed. Only the database
    /// makes it fail.
    pub async fn answer<W>(
        &self,
        asked: Asked,
        compute: impl FnOnce() -> W + Send + 'static,
    ) -> Result<Answer, NotAnswered>
    where
        W: Future<Output = Result<Vec<u8>, StoreError>> + Send + 'static,
    {
        match &self.0 {
            Kind::Kept(keep) => keep.answer(asked, compute).await,
            Kind::Computed(clock) => {
                let as_of = Moment::of(clock);
                let bytes = compute().await?.into();
                Ok(Answer {
                    bytes,
                    as_of_ms: as_of.ms,
                })
            }
        }
    }
}

type Flown = Result<Arc<Held>, NotAnswered>;

/// What is kept.
struct Keep {
    parts: AnswerParts,
    /// The last answer to each question.
    memory: Memory<[u8; 32], Arc<Held>>,
    /// Computations, by question and version.
    flights: Flights<([u8; 32], Version), Flown>,
    /// Reads of versions that have not begun.
    looks: Flights<(Scope, Days), Result<Seen, NotAnswered>>,
    turns: Semaphore,
    refreshes: Arc<Semaphore>,
}

/// A version, and when its read began.
#[derive(Clone)]
struct Seen {
    version: Version,
    at: Moment,
}

impl Keep {
    async fn answer<W>(
        self: &Arc<Self>,
        asked: Asked,
        compute: impl FnOnce() -> W + Send + 'static,
    ) -> Result<Answer, NotAnswered>
    where
        W: Future<Output = Result<Vec<u8>, StoreError>> + Send + 'static,
    {
        let (limits, metrics) = (&self.parts.limits, &self.parts.metrics);
        if let Some(held) = self.memory.get(&asked.hash)
            && !limits.stale.is_zero()
        {
            let age = held.as_of.elapsed();
            if age <= limits.stale {
                if age >= limits.refresh_after {
                    self.refresh(asked, Arc::clone(&held), compute);
                }
                metrics.answered(Source::Stale);
                return Ok(held.answer());
            }
        }
        let seen = self.look(&asked).await?;
        if let Some(held) = self.verified(&asked, &seen) {
            metrics.answered(Source::Memory);
            return Ok(held.answer());
        }
        let at = seen.at;
        let held = self.fly(asked, seen, compute).await?;
        // It is of the version that was read for this call, though perhaps computed for another.
        Ok(held.as_of(at).answer())
    }

    /// The version of now or later: of reads that others wait for only one that has not begun will do.
    async fn look(self: &Arc<Self>, asked: &Asked) -> Result<Seen, NotAnswered> {
        let (scope, days) = (asked.scope, asked.days);
        let look = self
            .looks
            .join((scope, days), &self.parts.tasks, |boarding| {
                let keep = Arc::clone(self);
                async move {
                    // It is never closed.
                    let _turn = keep.turns.acquire().await;
                    drop(boarding);
                    let at = Moment::of(&keep.parts.clock);
                    let version = keep.parts.versions.version(scope, days).await?;
                    Ok(Seen { version, at })
                }
            });
        look.await.unwrap_or(Err(NotAnswered::Died))
    }

    /// What is in memory, if it is of this version; it is as good as new then.
    fn verified(&self, asked: &Asked, seen: &Seen) -> Option<Arc<Held>> {
        let held = self.memory.get(&asked.hash)?;
        if held.version != seen.version {
            return None;
        }
        let held = Arc::new(held.as_of(seen.at));
        self.remember(asked, &held);
        Some(held)
    }

    /// Notes an answer, unless one of a later moment is there.
    fn remember(&self, asked: &Asked, held: &Arc<Held>) {
        if held.bytes.len() > self.parts.limits.answer_bytes_max {
            return;
        }
        self.memory
            .entry(asked.hash)
            .and_upsert_with(|entry| match entry {
                Some(entry) if entry.value().as_of.at > held.as_of.at => entry.into_value(),
                Some(_) | None => Arc::clone(held),
            });
    }

    /// Looks after an answer beside the calls, once at a time.
    fn refresh<W>(
        self: &Arc<Self>,
        asked: Asked,
        held: Arc<Held>,
        compute: impl FnOnce() -> W + Send + 'static,
    ) where
        W: Future<Output = Result<Vec<u8>, StoreError>> + Send + 'static,
    {
        let Some(refreshing) = Held::refreshing(held) else {
            return;
        };
        // With none left the answer grows old, and is computed by a call that waits.
        let Ok(permit) = Arc::clone(&self.refreshes).try_acquire_owned() else {
            return;
        };
        let keep = Arc::clone(self);
        drop(self.parts.tasks.detach(async move {
            let refreshed = keep.renew(asked, compute).await;
            let refreshed = refreshed.unwrap_or_else(|error| {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(event = "metrics.refresh_failed", error, "it grows old");
                Refresh::Failed
            });
            keep.parts.metrics.refreshed(refreshed);
            drop((refreshing, permit));
        }));
    }

    async fn renew<W>(
        self: &Arc<Self>,
        asked: Asked,
        compute: impl FnOnce() -> W + Send + 'static,
    ) -> Result<Refresh, NotAnswered>
    where
        W: Future<Output = Result<Vec<u8>, StoreError>> + Send + 'static,
    {
        let seen = self.look(&asked).await?;
        if self.verified(&asked, &seen).is_some() {
            return Ok(Refresh::Unchanged);
        }
        self.fly(asked, seen, compute).await?;
        Ok(Refresh::Renewed)
    }

    /// The answer of a version, fetched or computed by one of all who want it now.
    async fn fly<W>(
        self: &Arc<Self>,
        asked: Asked,
        seen: Seen,
        compute: impl FnOnce() -> W + Send + 'static,
    ) -> Flown
    where
        W: Future<Output = Result<Vec<u8>, StoreError>> + Send + 'static,
    {
        let key = (asked.hash, seen.version.clone());
        let mut is_ours = false;
        let flight = self.flights.join(key, &self.parts.tasks, |boarding| {
            is_ours = true;
            let keep = Arc::clone(self);
            async move {
                let _boarding = boarding;
                keep.fetch(asked, seen, compute).await
            }
        });
        if !is_ours {
            self.parts.metrics.answered(Source::Joined);
        }
        flight.await.unwrap_or(Err(NotAnswered::Died))
    }

    async fn fetch<W>(
        self: Arc<Self>,
        asked: Asked,
        seen: Seen,
        compute: impl FnOnce() -> W + Send + 'static,
    ) -> Flown
    where
        W: Future<Output = Result<Vec<u8>, StoreError>> + Send + 'static,
    {
        let metrics = &self.parts.metrics;
        // The flight before this one may have ended just now.
        if let Some(held) = self.verified(&asked, &seen) {
            metrics.answered(Source::Memory);
            return Ok(held);
        }
        let name = asked.name(&seen.version);
        let shared = self.shared(&name).await;
        let is_shared = shared.is_some();
        let bytes: Arc<[u8]> = match shared {
            Some(bytes) => bytes,
            None => compute().await?.into(),
        };
        metrics.answered(if is_shared {
            Source::Redis
        } else {
            Source::Computed
        });
        let held = Arc::new(Held::new(seen.version, seen.at, bytes));
        self.remember(&asked, &held);
        if !is_shared {
            self.share(&asked, name, Arc::clone(&held.bytes));
        }
        Ok(held)
    }
}

#[cfg(test)]
mod tests;
