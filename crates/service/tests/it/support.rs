//! What several tests need: a service whose handlers do as they are told, and its server.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use tradepost_proto::shipping::v1::shipping_service_client::ShippingServiceClient;
use tradepost_proto::shipping::v1::shipping_service_server::{
    ShippingService, ShippingServiceServer,
};
use tradepost_proto::shipping::v1::{
    GetShipmentRequest, GetShipmentResponse, ListRatesRequest, ListRatesResponse,
    RecordTrackingEventRequest, RecordTrackingEventResponse,
};
use tradepost_service::client::{ClientOptions, channel};
use tradepost_service::error::Failure;
use tradepost_service::{CommonConfig, GrpcServer, Runtime, Tasks};
use tradepost_telemetry::Registry;

/// Fails the test when `future` takes unreasonably long.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .expect("it should not take that long")
}

/// Polls until `probe` gives a value.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(Duration::from_secs(10), async {
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

/// Handlers that do what the shipment id says: `panic`, `fail`, `wait`, or nothing.
#[derive(Clone)]
pub(crate) struct Obedient {
    told: mpsc::UnboundedSender<Told>,
    gate: Arc<tokio::sync::Semaphore>,
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
            _ => {}
        }
        Ok(Response::new(GetShipmentResponse::default()))
    }

    async fn list_rates(
        &self,
        _request: Request<ListRatesRequest>,
    ) -> Result<Response<ListRatesResponse>, Status> {
        Err(Status::unimplemented("not part of the test"))
    }

    async fn record_tracking_event(
        &self,
        _request: Request<RecordTrackingEventRequest>,
    ) -> Result<Response<RecordTrackingEventResponse>, Status> {
        Err(Status::unimplemented("not part of the test"))
    }
}

/// A server of [`Obedient`] handlers in this process.
pub(crate) struct Server {
    pub(crate) client: ShippingServiceClient<Channel>,
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

#[expect(clippy::disallowed_methods, reason = "the server of a test")]
pub(crate) async fn start(common: CommonConfig) -> Server {
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
        .service(ShippingServiceServer::new(handlers));
    Server {
        client: ShippingServiceClient::new(channel.clone()),
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

pub(crate) fn shipment(id: &str) -> GetShipmentRequest {
    GetShipmentRequest {
        shipment_id: id.to_owned(),
    }
}
