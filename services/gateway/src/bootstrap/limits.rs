//! Puts the rate limits together.

use std::sync::Arc;
use std::time::Duration;

use tradepost_service::Runtime;

use crate::adapters::redis::RedisBuckets;
use crate::application::Limiter;
use crate::config::GatewayConfig;
use crate::metrics::LimitMetrics;
use crate::ports::SharedBuckets;

/// What counts requests. It does not wait for Redis.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub fn limiter(config: &GatewayConfig, runtime: &Runtime) -> anyhow::Result<Limiter> {
    let limits = &config.rate_limits;
    let metrics = LimitMetrics::register(&runtime.registry);
    let mut shared: Option<Arc<dyn SharedBuckets>> = None;
    if let Some(url) = &config.redis.url {
        let budget = Duration::from_millis(limits.redis_budget_ms);
        let process = (&runtime.tasks, runtime.shutdown.clone());
        let buckets = RedisBuckets::start(url, budget, metrics.clone(), process)?;
        shared = Some(Arc::new(buckets));
    } else {
        tracing::warn!(
            event = "limits.no_redis",
            instances = limits.instances_min,
            "there is no redis.url: this gateway counts requests for itself"
        );
    }
    if !limits.enforce {
        tracing::warn!(
            event = "limits.not_enforced",
            "requests over a limit are counted and let through"
        );
    }
    Ok(Limiter::new(limits, shared, metrics))
}
