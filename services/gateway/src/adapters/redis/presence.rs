//! This gateway among those that share their limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tradepost_redis::{Fault, Observe};

use super::commands::Commands;
use crate::metrics::LimitMetrics;

/// How many gateways share, as last known; this one is always among them.
#[derive(Debug)]
pub(super) struct Instances(AtomicU32);

impl Instances {
    pub(super) const fn alone() -> Self {
        Self(AtomicU32::new(1))
    }

    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, count: u32) {
        self.0.store(count.max(1), Ordering::Relaxed);
    }
}

/// Tells Redis of this gateway, and says how it stands with Redis.
pub(super) struct Presence {
    pub(super) commands: Arc<Commands>,
    pub(super) instances: Arc<Instances>,
    pub(super) metrics: LimitMetrics,
}

#[async_trait]
impl Observe for Presence {
    /// The server knows the script and this gateway.
    async fn prove(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        self.commands.load(connection).await?;
        let instances = self.commands.heartbeat(connection).await?;
        self.instances.set(instances);
        self.metrics.instances(instances);
        Ok(())
    }

    fn closed(&self) {
        self.metrics.closed();
        tracing::info!(event = "limits.shared", "Redis counts for all gateways");
    }

    fn opened(&self, fault: Option<&Fault>) {
        self.metrics.opened();
        tracing::warn!(
            event = "limits.local",
            error = fault.map(tracing::field::display),
            instances = self.instances.count(),
            "Redis fails: this gateway admits its share by itself"
        );
    }

    fn away(&self, fault: &Fault, first: bool) {
        if first {
            tracing::warn!(
                event = "limits.redis_away",
                error = %fault,
                "Redis is not there: this gateway counts for itself until it is"
            );
        } else {
            tracing::debug!(event = "limits.redis_away", error = %fault, "no connection");
        }
    }
}
