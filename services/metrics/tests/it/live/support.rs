//! Nodes under test, without and with a process of their own.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use tonic::codegen::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tradepost_metrics::adapters::grpc::live::RULES;
use tradepost_metrics::bootstrap;
use tradepost_metrics::config::LiveConfig;
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::metrics_service_client::MetricsServiceClient;
use tradepost_proto::metrics::v1::metrics_service_server::MetricsServiceServer;
use tradepost_proto::metrics::v1::process_events_request::Batch;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_service::{CommonConfig, GrpcServer, Runtime, Tasks};
use tradepost_testkit::{Process, TestDatabase, Trust, free_port};
use tradepost_types::TenantId;

use crate::support::{SOON, command, now_ms, timestamp};

pub(super) type Client = MetricsServiceClient<InterceptedService<Channel, CallContext>>;

pub(super) const RIGHTS: &[&str] = &["events:write", "metrics:read"];

pub(super) fn client(
    url: &str,
    trust: &Trust,
    tenant: TenantId,
    rights: &[&'static str],
) -> Client {
    let channel = channel(url, &ClientOptions::default()).unwrap();
    MetricsServiceClient::with_interceptor(channel, trust.calls("metrics", tenant, rights))
}

/// A node without a process and a database of its own.
pub(super) struct Node {
    pub(super) url: String,
    pub(super) shutdown: CancellationToken,
    tasks: Tasks,
}

impl Node {
    pub(super) async fn start(trust: &Trust, config: LiveConfig) -> Self {
        Self::listen(trust).await.start(config).await
    }

    /// A node whose address is known before it starts.
    pub(super) async fn listen(trust: &Trust) -> Listening {
        let common = CommonConfig {
            listen_addr: ([127, 0, 0, 1], 0).into(),
            auth: trust.config("metrics"),
            ..CommonConfig::default()
        };
        Listening(Runtime::bind("metrics", common).await.unwrap())
    }

    /// Ends it, as a process that is told to stop does.
    pub(super) async fn stop(&self) {
        self.shutdown.cancel();
        self.tasks.drained().await;
    }
}

pub(super) struct Listening(Runtime);

impl Listening {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.listener.local_addr().unwrap())
    }

    pub(super) async fn start(self, config: LiveConfig) -> Node {
        let (url, runtime) = (self.url(), self.0);
        let (api, _observed) = bootstrap::live(&config, &runtime).await.unwrap();
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(MetricsServiceServer::new(api), &RULES);
        let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
        drop(tasks.detach(server.serve(runtime.listener)));
        Node {
            url,
            shutdown,
            tasks,
        }
    }
}

/// A node's process, which can be started again over the same database and snapshot.
pub(super) struct Machine {
    pub(super) trust: Trust,
    pub(super) process: Process,
    url: String,
}

impl Machine {
    pub(super) async fn start(database: &TestDatabase, snapshot: &Snapshot) -> Self {
        let local = |port: u16| format!("127.0.0.1:{port}");
        let (listen, admin) = (local(free_port()), local(free_port()));
        let trust = Trust::new();
        let mut process = command(database, &[])
            .env("TRADEPOST_METRICS__SERVER__LISTEN_ADDR", &listen)
            .env("TRADEPOST_METRICS__SERVER__ADMIN_ADDR", &admin)
            .env(
                "TRADEPOST_METRICS__SERVER__AUTH__TRUST_PATH",
                trust.trust_path(),
            )
            .env("TRADEPOST_METRICS__LIVE__SNAPSHOT_PATH", &snapshot.path)
            .env("TRADEPOST_METRICS__LIVE__SNAPSHOT_SECONDS", "1")
            .spawn();
        process.ready(admin.parse().unwrap(), SOON).await;
        Self {
            trust,
            process,
            url: format!("http://{listen}"),
        }
    }

    pub(super) fn client(&self, tenant: TenantId) -> Client {
        client(&self.url, &self.trust, tenant, RIGHTS)
    }
}

/// A place for a snapshot, which goes with the test.
pub(super) struct Snapshot {
    pub(super) path: PathBuf,
    directory: PathBuf,
}

impl Snapshot {
    pub(super) fn new() -> Self {
        let directory = std::env::temp_dir().join(TenantId::new().to_string());
        Self {
            path: directory.join("live.snapshot"),
            directory,
        }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.directory);
    }
}

pub(super) fn event(event_type: &str, value: f64) -> pb::Event {
    pb::Event {
        event_time: Some(timestamp(now_ms())),
        user_id: String::new(),
        event_type: event_type.to_owned(),
        value,
    }
}

pub(super) fn batch(
    producer: &str,
    sequence: u64,
    events: Vec<pb::Event>,
) -> pb::ProcessEventsRequest {
    let batch = pb::EventBatch {
        tenant_id: String::new(),
        producer_id: producer.to_owned(),
        sequence,
        events,
        batch_key: String::new(),
    };
    pb::ProcessEventsRequest {
        batch: Some(Batch::Events(batch)),
    }
}

pub(super) fn packed(producer: &str, sequence: u64, values: &[f64]) -> pb::ProcessEventsRequest {
    let record = |value: &f64| {
        let mut record = vec![0; 12];
        record.extend(value.to_le_bytes());
        record
    };
    let batch = pb::PackedBatch {
        tenant_id: String::new(),
        producer_id: producer.to_owned(),
        sequence,
        base_time_ms: now_ms(),
        event_types: vec!["order.placed".to_owned()],
        user_ids: Vec::new(),
        records: values.iter().flat_map(record).collect::<Vec<_>>().into(),
    };
    pb::ProcessEventsRequest {
        batch: Some(Batch::Packed(batch)),
    }
}

/// Sends batches on one stream; the receipts, and how it ended.
pub(super) async fn send(
    client: &mut Client,
    batches: Vec<pb::ProcessEventsRequest>,
) -> (Vec<pb::ProcessEventsResponse>, Result<(), Status>) {
    let request = Request::new(futures::stream::iter(batches));
    let mut answers = match client.process_events(request).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return (Vec::new(), Err(status)),
    };
    let mut receipts = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => receipts.push(answer),
            Ok(None) => return (receipts, Ok(())),
            Err(status) => return (receipts, Err(status)),
        }
    }
}

pub(super) fn query(minutes: u32) -> pb::GetAggregatesRequest {
    pb::GetAggregatesRequest {
        minutes,
        ..pb::GetAggregatesRequest::default()
    }
}

pub(super) async fn ask(client: &mut Client) -> pb::GetAggregatesResponse {
    client.get_aggregates(query(60)).await.unwrap().into_inner()
}

/// All events that were counted.
pub(super) async fn total(client: &mut Client) -> u64 {
    ask(client)
        .await
        .aggregates
        .iter()
        .map(|line| line.count)
        .sum()
}
