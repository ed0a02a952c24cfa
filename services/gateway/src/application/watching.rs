//! What is revoked, told to somebody who keeps connections open elsewhere: first all that is in
//! force, then what is added, and how current that is.
//!
//! A suspended tenant is no revocation: it may be resumed, and what was issued before is good again
//! then. To a watcher it is told as the tenant's part, up to the time of the suspension.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::Instant;
use tradepost_types::TenantId;

use super::directory::Directory;
use super::revocations::{Entries, Revocations};
use crate::domain::revocation::{Revocation, Revoked};

/// Something is told at least so often, be it only how current all is. Half of what is promised.
const TOLD_EVERY: Duration = Duration::from_millis(500);
/// What comes together is told together: to look costs as much as there is.
const GATHERED: Duration = Duration::from_millis(20);
/// How many are told at once.
const AT_ONCE_MAX: usize = 1_000;

/// A part of credentials that is not taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The part.
    pub part: Revoked,
    /// Only what was issued before; none: all that rests on it.
    pub issued_before: Option<OffsetDateTime>,
}

/// What is told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// What has ended.
    pub ended: Vec<Ended>,
    /// Everything that was revoked before this was told; none while there is more to tell.
    pub current_at: Option<OffsetDateTime>,
}

/// One watcher's place.
pub struct Watching {
    revocations: Arc<Revocations>,
    directory: Arc<Directory>,
    changes: watch::Receiver<u64>,
    /// What was told, as it was then.
    told: Arc<Entries>,
    suspended: HashMap<TenantId, OffsetDateTime>,
    waiting: VecDeque<Ended>,
    /// How current all is once what waits is told.
    current_at: Option<OffsetDateTime>,
    last_told: Option<Instant>,
}

impl Watching {
    /// Nothing is told yet.
    #[must_use]
    pub fn new(revocations: Arc<Revocations>, directory: Arc<Directory>) -> Self {
        Self {
            changes: revocations.changes(),
            revocations,
            directory,
            told: Arc::default(),
            suspended: HashMap::new(),
            waiting: VecDeque::new(),
            current_at: None,
            last_told: None,
        }
    }

    /// Waits until there is something to tell. May be dropped while it waits.
    pub async fn next(&mut self) -> News {
        if self.waiting.is_empty() {
            if let Some(last_told) = self.last_told {
                tokio::select! {
                    // It ends only with the process.
                    _ = self.changes.changed() => {
                        tokio::time::sleep_until(last_told + GATHERED).await;
                    }
                    () = tokio::time::sleep_until(last_told + TOLD_EVERY) => {}
                }
            }
            self.look();
        }
        self.last_told = Some(Instant::now());
        let count = self.waiting.len().min(AT_ONCE_MAX);
        let ended = self.waiting.drain(..count).collect();
        News {
            ended,
            current_at: self.current_at.filter(|_| self.waiting.is_empty()),
        }
    }

    fn look(&mut self) {
        self.changes.mark_unchanged();
        // Before the rest: what was learnt by then is in it.
        self.current_at = self.revocations.current_at();
        let entries = self.revocations.entries();
        if !Arc::ptr_eq(&entries, &self.told) {
            let is_new = |one: &&Revocation| {
                let told = self.told.get(&one.what);
                told.is_none_or(|told| told.issued_before < one.issued_before)
            };
            let news = entries.values().filter(is_new).map(Ended::from);
            self.waiting.extend(news);
            self.told = entries;
        }
        let suspended = self.directory.suspended();
        for (tenant, since) in &suspended {
            if self.suspended.get(tenant) != Some(since) {
                self.waiting.push_back(Ended {
                    part: Revoked::Tenant(*tenant),
                    issued_before: Some(*since),
                });
            }
        }
        self.suspended = suspended;
    }
}

impl From<&Revocation> for Ended {
    fn from(revocation: &Revocation) -> Self {
        let part = revocation.what;
        Self {
            part,
            issued_before: part.spares_later().then_some(revocation.issued_before),
        }
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching")
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
