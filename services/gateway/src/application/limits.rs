//! Whether a request is within its limits.
//!
//! Buckets that all gateways share decide. Every decision of theirs is remembered here, and so are
//! the charges that they could not be told of: when they cannot be asked in time, this process goes
//! on from where they were, and admits its share. When they come back empty, or behind, they are
//! given what is remembered with the next charge.

mod ask;
mod cells;
mod decision;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use crate::config::RateLimitsConfig;
use crate::domain::caller::Caller;
use crate::domain::gcra::{Period, Quota};
use crate::domain::strict::Strict;
use crate::metrics::{LimitMetrics, Outcome, Place};
use crate::ports::{self, Limits, Memory, Shared, SharedBucket, SharedBuckets};
use ask::{Ask, Bucket, network};
use cells::{CellId, Cells};
use decision::Found;

pub use decision::{Decision, RATE_LIMIT, RATE_LIMIT_POLICY};

/// Counts requests. It never fails, and never waits longer than Redis has time for a decision.
/// Cheap to clone.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    config: RateLimitsConfig,
    shared: Option<Arc<dyn SharedBuckets>>,
    /// Apart from the others, so that a spray of addresses displaces none of them.
    addresses: Cells,
    cells: Cells,
    metrics: LimitMetrics,
    started: Instant,
}

impl Limiter {
    /// A limiter that asks `shared`, or counts for itself alone.
    #[must_use]
    pub fn new(
        config: &RateLimitsConfig,
        shared: Option<Arc<dyn SharedBuckets>>,
        metrics: LimitMetrics,
    ) -> Self {
        Self(Arc::new(Inner {
            config: config.clone(),
            shared,
            addresses: Cells::new(config.entries_max),
            cells: Cells::new(config.entries_max),
            metrics,
            started: Instant::now(),
        }))
    }

    /// Charges an address for a request, before anything else is known of it. Here only, and cheap:
    /// it goes before all that costs something.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> Decision {
        let this = &*self.0;
        let quota = Quota::new(this.config.address_per_second, Period::Second);
        let id = this.addresses.id(&network(address));
        let now_us = this.now_us();
        let backlog_us = this.addresses.with(id, |cell| {
            let backlog_us = cell.backlog_us(now_us);
            if let Ok(charged_us) = quota.charge(backlog_us, 1) {
                cell.tat_us = now_us + charged_us;
            }
            backlog_us
        });
        let found = Found {
            policy: "address",
            quota,
            counted: quota,
            backlog_us,
        };
        this.enforce("address", Decision::of(&found, 1), Place::Local)
    }

    /// Charges a caller, and the tenant they act in, for a request worth `cost` requests.
    pub async fn identity(&self, caller: &Caller, cost: u32) -> Decision {
        let this = &*self.0;
        let ask = Ask::of_caller(&this.config, caller, cost);
        let (decision, place) = match this.refused_here(&ask) {
            Some(refusal) => (refusal, Place::Local),
            None => this.decide(&ask).await,
        };
        this.enforce(ask.name, decision, place)
    }

    /// Charges a try of what guards an account. `account` is what [`Strict`] says it is; it is
    /// kept as a hash only. Enforced whatever the configuration says.
    pub async fn strict(&self, kind: Strict, address: IpAddr, account: &str) -> Decision {
        let this = &*self.0;
        let ask = Ask::of_try(&this.config, kind, address, account);
        let (decision, place) = this.decide(&ask).await;
        this.count(ask.name, &decision, place);
        decision
    }

    /// The try was right: what was charged to the account is given back. What was charged to the
    /// address is not, or somebody with one account could try all others without end.
    pub async fn forgive(&self, kind: Strict, address: IpAddr, account: &str) {
        let this = &*self.0;
        let ask = Ask::of_try(&this.config, kind, address, account);
        let own = || ask.buckets().filter(|bucket| bucket.is_forgivable);
        for bucket in own() {
            this.cells.with(this.cells.id(&bucket.key), |cell| {
                cell.tat_us = 0;
                cell.told_us = 0;
                cell.is_behind = false;
            });
        }
        if let Some(shared) = &this.shared {
            let own: Vec<_> = own().map(|bucket| this.to_share(bucket, 0)).collect();
            // If it cannot be told, what it holds is given back with time.
            let _ = shared.empty(&own).await;
        }
    }
}

impl Inner {
    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A refusal that needs nobody else: what is remembered is never more than what is shared.
    fn refused_here(&self, ask: &Ask) -> Option<Decision> {
        let now_us = self.now_us();
        let decision = ask.decide(|bucket| {
            let cell = self.cells.look(self.cells.id(&bucket.key));
            Found::whole(bucket, cell.backlog_us(now_us))
        });
        decision.is_refused().then_some(decision)
    }

    async fn decide(&self, ask: &Ask) -> (Decision, Place) {
        let Some(shared) = &self.shared else {
            return (
                self.charge_here(ask, self.config.instances_min),
                Place::Local,
            );
        };
        // Before asking: so what is remembered is rather a little less than what is shared.
        let asked_at_us = self.now_us();
        let buckets: Vec<_> = ask
            .buckets()
            .map(|bucket| self.to_share(bucket, ask.cost))
            .collect();
        match shared.charge(&buckets).await {
            Ok(shared) => (
                self.learn(ask, &buckets, &shared, asked_at_us),
                Place::Redis,
            ),
            Err(_not_shared) => {
                let instances = shared.instances().max(self.config.instances_min);
                (self.charge_here(ask, instances), Place::Local)
            }
        }
    }

    fn to_share(&self, bucket: &Bucket, cost: u32) -> SharedBucket {
        let cell = self.cells.look(self.cells.id(&bucket.key));
        SharedBucket {
            key: bucket.key.clone(),
            quota: bucket.quota,
            cost,
            memory: if cell.is_behind {
                Memory::Ahead {
                    backlog_us: cell.backlog_us(self.now_us()),
                }
            } else {
                Memory::Told {
                    tat_us: cell.told_us,
                    is_emptied: bucket.is_forgivable,
                }
            },
        }
    }

    /// Remembers what the shared buckets said.
    fn learn(
        &self,
        ask: &Ask,
        asked: &[SharedBucket],
        shared: &[Shared],
        asked_at_us: u64,
    ) -> Decision {
        let mut found = shared.iter();
        let decision = ask.decide(|bucket| {
            Found::whole(bucket, found.next().map_or(0, |shared| shared.backlog_us))
        });
        for ((bucket, asked), shared) in ask.buckets().zip(asked).zip(shared) {
            let charged_us = if decision.is_refused() {
                0
            } else {
                bucket.quota.increment_us(ask.cost)
            };
            let tat_us = asked_at_us + shared.backlog_us + charged_us;
            self.cells.with(self.cells.id(&bucket.key), |cell| {
                cell.told_us = shared.tat_us + charged_us;
                let was_told = matches!(asked.memory, Memory::Ahead { .. });
                if cell.is_behind && !was_told {
                    // It was charged here meanwhile.
                    cell.tat_us = cell.tat_us.max(tat_us);
                } else {
                    cell.tat_us = tat_us;
                    cell.is_behind = false;
                }
            });
        }
        decision
    }

    /// Charges what is remembered, as one of so many gateways that do the same: all buckets or
    /// none.
    fn charge_here(&self, ask: &Ask, instances: u32) -> Decision {
        let now_us = self.now_us();
        let mut charged: Vec<(CellId, u64)> = Vec::new();
        let mut is_open = true;
        let decision = ask.decide(|bucket| {
            let counted = bucket.quota.shared_by(instances);
            let id = self.cells.id(&bucket.key);
            let backlog_us = self.cells.with(id, |cell| {
                let backlog_us = cell.backlog_us(now_us);
                match counted.charge(backlog_us, ask.cost) {
                    Ok(charged_us) if is_open => {
                        cell.tat_us = now_us + charged_us;
                        cell.is_behind = true;
                        charged.push((id, charged_us - backlog_us));
                    }
                    Ok(_) => {}
                    Err(_) => is_open = false,
                }
                backlog_us
            });
            Found {
                policy: bucket.policy,
                quota: bucket.quota,
                counted,
                backlog_us,
            }
        });
        if decision.is_refused() {
            for (id, charged_us) in charged {
                let give_back = |tat_us: u64| tat_us.saturating_sub(charged_us);
                self.cells
                    .with(id, |cell| cell.tat_us = give_back(cell.tat_us));
            }
        }
        decision
    }

    fn enforce(&self, name: &'static str, decision: Decision, place: Place) -> Decision {
        if self.config.enforce || !decision.is_refused() {
            self.count(name, &decision, place);
            return decision;
        }
        self.metrics.decided(name, Outcome::Tolerated, place);
        decision.admitted()
    }

    fn count(&self, name: &'static str, decision: &Decision, place: Place) {
        let outcome = if decision.is_refused() {
            Outcome::Refused
        } else {
            Outcome::Admitted
        };
        self.metrics.decided(name, outcome, place);
    }
}

/// As the gate asks. Of an address nobody is told how much is left: it is shared by strangers.
#[async_trait]
impl Limits for Limiter {
    async fn address(&self, address: IpAddr) -> ports::Decision {
        let decision = self.address(address);
        if decision.is_refused() {
            told(&decision)
        } else {
            ports::Decision::default()
        }
    }

    async fn identity(&self, caller: &Caller, cost: u32) -> ports::Decision {
        told(&self.identity(caller, cost).await)
    }

    async fn strict(&self, kind: Strict, address: IpAddr, account: &str) -> ports::Decision {
        told(&self.strict(kind, address, account).await)
    }

    async fn forgive(&self, kind: Strict, address: IpAddr, account: &str) {
        self.forgive(kind, address, account).await;
    }
}

fn told(decision: &Decision) -> ports::Decision {
    ports::Decision {
        refused: decision.retry_after(),
        headers: decision.headers(),
    }
}

#[cfg(test)]
mod tests;
