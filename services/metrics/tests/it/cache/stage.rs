//! Nodes that keep their answers, over one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tradepost_metrics::adapters::grpc::analytics::RULES;
use tradepost_metrics::adapters::postgres::PgAnalytics;
use tradepost_metrics::adapters::redis::answers::RedisAnswers;
use tradepost_metrics::application::{AnswerLimits, AnswerParts, Answers};
use tradepost_metrics::bootstrap;
use tradepost_metrics::config::{AnalyticsConfig, CacheConfig};
use tradepost_metrics::domain::{Grain, Range};
use tradepost_metrics::metrics::AnswerMetrics;
use tradepost_metrics::ports::{
    DailyLine, DailyQuestion, EventStore, Measure, NamedType, PlanQuestion, PlanSums, PlanWhole,
    PlanWholeQuestion, ReportStore, Shared, StoreError, Sum, SumsQuestion, TopLine, TypesQuestion,
    Whose,
};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::analytics_service_server::AnalyticsServiceServer;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Runtime};
use tradepost_telemetry::Registry;
use tradepost_testkit::{PrivateRedis, Trust, eventually};
use tradepost_types::TenantId;

use crate::support::{Client, DAY_MS, Desk, SOON, batch, client, connected, timestamp, today_ms};

/// Every answer has all that was committed.
pub(super) const ALWAYS: Duration = Duration::ZERO;
/// Any answer will do, and is renewed each time.
pub(super) const ANY: Duration = Duration::from_secs(3_600);

const RIGHTS: [&str; 3] = ["analytics:read", "analytics:read_any", "tenants:write"];
/// A budget that a busy machine keeps.
const PATIENT: Duration = Duration::from_secs(30);

/// Computations that pass the gate at once.
const GATE: u32 = 1_000;

/// Counts what is computed, and holds it while its gate is shut.
pub(super) struct Counting {
    store: Arc<PgAnalytics>,
    computed: AtomicU64,
    pub(super) gate: Semaphore,
}

impl Counting {
    async fn pass(&self) {
        self.computed.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.acquire().await.unwrap());
    }
}

#[async_trait]
impl ReportStore for Counting {
    async fn sums(&self, question: &SumsQuestion) -> Result<Vec<Sum>, StoreError> {
        self.pass().await;
        self.store.sums(question).await
    }

    async fn plan_sums(&self, question: &PlanQuestion) -> Result<PlanSums, StoreError> {
        self.pass().await;
        self.store.plan_sums(question).await
    }

    async fn plan_whole(&self, question: &PlanWholeQuestion) -> Result<PlanWhole, StoreError> {
        self.pass().await;
        self.store.plan_whole(question).await
    }

    async fn types(&self, question: &TypesQuestion) -> Result<Vec<NamedType>, StoreError> {
        self.store.types(question).await
    }

    async fn whole(
        &self,
        tenant: TenantId,
        pieces: &[(Grain, Range)],
        types: &[NamedType],
    ) -> Result<Vec<Sum>, StoreError> {
        self.pass().await;
        self.store.whole(tenant, pieces, types).await
    }

    async fn daily(&self, question: &DailyQuestion) -> Result<Vec<DailyLine>, StoreError> {
        self.pass().await;
        self.store.daily(question).await
    }

    async fn top(
        &self,
        whose: &Whose,
        range: Range,
        measure: Measure,
        limit: i64,
    ) -> Result<Vec<TopLine>, StoreError> {
        self.pass().await;
        self.store.top(whose, range, measure, limit).await
    }

    async fn put_tenant(
        &self,
        tenant: TenantId,
        plan: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        self.store.put_tenant(tenant, plan, version).await
    }
}

/// A node.
pub(super) struct Node {
    pub(super) reports: Arc<Counting>,
    pub(super) redis: Option<Arc<RedisAnswers>>,
    registry: Registry,
    trust: Trust,
    url: String,
}

impl Node {
    /// Without Redis.
    pub(super) async fn alone(desk: &Desk, stale: Duration) -> Self {
        Self::start(desk, None, Some((stale, PATIENT))).await
    }

    /// With Redis, once it is connected.
    pub(super) async fn sharing(desk: &Desk, redis: &SecretString, stale: Duration) -> Self {
        let node = Self::start(desk, Some(redis), Some((stale, PATIENT))).await;
        node.shares(true).await;
        node
    }

    /// With Redis that may be away, and a budget for it.
    pub(super) async fn with_budget(desk: &Desk, redis: &SecretString, budget: Duration) -> Self {
        Self::start(desk, Some(redis), Some((ALWAYS, budget))).await
    }

    /// Every answer is computed.
    pub(super) async fn uncached(desk: &Desk) -> Self {
        Self::start(desk, None, None).await
    }

    async fn start(
        desk: &Desk,
        redis: Option<&SecretString>,
        kept: Option<(Duration, Duration)>,
    ) -> Self {
        let trust = Trust::new();
        let common = CommonConfig {
            listen_addr: ([127, 0, 0, 1], 0).into(),
            auth: trust.config("metrics"),
            ..CommonConfig::default()
        };
        let runtime = Runtime::bind("metrics", common).await.unwrap();
        let url = format!("http://{}", runtime.listener.local_addr().unwrap());
        let config = AnalyticsConfig::default();
        let known = (desk.database.clone(), Arc::new(()) as _);
        let mut api = bootstrap::analytics(&config, &runtime, known).await;
        let reports = Arc::new(Counting {
            store: Arc::clone(&desk.store),
            computed: AtomicU64::new(0),
            gate: Semaphore::new(GATE as usize),
        });
        api.reports = reports.clone();
        let mut shared = None;
        if let Some((stale, budget)) = kept {
            let metrics = AnswerMetrics::register(&runtime.registry);
            shared = redis.map(|url| {
                let process = (&runtime.tasks, runtime.shutdown.clone());
                Arc::new(RedisAnswers::start(url, budget, metrics.clone(), process).unwrap())
            });
            api.answers = Answers::kept(AnswerParts {
                versions: desk.store.clone(),
                shared: shared.clone().map(|shared| shared as Shared),
                limits: AnswerLimits {
                    stale,
                    refresh_after: Duration::ZERO,
                    ..CacheConfig::default().limits()
                },
                metrics,
                clock: Clock::system(),
                tasks: runtime.tasks.clone(),
            });
        }
        let registry = runtime.registry.clone();
        let server = GrpcServer::new(&runtime).service(AnalyticsServiceServer::new(api), &RULES);
        let tasks = runtime.tasks.clone();
        drop(tasks.detach(server.serve(runtime.listener)));
        Self {
            reports,
            redis: shared,
            registry,
            trust,
            url,
        }
    }

    pub(super) fn client(&self, tenant: TenantId) -> Client {
        client(&self.url, &self.trust, tenant, &RIGHTS)
    }

    /// How many answers were computed.
    pub(super) fn computed(&self) -> u64 {
        self.reports.computed.load(Ordering::SeqCst)
    }

    /// Waits until so many were computed, or are being.
    pub(super) async fn computes(&self, count: u64) {
        let are = async || (self.computed() >= count).then_some(());
        eventually("computations", SOON, are).await;
    }

    /// Lets nothing be computed until the permit is dropped.
    pub(super) async fn shut(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.reports.gate.acquire_many(GATE).await.unwrap()
    }

    /// A figure of the metrics, by a part of its line.
    pub(super) fn counted(&self, part: &str) -> u64 {
        let metrics = self.registry.render().unwrap();
        let line = metrics.lines().find(|line| line.contains(part));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Waits for such a figure; `keys` are those in Redis.
    pub(super) async fn says_at_least(&self, part: &str, figure: u64, redis: &PrivateRedis) {
        eventually(part, SOON, async || {
            let found = match part {
                "keys" => names(redis).await.len() as u64,
                _ => self.counted(part),
            };
            (found >= figure).then_some(())
        })
        .await;
    }

    /// Waits until it shares answers, or does not.
    pub(super) async fn shares(&self, wanted: bool) {
        let redis = self.redis.as_ref().unwrap();
        let is_so = async || (redis.is_shared() == wanted).then_some(());
        eventually("Redis used or not", SOON, is_so).await;
    }

    /// The events of a tenant today.
    pub(super) async fn events(&self, tenant: TenantId) -> u64 {
        self.events_of(tenant, today_ms(), today_ms() + DAY_MS)
            .await
    }

    pub(super) async fn events_of(&self, tenant: TenantId, start_ms: i64, end_ms: i64) -> u64 {
        let question = pb::QueryEventsRequest {
            range: range(start_ms, end_ms),
            ..pb::QueryEventsRequest::default()
        };
        let answer = self.client(tenant).query_events(question).await.unwrap();
        answer.into_inner().sums.iter().map(|sum| sum.count).sum()
    }

    /// The events of a tenant's greatest type today.
    pub(super) async fn top(&self, tenant: TenantId) -> u64 {
        let question = pb::ListTopRequest {
            range: range(today_ms(), today_ms() + DAY_MS),
            ..pb::ListTopRequest::default()
        };
        let answer = self.client(tenant).list_top(question).await.unwrap();
        answer
            .into_inner()
            .lines
            .first()
            .map_or(0, |line| line.count)
    }

    /// The events of all tenants of a plan today, by the sums and by the greatest types.
    pub(super) async fn of_plan(&self, plan: &str) -> (u64, u64) {
        let sums = pb::QueryEventsRequest {
            plan: plan.to_owned(),
            ..question()
        };
        let top = pb::ListTopRequest {
            range: range(today_ms(), today_ms() + DAY_MS),
            plan: plan.to_owned(),
            ..pb::ListTopRequest::default()
        };
        let mut client = self.client(TenantId::new());
        let sums = client.query_events(sums).await.unwrap().into_inner().sums;
        let top = client.list_top(top).await.unwrap().into_inner().lines;
        (
            sums.iter().map(|sum| sum.count).sum(),
            top.iter().map(|line| line.count).sum(),
        )
    }

    /// The report of a plan: tenants and their events.
    pub(super) async fn report(&self, plan: &str) -> Vec<(String, u64)> {
        let request = pb::ReportDailyRequest {
            plan: plan.to_owned(),
            since: Some(timestamp(today_ms() - 10 * DAY_MS)),
            ..pb::ReportDailyRequest::default()
        };
        let lines = self.page(request).await.lines.into_iter();
        lines.map(|line| (line.tenant_id, line.count)).collect()
    }

    pub(super) async fn page(&self, request: pb::ReportDailyRequest) -> pb::ReportDailyResponse {
        let mut client = self.client(TenantId::new());
        client.report_daily(request).await.unwrap().into_inner()
    }
}

pub(super) fn range(start_ms: i64, end_ms: i64) -> Option<pb::TimeRange> {
    Some(pb::TimeRange {
        start_time: Some(timestamp(start_ms)),
        end_time: Some(timestamp(end_ms)),
    })
}

/// A question about today.
pub(super) fn question() -> pb::QueryEventsRequest {
    pb::QueryEventsRequest {
        range: range(today_ms(), today_ms() + DAY_MS),
        ..pb::QueryEventsRequest::default()
    }
}

/// One event of a tenant, as a batch of this number.
pub(super) async fn stored(desk: &Desk, tenant: TenantId, sequence: u64, at_ms: i64) {
    let sequence = i64::try_from(sequence).unwrap();
    let batch = batch(tenant, sequence, &[(at_ms, "a", "ada", 1.0)]);
    desk.store.store(&[batch]).await.unwrap();
}

pub(super) async fn connect(redis: &PrivateRedis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url().expose_secret()).unwrap();
    connected(&client).await.unwrap()
}

/// Under which names answers are in Redis.
pub(super) async fn names(redis: &PrivateRedis) -> Vec<String> {
    let mut connection = connect(redis).await;
    let names: Vec<String> = redis::cmd("KEYS")
        .arg("metrics:answer:*")
        .query_async(&mut connection)
        .await
        .unwrap();
    let is_answer = |name: &String| !name.ends_with(":claim");
    names.into_iter().filter(is_answer).collect()
}
