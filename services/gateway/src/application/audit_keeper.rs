//! What the audit trail needs beside its entries: partitions ahead, signed checkpoints, and the
//! end of months that are past their time.
//!
//! Every process does it for itself and trusts no other: it checks what is new in a chain since the
//! last place it has signed, and signs only what is in order. So a tampered chain is noticed within
//! the interval of its checkpoints, and none is ever signed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use time::{Date, OffsetDateTime};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tradepost_service::Clock;

use crate::domain::audit::{Chain, Checkpoint, Fault, Head, Kind, Link, Tampering, follow};
use crate::metrics::AuditMetrics;
use crate::ports::audit::{AuditStore, AuditStoreError, CheckpointVault, Kept, VaultError};

/// How often chains are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// How often partitions are made and dropped.
const HOUSEKEEPING: Duration = Duration::from_secs(3_600);
/// How many months have a partition before they begin.
const MONTHS_AHEAD: u8 = 3;
/// How many rows are read at once.
const PAGE: u16 = 1_000;

/// When to sign, and how long to keep.
#[derive(Debug, Clone)]
pub struct AuditPolicy {
    /// A chain is signed when it has so many new entries,
    pub entries: i64,
    /// or has had new ones for so long.
    pub age: time::Duration,
    /// How many months are kept besides the running one.
    pub keep_months: i32,
}

/// Why the keeper could not do all it should; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The trail cannot be read.
    #[error(transparent)]
    Store(#[from] AuditStoreError),
    /// Checkpoints cannot be kept.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// The last place of a chain that this process knows to be signed.
#[derive(Debug, Clone)]
struct Place {
    seq: i64,
    hash: [u8; 32],
    time: OffsetDateTime,
}

/// Signs, and keeps the months.
pub struct AuditKeeper {
    store: Arc<dyn AuditStore>,
    vault: Option<Arc<dyn CheckpointVault>>,
    metrics: AuditMetrics,
    policy: AuditPolicy,
    clock: Clock,
    /// `None` until the vault was read.
    signed: Option<HashMap<Chain, Place>>,
    broken: BTreeSet<Chain>,
}

impl AuditKeeper {
    /// A keeper of `store`. Without a vault nothing is signed and nothing dropped.
    #[must_use]
    pub fn new(
        store: Arc<dyn AuditStore>,
        vault: Option<Arc<dyn CheckpointVault>>,
        metrics: AuditMetrics,
        policy: AuditPolicy,
        clock: Clock,
    ) -> Self {
        Self {
            store,
            vault,
            metrics,
            policy,
            clock,
            signed: None,
            broken: BTreeSet::new(),
        }
    }

    /// Does what is due, again and again, until shutdown.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut whole = Instant::now();
        let mut kept: Option<Instant> = None;
        loop {
            if kept.is_none_or(|kept| kept.elapsed() >= HOUSEKEEPING)
                && said(self.keep_house().await)
            {
                kept = Some(Instant::now());
            }
            if said(self.sign_due().await) {
                whole = Instant::now();
            }
            self.metrics.checkpoint_age(whole.elapsed());
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn keep_house(&mut self) -> Result<(), KeepError> {
        self.store.prepare(MONTHS_AHEAD).await?;
        self.retire().await.map(|_months| ())
    }

    /// Checks and signs the chains whose time it is; answers how many. A chain that is not in order
    /// is not signed: it is reported, and counted as broken.
    ///
    /// # Errors
    /// [`KeepError`] if the trail cannot be read or checkpoints not be kept.
    pub async fn sign_due(&mut self) -> Result<usize, KeepError> {
        let Some(vault) = self.vault.clone() else {
            return Ok(0);
        };
        let now = self.clock.now();
        let signed = self.signed(&vault).await?;
        let heads = self.store.heads().await?;
        let mut points = Vec::new();
        for head in heads {
            let place = signed.get(&head.chain);
            if !self.is_due(&head, place, now) {
                continue;
            }
            match self.check(&head, place).await? {
                Ok(end) => {
                    self.broken.remove(&head.chain);
                    points.push(point(Kind::Mark, &end, now));
                }
                Err(fault) => self.report(&fault),
            }
        }
        vault.keep(&points).await?;
        for point in &points {
            self.remember(point);
        }
        self.metrics.broken(self.broken.len());
        Ok(points.len())
    }

    /// Drops the months that are past their time, oldest first, behind a signed cut of each chain.
    /// A month is dropped only when all of it is in order and signed. Answers the months.
    ///
    /// # Errors
    /// [`KeepError`] if the trail cannot be read, cuts not be kept, or the month not be dropped.
    pub async fn retire(&mut self) -> Result<Vec<Date>, KeepError> {
        let Some(vault) = self.vault.clone() else {
            return Ok(Vec::new());
        };
        let now = self.clock.now();
        let signed = self.signed(&vault).await?;
        let oldest_kept = months(now.date()) - self.policy.keep_months;
        let mut dropped = Vec::new();
        for month in self.store.months().await? {
            if months(month) >= oldest_kept {
                break;
            }
            let mut cuts = Vec::new();
            for end in self.store.month_ends(month).await? {
                let is_signed = signed
                    .get(&end.chain)
                    .is_some_and(|place| place.seq >= end.seq);
                let checked = self.check(&end, None).await?;
                match checked {
                    Ok(_) if is_signed => cuts.push(point(Kind::Cut, &end, now)),
                    Ok(_) => return Ok(dropped),
                    Err(fault) => {
                        self.report(&fault);
                        return Ok(dropped);
                    }
                }
            }
            vault.keep(&cuts).await?;
            if !self.store.drop_month(month).await? {
                tracing::warn!(
                    event = "audit.month_kept",
                    audit.month = %month,
                    "a month is past its time, but database.owner_url is not set to drop it"
                );
                return Ok(dropped);
            }
            tracing::info!(event = "audit.month_dropped", audit.month = %month, "past its time");
            dropped.push(month);
        }
        Ok(dropped)
    }

    /// The places that are signed already, from the vault at first.
    async fn signed(
        &mut self,
        vault: &Arc<dyn CheckpointVault>,
    ) -> Result<HashMap<Chain, Place>, KeepError> {
        if self.signed.is_none() {
            self.signed = Some(HashMap::new());
            let loaded = vault.load().await;
            if loaded.is_err() {
                self.signed = None;
            }
            for point in loaded? {
                self.remember(&point);
            }
        }
        Ok(self.signed.clone().unwrap_or_default())
    }

    fn remember(&mut self, point: &Checkpoint) {
        let signed = self.signed.get_or_insert_default();
        let place = signed.get(&point.chain);
        if place.is_none_or(|place| place.seq <= point.seq) {
            let place = Place {
                seq: point.seq,
                hash: point.hash,
                time: point.time,
            };
            signed.insert(point.chain, place);
        }
    }

    fn is_due(&self, head: &Head, place: Option<&Place>, now: OffsetDateTime) -> bool {
        let Some(place) = place else {
            return head.seq > 0;
        };
        let fresh = head.seq - place.seq;
        // A head that went back is due too: the check will say so.
        fresh < 0
            || fresh >= self.policy.entries
            || fresh > 0 && now - place.time >= self.policy.age
    }

    /// Checks a chain up to `end`, from `place` on or from its first row.
    async fn check(
        &self,
        end: &Head,
        place: Option<&Place>,
    ) -> Result<Result<Head, Fault>, AuditStoreError> {
        let chain = end.chain;
        let mut head = match place {
            Some(place) => Head {
                seq: place.seq,
                hash: place.hash,
                ..Head::genesis(chain)
            },
            None => self.beginning(chain).await?,
        };
        while head.seq < end.seq {
            let rows = self.store.read(chain, head.seq, PAGE).await?;
            if rows.is_empty() {
                break;
            }
            let links: Vec<Link> = rows.iter().map(|kept| Link::from(&kept.entry)).collect();
            head = match follow(head, &links) {
                Ok(head) => head,
                Err(fault) => return Ok(Err(fault)),
            };
        }
        let missing = place.map_or(end.seq, |place| place.seq.max(end.seq));
        let gone_back = place.is_some_and(|place| end.seq < place.seq);
        if head.seq < missing || gone_back {
            return Ok(Err(Fault {
                chain,
                seq: head.seq.min(end.seq).saturating_add(1),
                tampering: Tampering::Truncated,
            }));
        }
        Ok(Ok(head))
    }

    /// What the first row follows. Whether what is missing before it was cut, the verifier says:
    /// another process may have signed that.
    async fn beginning(&self, chain: Chain) -> Result<Head, AuditStoreError> {
        let genesis = Head::genesis(chain);
        let first = self.store.read(chain, 0, 1).await?;
        Ok(match first.first() {
            Some(Kept { entry, .. }) if entry.seq > 1 => Head {
                seq: entry.seq - 1,
                hash: entry.prev,
                ..genesis
            },
            Some(_) | None => genesis,
        })
    }

    fn report(&mut self, fault: &Fault) {
        self.broken.insert(fault.chain);
        self.metrics.broken(self.broken.len());
        tracing::error!(
            event = "audit.chain_broken",
            audit.chain = %fault.chain,
            audit.seq = fault.seq,
            audit.tampering = fault.tampering.as_str(),
            "the audit trail is not as it was written; export and verify it"
        );
    }
}

fn point(kind: Kind, head: &Head, now: OffsetDateTime) -> Checkpoint {
    Checkpoint {
        kind,
        chain: head.chain,
        seq: head.seq,
        hash: head.hash,
        // To the second: that is what is signed.
        time: now.replace_nanosecond(0).unwrap_or(now),
    }
}

/// Months since the year 0.
fn months(date: Date) -> i32 {
    date.year() * 12 + i32::from(u8::from(date.month()))
}

/// Whether it went well; otherwise it is said.
fn said<T>(done: Result<T, KeepError>) -> bool {
    if let Err(error) = &done {
        let error: &dyn std::error::Error = error;
        tracing::warn!(event = "audit.keeping_failed", error, "tried again later");
    }
    done.is_ok()
}
