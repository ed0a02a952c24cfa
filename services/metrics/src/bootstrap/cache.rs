//! Puts the cache before the answers.

use std::sync::Arc;

use tradepost_redis::RedisConfig;
use tradepost_service::Runtime;

use crate::adapters::grpc::analytics::AnalyticsApi;
use crate::adapters::redis::answers::RedisAnswers;
use crate::application::{AnswerParts, Answers};
use crate::config::CacheConfig;
use crate::metrics::AnswerMetrics;
use crate::ports::{Shared, Versions};

/// The same calls, whose answers are kept: in memory, and in Redis where there is one. It does not
/// wait for Redis.
///
/// # Errors
/// Fails when the configuration cannot be used.
pub fn keep_answers(
    api: AnalyticsApi,
    versions: Versions,
    (cache, redis): (&CacheConfig, &RedisConfig),
    runtime: &Runtime,
) -> anyhow::Result<AnalyticsApi> {
    let metrics = AnswerMetrics::register(&runtime.registry);
    let shared = match &redis.url {
        Some(url) => {
            let process = (&runtime.tasks, runtime.shutdown.clone());
            let budget = cache.redis_budget();
            let answers = RedisAnswers::start(url, budget, metrics.clone(), process)?;
            Some(Arc::new(answers) as Shared)
        }
        None => None,
    };
    let answers = Answers::kept(AnswerParts {
        versions,
        shared,
        limits: cache.limits(),
        metrics,
        clock: api.clock.clone(),
        tasks: runtime.tasks.clone(),
    });
    Ok(AnalyticsApi { answers, ..api })
}
