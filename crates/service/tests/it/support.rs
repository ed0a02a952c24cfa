//! What several tests need: a service whose handlers do as they are told, and its server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tradepost_proto::shipping::v1::shipping_service_client::ShippingServiceClient;
use tradepost_proto::shipping::v1::shipping_service_server::{
    ShippingService, ShippingServiceServer,
};
use tradepost_proto::shipping::v1::{
    GetShipmentRequest, GetShipmentResponse, ListRatesRequest, ListRatesResponse,
    RecordTrackingEventRequest, RecordTrackingEventResponse, Shipment,
};
use tradepost_service::auth::{Grant, Rule};
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_service::error::Failure;
use tradepost_service::{CommonConfig, GrpcServer, RequestContext, Runtime, Tasks};
use tradepost_telemetry::Registry;
use tradepost_testkit::Trust;
use tradepost_types::TenantId;

/// Fails the test when `future` takes unreasonably long.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("it should not take that long")
}

/// Polls until `probe` gives a value.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    found
        .await
        .unwrap_or_else(|_| panic!("never happened: {what}"))
}

/// What a handler tells the test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Started,
    Finished,
}

/// Handlers that do what the shipment id says: `panic`, `fail`, `wait`, `found`, or nothing.
#[derive(Clone)]
pub(crate) struct Obedient {
    told: mpsc::UnboundedSender<Told>,
    gate: Arc<tokio::sync::Semaphore>,
}

impl Obedient {
    /// Handlers that nobody listens to.
    pub(crate) fn idle() -> Self {
        let (told, _nobody) = mpsc::unbounded_channel();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        Self { told, gate }
    }
}

#[tonic::async_trait]
impl ShippingService for Obedient {
    async fn get_shipment(
        &self,
        request: Request<GetShipmentRequest>,
    ) -> Result<Response<GetShipmentResponse>, Status> {
        match request.get_ref().shipment_id.as_str() {
            "panic" => panic!("told to"),
            "fail" => {
                let cause = std::io::Error::other("password=hunter2");
                return Err(Failure::internal(&cause).into());
            }
            "wait" => {
                self.told.send(Told::Started).expect("the test listens");
                self.gate
                    .acquire()
                    .await
                    .expect("the gate is never closed")
                    .forget();
                self.told.send(Told::Finished).expect("the test listens");
            }
            "found" => {
                let shipment = Some(Shipment::default());
                return Ok(Response::new(GetShipmentResponse { shipment }));
            }
            _ => {}
        }
        Ok(Response::new(GetShipmentResponse::default()))
    }

    async fn list_rates(
        &self,
        request: Request<ListRatesRequest>,
    ) -> Result<Response<ListRatesResponse>, Status> {
        // It says who it believes the caller to be.
        let context = RequestContext::of(&request)?;
        Err(Status::aborted(format!("{context:?}")))
    }

    async fn record_tracking_event(
        &self,
        _request: Request<RecordTrackingEventRequest>,
    ) -> Result<Response<RecordTrackingEventResponse>, Status> {
        Err(Status::unimplemented("not part of the test"))
    }
}

pub(crate) type Client = ShippingServiceClient<InterceptedService<Channel, CallContext>>;

/// What opens the methods of [`Obedient`] handlers.
pub(crate) const RULES: [Rule; 3] = [
    Rule::of_tenant("GetShipment", "shipments:read"),
    Rule::of_platform("ListRates", "shipments:operate").or(&["rates:read"]),
    Rule::of_tenant("RecordTrackingEvent", "shipments:operate"),
];

/// A server of [`Obedient`] handlers in this process.
pub(crate) struct Server {
    pub(crate) client: Client,
    pub(crate) trust: Arc<Trust>,
    pub(crate) channel: Channel,
    pub(crate) url: String,
    pub(crate) shutdown: CancellationToken,
    pub(crate) registry: Registry,
    pub(crate) tasks: Tasks,
    pub(crate) told: mpsc::UnboundedReceiver<Told>,
    /// Lets waiting handlers go on, one for each permit.
    pub(crate) gate: Arc<tokio::sync::Semaphore>,
    pub(crate) served: tokio::task::JoinHandle<anyhow::Result<()>>,
}

pub(crate) fn local() -> CommonConfig {
    CommonConfig {
        listen_addr: ([127, 0, 0, 1], 0).into(),
        admin_addr: ([127, 0, 0, 1], 0).into(),
        ..CommonConfig::default()
    }
}

pub(crate) async fn start(common: CommonConfig) -> Server {
    start_trusting(common, Arc::new(Trust::new())).await
}

#[expect(clippy::disallowed_methods, reason = "the server of a test")]
pub(crate) async fn start_trusting(common: CommonConfig, trust: Arc<Trust>) -> Server {
    let common = CommonConfig {
        auth: trust.config("test"),
        ..common
    };
    let (sender, told) = mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let handlers = Obedient {
        told: sender,
        gate: Arc::clone(&gate),
    };
    let runtime = Runtime::bind("test", common).await.expect("a free port");
    let url = format!(
        "http://{}",
        runtime.listener.local_addr().expect("it is bound")
    );
    let channel = channel(&url, &ClientOptions::default()).expect("the url is good");
    let (shutdown, registry) = (runtime.shutdown.clone(), runtime.registry.clone());
    let tasks = runtime.tasks.clone();
    let server = GrpcServer::new(&runtime)
        .descriptor(tradepost_proto::FILE_DESCRIPTOR_SET)
        .service(ShippingServiceServer::new(handlers), &RULES);
    let calls = trust.calls("test", TenantId::new(), &["shipments:read"]);
    Server {
        client: ShippingServiceClient::with_interceptor(channel.clone(), calls),
        trust,
        channel,
        url,
        shutdown,
        registry,
        tasks,
        told,
        gate,
        served: tokio::spawn(server.serve(runtime.listener)),
    }
}

impl Server {
    /// A call that may read shipments, over any connection.
    pub(crate) fn signed<T>(&self, message: T) -> Request<T> {
        let tenant = TenantId::new();
        let grant = Grant::of_service("test", "tester", tenant, &["shipments:read"]);
        let bearer = self.trust.gateway().bearer(&grant).expect("it signs");
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", bearer.to_metadata());
        request
    }

    /// A client that shows no token by itself.
    pub(crate) fn plain(&self) -> ShippingServiceClient<Channel> {
        ShippingServiceClient::new(self.channel.clone())
    }
}

pub(crate) fn shipment(id: &str) -> GetShipmentRequest {
    GetShipmentRequest {
        shipment_id: id.to_owned(),
    }
}
