//! One service as it is reached: its channel, and what keeps its trouble from becoming ours.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::transport::Channel;

use super::breaker::{Breaker, Health, Standing, Ticket};
use super::retries::Budget;
use crate::metrics::Metrics;

/// How a service is reached. Cheap to clone; the clones share everything.
#[derive(Clone)]
pub(super) struct Link(Arc<Parts>);

struct Parts {
    service: &'static str,
    channel: Channel,
    limits: LinkLimits,
    places: Arc<Semaphore>,
    breaker: Mutex<Breaker>,
    budget: Mutex<Budget>,
    metrics: Metrics,
}

/// Limits of the calls of one service.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkLimits {
    /// How long one call may take, with its repetition.
    pub(super) deadline: Duration,
    /// An answer that takes longer is slow.
    pub(super) slow: Duration,
    /// How long nothing is asked of a service that fails.
    pub(super) open: Duration,
    /// How many calls may run at once.
    pub(super) calls_max: usize,
}

/// Why a call is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// The breaker is open.
    Open {
        /// When to come back.
        retry_after: Duration,
    },
    /// Too many calls run.
    Full,
}

impl Link {
    pub(super) fn new(
        service: &'static str,
        channel: Channel,
        limits: LinkLimits,
        metrics: Metrics,
    ) -> Self {
        metrics.breaker(service, Standing::Closed);
        Self(Arc::new(Parts {
            service,
            channel,
            limits,
            places: Arc::new(Semaphore::new(limits.calls_max)),
            breaker: Mutex::new(Breaker::new(limits.open, Instant::now())),
            budget: Mutex::new(Budget::new()),
            metrics,
        }))
    }

    pub(super) fn service(&self) -> &'static str {
        self.0.service
    }

    pub(super) fn channel(&self) -> Channel {
        self.0.channel.clone()
    }

    pub(super) fn limits(&self) -> &LinkLimits {
        &self.0.limits
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(super) fn standing(&self) -> Standing {
        self.breaker().standing()
    }

    /// A place for a call and its repetition.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, Held> {
        let place = Arc::clone(&self.0.places).try_acquire_owned();
        let place = place.map_err(|_full| {
            self.0.metrics.upstream_held(self.0.service, "full");
            Held::Full
        })?;
        lock(&self.0.budget).earn();
        Ok(place)
    }

    /// Lets one try through.
    pub(super) fn begin(&self) -> Result<Try, Held> {
        let ticket = self.watched(|breaker, now| breaker.admit(now));
        match ticket {
            Ok(ticket) => Ok(Try {
                link: self.clone(),
                ticket,
                health: Health::Unknown,
            }),
            Err(retry_after) => {
                self.0.metrics.upstream_held(self.0.service, "open");
                Err(Held::Open { retry_after })
            }
        }
    }

    /// Whether a call may be repeated.
    pub(super) fn may_repeat(&self) -> bool {
        let may = lock(&self.0.budget).spend();
        self.0.metrics.upstream_retry(self.0.service, may);
        may
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        lock(&self.0.breaker)
    }

    /// Does something with the breaker, and says so when that changes where it stands: one line a
    /// change, however many calls fail.
    fn watched<T>(&self, act: impl FnOnce(&mut Breaker, Instant) -> T) -> T {
        let (before, done, after) = {
            let mut breaker = self.breaker();
            let before = breaker.standing();
            let done = act(&mut breaker, Instant::now());
            (before, done, breaker.standing())
        };
        if before != after {
            self.0.metrics.breaker(self.0.service, after);
            tracing::warn!(
                event = "gateway.breaker_changed",
                upstream.service = self.0.service,
                breaker.before = before.as_str(),
                breaker.after = after.as_str(),
                "how a service is asked has changed"
            );
        }
        done
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A try that runs. Dropped without a result, it says nothing of the service.
pub(super) struct Try {
    link: Link,
    ticket: Ticket,
    health: Health,
}

impl Try {
    pub(super) fn end(mut self, health: Health) {
        self.health = health;
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let (ticket, health) = (self.ticket, self.health);
        self.link
            .watched(|breaker, now| breaker.settle(ticket, health, now));
    }
}
