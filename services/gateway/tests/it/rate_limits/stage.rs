//! Gateways' limiters before one Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tradepost_gateway::adapters::redis::RedisBuckets;
use tradepost_gateway::application::Limiter;
use tradepost_gateway::config::RateLimitsConfig;
use tradepost_gateway::domain::caller::{Caller, Plan, Proof, Subject};
use tradepost_gateway::domain::rights::{Rights, Role};
use tradepost_gateway::metrics::LimitMetrics;
use tradepost_service::Tasks;
use tradepost_telemetry::Registry;
use tradepost_testkit::{PrivateRedis, eventually};
use tradepost_types::{TenantId, UserId};

use crate::stage::SOON;

/// The limit of a user.
pub(super) const LIMIT: u32 = 1_000;
/// A budget that a busy machine keeps.
pub(super) const PATIENT_MS: u64 = 30_000;

/// What one gateway process has.
pub(super) struct Instance {
    pub(super) limiter: Limiter,
    pub(super) buckets: Arc<RedisBuckets>,
    pub(super) registry: Registry,
    shutdown: CancellationToken,
    tasks: Tasks,
}

impl Instance {
    pub(super) fn start(url: &SecretString, redis_budget_ms: u64) -> Self {
        let config = RateLimitsConfig {
            redis_budget_ms,
            ..RateLimitsConfig::default()
        };
        let registry = Registry::new("gateway");
        let metrics = LimitMetrics::register(&registry);
        let shutdown = CancellationToken::new();
        let tasks = Tasks::new(shutdown.clone());
        let budget = Duration::from_millis(redis_budget_ms);
        let parts = (&tasks, shutdown.clone());
        let buckets = RedisBuckets::start(url, budget, metrics.clone(), parts).unwrap();
        let buckets = Arc::new(buckets);
        Self {
            limiter: Limiter::new(&config, Some(buckets.clone()), metrics),
            buckets,
            registry,
            shutdown,
            tasks,
        }
    }

    /// So many that share, once all of them know of each other.
    pub(super) async fn several<const N: usize>(url: &SecretString, budget_ms: u64) -> [Self; N] {
        let instances = std::array::from_fn(|_| Self::start(url, budget_ms));
        for instance in &instances {
            instance.shares().await;
            let count = format!("tradepost_rate_limit_instances {N}");
            instance.says(&count).await;
        }
        instances
    }

    /// Waits until Redis decides.
    pub(super) async fn shares(&self) {
        let shared = async || self.buckets.is_shared().then_some(());
        eventually("decisions by Redis", SOON, shared).await;
    }

    /// Waits until this process decides.
    pub(super) async fn is_alone(&self) {
        let alone = async || (!self.buckets.is_shared()).then_some(());
        eventually("decisions without Redis", SOON, alone).await;
    }

    /// Waits for a line of the metrics.
    pub(super) async fn says(&self, line: &str) {
        let said = async || {
            let metrics = self.registry.render().unwrap();
            metrics.lines().any(|said| said == line).then_some(())
        };
        eventually(line, SOON, said).await;
    }

    /// How often the metrics say that something was decided there.
    pub(super) fn decided(&self, place: &str) -> u64 {
        let metrics = self.registry.render().unwrap();
        let of_place = |line: &&str| {
            line.starts_with("tradepost_rate_limit_decisions_total")
                && line.contains(&format!("place=\"{place}\""))
        };
        let counts = metrics.lines().filter(of_place);
        counts
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// Stops as a process does.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.drained().await;
    }
}

/// Somebody who asks, and what they got.
pub(super) struct Asker {
    pub(super) caller: Caller,
    started: Instant,
    pub(super) admitted: u32,
    pub(super) asked: u32,
}

impl Asker {
    pub(super) fn new() -> Self {
        let caller = Caller {
            subject: Subject::User(UserId::new()),
            tenant: Some(TenantId::new()),
            role: Role::Manager,
            rights: Rights::NONE,
            session: None,
            client: None,
            plan: Plan::Standard,
            proof: Proof::Secret,
            expires_at: None,
        };
        Self {
            caller,
            started: Instant::now(),
            admitted: 0,
            asked: 0,
        }
    }

    /// Asks so often, the instances in turn, so many of the requests at once.
    pub(super) async fn ask(&mut self, instances: &[Instance], times: u32, at_once: u32) {
        let mut left = times;
        while left > 0 {
            let now = left.min(at_once);
            let turns = (0..now).zip(instances.iter().cycle());
            let asking = turns.map(|(_, instance)| instance.limiter.identity(&self.caller, 1));
            let decisions = futures::future::join_all(asking).await;
            let admitted = decisions.iter().filter(|decision| !decision.is_refused());
            self.admitted += u32::try_from(admitted.count()).unwrap();
            self.asked += now;
            left -= now;
        }
    }

    /// What the limit admits until now.
    pub(super) fn due(&self) -> u32 {
        let given_back = u128::from(LIMIT) * self.started.elapsed().as_millis() / 60_000;
        LIMIT + u32::try_from(given_back).unwrap() + 1
    }

    /// Whether no more was admitted than the limit and the error that is stated.
    #[track_caller]
    pub(super) fn assert_limited(&self, error: u32) {
        let (admitted, due) = (self.admitted, self.due());
        assert!(admitted <= due + error, "{admitted} > {due} + {error}");
    }
}

/// A connection of the test's own.
pub(super) async fn connect(redis: &PrivateRedis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url().expose_secret()).unwrap();
    // It waits longer than the client's half a second.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(SOON))
        .set_response_timeout(Some(SOON));
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    connecting.await.unwrap()
}

pub(super) async fn run(connection: &mut MultiplexedConnection, words: &[&str]) {
    let (verb, rest) = words.split_first().unwrap();
    let mut command = redis::cmd(verb);
    let _: redis::Value = command.arg(rest).query_async(connection).await.unwrap();
}
