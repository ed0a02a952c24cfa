//! A service under test: its database, its server, its callers, and what it has stored.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult};
use secrecy::ExposeSecret;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tonic::codegen::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tradepost_metrics::adapters::grpc::analytics::{AnalyticsApi, RULES};
use tradepost_metrics::adapters::grpc::live;
use tradepost_metrics::adapters::postgres::{MIGRATOR, PgAnalytics};
use tradepost_metrics::bootstrap;
use tradepost_metrics::config::{AnalyticsConfig, LiveConfig};
use tradepost_metrics::domain::{BatchName, EventType, Grain, ProducerId};
use tradepost_metrics::ports::{Batch, Event};
use tradepost_metrics::rollup::{Folding, Rollups};
use tradepost_postgres::{Database, DatabaseConfig, idempotency};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::analytics_service_client::AnalyticsServiceClient;
use tradepost_proto::metrics::v1::analytics_service_server::AnalyticsServiceServer;
use tradepost_proto::metrics::v1::metrics_service_client::MetricsServiceClient;
use tradepost_proto::metrics::v1::metrics_service_server::MetricsServiceServer;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_service::error::ErrorDetails;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Runtime};
use tradepost_testkit::{Process, TestDatabase, Trust, free_port};
use tradepost_types::TenantId;

pub(crate) const SOON: Duration = Duration::from_secs(60);
pub(crate) const DAY_MS: i64 = 86_400_000;

pub(crate) type Client = AnalyticsServiceClient<InterceptedService<Channel, CallContext>>;
pub(crate) type LiveClient = MetricsServiceClient<InterceptedService<Channel, CallContext>>;

pub(crate) async fn fresh_database() -> TestDatabase {
    let extra = [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
    tradepost_testkit::database(&MIGRATOR, &extra).await
}

/// The service without its process.
pub(crate) struct Desk {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
    pub(crate) store: Arc<PgAnalytics>,
    pub(crate) api: AnalyticsApi,
    pub(crate) trust: Trust,
    pub(crate) tenant: TenantId,
    pub(crate) shutdown: CancellationToken,
    url: String,
}

impl Desk {
    pub(crate) async fn open() -> Self {
        Self::with(AnalyticsConfig::default()).await
    }

    pub(crate) async fn with(config: AnalyticsConfig) -> Self {
        let test_database = fresh_database().await;
        let database = test_database.config();
        Self::over(test_database, &database, config).await
    }

    /// Over a database that is spoken to in this way.
    pub(crate) async fn over(
        test_database: TestDatabase,
        database: &DatabaseConfig,
        config: AnalyticsConfig,
    ) -> Self {
        let database = Database::connect_lazy(database, "metrics-test").unwrap();
        let trust = Trust::new();
        let common = CommonConfig {
            listen_addr: ([127, 0, 0, 1], 0).into(),
            auth: trust.config("metrics"),
            ..CommonConfig::default()
        };
        let runtime = Runtime::bind("metrics", common).await.unwrap();
        let url = format!("http://{}", runtime.listener.local_addr().unwrap());
        let counting = LiveConfig::default();
        let (live_api, counting) = bootstrap::live(&counting, &runtime).await.unwrap();
        let known = (database.clone(), counting);
        let api = bootstrap::analytics(&config, &runtime, known).await;
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(AnalyticsServiceServer::new(api.clone()), &RULES)
            .service(MetricsServiceServer::new(live_api), &live::RULES);
        let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
        drop(tasks.detach(server.serve(runtime.listener)));
        Self {
            store: Arc::new(PgAnalytics::new(database.clone(), config.store())),
            test_database,
            database,
            api,
            trust,
            tenant: TenantId::new(),
            shutdown,
            url,
        }
    }

    /// A caller of the tenant with these rights.
    pub(crate) fn client(&self, tenant: TenantId, rights: &[&'static str]) -> Client {
        client(&self.url, &self.trust, tenant, rights)
    }

    /// The same of live counting.
    pub(crate) fn live_client(&self, tenant: TenantId, rights: &[&'static str]) -> LiveClient {
        let channel = channel(&self.url, &ClientOptions::default()).unwrap();
        let calls = self.trust.calls("metrics", tenant, rights);
        MetricsServiceClient::with_interceptor(channel, calls)
    }

    /// What is kept of all events, as a plain fold of the raw rows says.
    pub(crate) async fn folded(&self) -> Rollups {
        folded(&mut self.test_database.admin().await).await
    }

    /// Fails unless the rollups are what the raw rows say, and the raw rows are so many.
    pub(crate) async fn assert_sound(&self, events: u64) {
        assert_sound(&mut self.test_database.admin().await, events).await;
    }
}

pub(crate) fn client(
    url: &str,
    trust: &Trust,
    tenant: TenantId,
    rights: &[&'static str],
) -> Client {
    let channel = channel(url, &ClientOptions::default()).unwrap();
    AnalyticsServiceClient::with_interceptor(channel, trust.calls("metrics", tenant, rights))
}

/// The service as a process.
pub(crate) struct Machine {
    pub(crate) trust: Trust,
    pub(crate) url: String,
    pub(crate) process: Process,
}

impl Machine {
    /// Starts it over a database; with a crash point it is not waited for.
    pub(crate) async fn start(database: &TestDatabase, crash: Option<(&str, u32)>) -> Self {
        Self::with(database, crash, &[]).await
    }

    /// The same with more of its environment, by what comes behind `TRADEPOST_METRICS__`.
    pub(crate) async fn with(
        database: &TestDatabase,
        crash: Option<(&str, u32)>,
        more: &[(&str, String)],
    ) -> Self {
        let trust = Trust::new();
        let local = |port: u16| format!("127.0.0.1:{port}");
        let (listen, admin) = (local(free_port()), local(free_port()));
        let mut builder = command(database, &[])
            .env("TRADEPOST_METRICS__SERVER__LISTEN_ADDR", &listen)
            .env("TRADEPOST_METRICS__SERVER__ADMIN_ADDR", &admin)
            .env(
                "TRADEPOST_METRICS__SERVER__AUTH__TRUST_PATH",
                trust.trust_path(),
            );
        if let Some((point, hit)) = crash {
            builder = builder
                .env("TRADEPOST_METRICS__SERVER__CRASH__POINT", point)
                .env("TRADEPOST_METRICS__SERVER__CRASH__HIT", hit.to_string());
        }
        for (name, value) in more {
            builder = builder.env(format!("TRADEPOST_METRICS__{name}"), value);
        }
        let mut process = builder.spawn();
        if crash.is_none() {
            process.ready(admin.parse().unwrap(), SOON).await;
        }
        Self {
            trust,
            url: format!("http://{listen}"),
            process,
        }
    }

    pub(crate) fn client(&self, tenant: TenantId) -> Client {
        client(&self.url, &self.trust, tenant, &["events:write"])
    }

    /// What the node counts live, by event type: events, and the sum of their values.
    pub(crate) async fn counted_live(&self, tenant: TenantId) -> Vec<Sum> {
        let channel = channel(&self.url, &ClientOptions::default()).unwrap();
        let calls = self.trust.calls("metrics", tenant, &["metrics:read"]);
        let mut client = MetricsServiceClient::with_interceptor(channel, calls);
        let request = pb::GetAggregatesRequest {
            minutes: 60,
            ..pb::GetAggregatesRequest::default()
        };
        let answer = client.get_aggregates(request).await.unwrap().into_inner();
        let line = |line: pb::Aggregate| {
            let count = i64::try_from(line.count).unwrap();
            (line.event_type, count, line.sum)
        };
        answer.aggregates.into_iter().map(line).collect()
    }
}

/// An event type, how many events, and the sum of their values.
pub(crate) type Sum = (String, i64, f64);

/// As a test writes it.
pub(crate) fn sum(event_type: &str, count: i64, sum: f64) -> Sum {
    (event_type.to_owned(), count, sum)
}

/// What is stored of a tenant, by event type.
pub(crate) async fn stored(database: &TestDatabase, tenant: TenantId) -> Vec<Sum> {
    sqlx::query_as(
        "select t.name, sum(d.n)::bigint, sum(d.sum) from rollup_days d
         join event_types t on t.tenant_id = d.tenant_id and t.type_id = d.type_id
         where d.tenant_id = $1 group by 1 order by 1",
    )
    .bind(tenant.as_uuid())
    .fetch_all(&mut database.admin().await)
    .await
    .unwrap()
}

/// The program over a database.
pub(crate) fn command(
    database: &TestDatabase,
    arguments: &[&str],
) -> tradepost_testkit::ProcessBuilder {
    let config = database.config();
    let owner_url = config.owner_url.clone().unwrap();
    let builder = Process::builder(env!("CARGO_BIN_EXE_metrics"));
    let builder = arguments
        .iter()
        .fold(builder, |builder, argument| builder.arg(argument));
    builder
        .env(
            "TRADEPOST_METRICS__DATABASE__URL",
            config.url.expose_secret(),
        )
        .env(
            "TRADEPOST_METRICS__DATABASE__SYSTEM_URL",
            config.system_url.expose_secret(),
        )
        .env(
            "TRADEPOST_METRICS__DATABASE__OWNER_URL",
            owner_url.expose_secret(),
        )
        .env("TRADEPOST_METRICS__DATABASE__ACQUIRE_TIMEOUT_MS", "10000")
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    i64::try_from(Clock::system().now().unix_timestamp_nanos() / 1_000_000).unwrap()
}

/// Where today started. It stays today for the whole of a test, which may go on beyond midnight.
pub(crate) fn today_ms() -> i64 {
    static TODAY_MS: LazyLock<i64> = LazyLock::new(|| Grain::Day.start_ms(now_ms()));
    *TODAY_MS
}

/// The same as a date.
pub(crate) fn today() -> time::Date {
    let today = time::OffsetDateTime::from_unix_timestamp(today_ms() / 1_000);
    today.unwrap().date()
}

/// A connection of the test's own, which waits longer than the client's half a second.
pub(crate) async fn connected(client: &redis::Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(SOON))
        .set_response_timeout(Some(SOON));
    client
        .get_multiplexed_async_connection_with_config(&config)
        .await
}

/// An event as a test writes it: when, what, who, how much.
pub(crate) type Written<'a> = (i64, &'a str, &'a str, f64);

/// A batch's name by its number.
pub(crate) fn numbered(producer: &str, sequence: i64) -> BatchName {
    BatchName::Numbered {
        producer: ProducerId::try_from(producer).unwrap(),
        sequence,
    }
}

/// A batch of a tenant.
pub(crate) fn batch(tenant: TenantId, sequence: i64, events: &[Written<'_>]) -> Arc<Batch> {
    let mut batch = Batch {
        tenant,
        name: numbered("web-1", sequence),
        types: Vec::new(),
        users: vec![Box::default()],
        events: Vec::new(),
    };
    for (place, &(at_ms, event_type, user, value)) in (0..).zip(events) {
        let event_type = EventType::try_from(event_type).unwrap();
        let known = batch.types.iter().position(|known| *known == event_type);
        let event_type = known.unwrap_or_else(|| {
            batch.types.push(event_type);
            batch.types.len() - 1
        });
        let known = batch.users.iter().position(|known| **known == *user);
        let user = known.unwrap_or_else(|| {
            batch.users.push(user.into());
            batch.users.len() - 1
        });
        batch.events.push(Event {
            at_ms,
            value,
            place,
            event_type: u16::try_from(event_type).unwrap(),
            user: u16::try_from(user).unwrap(),
        });
    }
    Arc::new(batch)
}

/// The same as a message.
pub(crate) fn message(sequence: u64, events: &[Written<'_>]) -> pb::IngestEventsRequest {
    let event = |&(at_ms, event_type, user, value): &Written<'_>| pb::Event {
        event_time: Some(timestamp(at_ms)),
        user_id: user.to_owned(),
        event_type: event_type.to_owned(),
        value,
    };
    let batch = pb::EventBatch {
        tenant_id: String::new(),
        producer_id: "web-1".to_owned(),
        sequence,
        events: events.iter().map(event).collect(),
        batch_key: String::new(),
    };
    pb::IngestEventsRequest {
        batch: Some(pb::ingest_events_request::Batch::Events(batch)),
    }
}

/// A message that has a key in place of a number.
pub(crate) fn keyed(key: &str, events: &[Written<'_>]) -> pb::IngestEventsRequest {
    let mut message = message(0, events);
    if let Some(pb::ingest_events_request::Batch::Events(batch)) = &mut message.batch {
        batch.producer_id.clear();
        key.clone_into(&mut batch.batch_key);
    }
    message
}

pub(crate) fn timestamp(at_ms: i64) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at_ms.div_euclid(1_000),
        nanos: i32::try_from(at_ms.rem_euclid(1_000)).unwrap() * 1_000_000,
    }
}

/// Sends batches on one stream; the receipts, and how it ended.
pub(crate) async fn send(
    mut client: Client,
    batches: Vec<pb::IngestEventsRequest>,
) -> (Vec<pb::BatchReceipt>, Result<(), Status>) {
    let request = Request::new(futures::stream::iter(batches));
    let mut answers = match client.ingest_events(request).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return (Vec::new(), Err(status)),
    };
    let mut receipts = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => receipts.push(answer.receipt.unwrap()),
            Ok(None) => return (receipts, Ok(())),
            Err(status) => return (receipts, Err(status)),
        }
    }
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    ErrorDetails::from_status(status).reason
}

type RawRow = (uuid::Uuid, i16, time::OffsetDateTime, f64, String);

async fn raw(conn: &mut PgConnection) -> Vec<RawRow> {
    sqlx::query_as(
        "select tenant_id, type_id, event_time, value, user_id from events
         union all
         select tenant_id, type_id, event_time, value, user_id from quarantined_events",
    )
    .fetch_all(conn)
    .await
    .unwrap()
}

/// A plain fold of the raw rows.
pub(crate) async fn folded(conn: &mut PgConnection) -> Rollups {
    let mut folding = Folding::default();
    for (tenant, type_id, at, value, user) in raw(conn).await {
        let at_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap();
        let user =
            (!user.is_empty()).then(|| tradepost_aggregation::Distinct::hash(user.as_bytes()));
        folding.add(TenantId::from_uuid(tenant), type_id, at_ms, (value, user));
    }
    folding.finish()
}

type StoredRow = (
    uuid::Uuid,
    time::OffsetDateTime,
    i16,
    i64,
    f64,
    f64,
    f64,
    f64,
    Vec<u8>,
    Vec<u8>,
);

/// Fails unless the rollups are what the raw rows say, and the raw rows are so many. The values of
/// a test are whole numbers, so that sums do not depend on their order.
pub(crate) async fn assert_sound(conn: &mut PgConnection, events: u64) {
    let folded = folded(conn).await;
    let total: u64 = folded.days.iter().map(|(_, rollup)| rollup.n).sum();
    assert_eq!(total, events, "raw rows");
    for (grain, table) in [
        (Grain::Day, "rollup_days"),
        (Grain::Hour, "rollup_hours"),
        (Grain::Minute, "rollup_minutes"),
    ] {
        let rows: Vec<StoredRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "select tenant_id, start_time, type_id, n, sum, sum_of_squares, min, max, users, sketch
             from {table} order by 1, 2, 3"
        )))
        .fetch_all(&mut *conn)
        .await
        .unwrap();
        let wanted: Vec<StoredRow> = folded
            .of(grain)
            .iter()
            .map(|(key, rollup)| {
                let nanos = i128::from(key.start_ms) * 1_000_000;
                (
                    key.tenant.as_uuid(),
                    time::OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap(),
                    key.type_id,
                    i64::try_from(rollup.n).unwrap(),
                    rollup.sum,
                    rollup.sum_of_squares,
                    rollup.min,
                    rollup.max,
                    rollup.users.encode(),
                    rollup.sketch.encode(),
                )
            })
            .collect();
        assert_eq!(rows.len(), wanted.len(), "{table}");
        for (row, wanted) in rows.iter().zip(&wanted) {
            assert_eq!(row, wanted, "{table}");
        }
    }
}
