//! The services behind the gateway, as a script: each call is noted and answered with a sample, or
//! with the failure that the test has set.

mod metrics;
mod notifications;
mod recipients;
mod samples;
mod services;
mod webhooks;

use std::any::Any;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tradepost_proto::inventory::v1::inventory_service_server::InventoryServiceServer;
use tradepost_proto::metrics::v1::analytics_service_server::AnalyticsServiceServer;
use tradepost_proto::metrics::v1::metrics_service_server::MetricsServiceServer;
use tradepost_proto::notification::v1::email_service_server::EmailServiceServer;
use tradepost_proto::notification::v1::notification_service_server::NotificationServiceServer;
use tradepost_proto::notification::v1::preference_service_server::PreferenceServiceServer;
use tradepost_proto::notification::v1::presence_service_server::PresenceServiceServer;
use tradepost_proto::notification::v1::webhook_service_server::WebhookServiceServer;
use tradepost_proto::order::v1::OrderState;
use tradepost_proto::order::v1::order_service_server::OrderServiceServer;
use tradepost_proto::payment::v1::payment_service_server::PaymentServiceServer;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingServiceServer;
use tradepost_service::error::Failure;

pub(crate) use recipients::ADDRESS;
pub(crate) use samples::{DATA, NOTIFICATION_ID, ORDER_ID};
pub(crate) use webhooks::{ENDPOINT_ID, SECRET};

/// A call as it came.
pub(crate) struct Call {
    pub(crate) metadata: MetadataMap,
    message: Box<dyn Any + Send>,
}

pub(crate) struct Script {
    calls: Mutex<Vec<Call>>,
    failure: Mutex<Option<Status>>,
    /// How many more calls fail; none: all of them.
    failing: Mutex<Option<u32>>,
    /// Whether the next answers to `PlaceOrder` and `PutItem` are about something old.
    pub(crate) old: Mutex<bool>,
    /// Where the order stands; watchers are told.
    pub(crate) state: watch::Sender<OrderState>,
    /// What each call takes one of before it is answered.
    pub(crate) gate: Semaphore,
    /// How many watches break at once.
    pub(crate) broken_watches: Mutex<u32>,
    /// What exports end with behind their last piece, if not well.
    pub(crate) break_exports: Mutex<Option<Status>>,
    /// What the metrics service keeps.
    kept: Mutex<metrics::Kept>,
}

#[derive(Clone)]
pub(crate) struct Fake(Arc<Script>);

impl std::ops::Deref for Fake {
    type Target = Script;

    fn deref(&self) -> &Script {
        &self.0
    }
}

impl Fake {
    /// Serves all services at one address.
    pub(crate) async fn serve() -> (Self, String) {
        Self::serve_at(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// Serves them there.
    pub(crate) fn serve_at(listener: TcpListener) -> (Self, String) {
        let fake = Self(Arc::new(Script {
            calls: Mutex::default(),
            failure: Mutex::default(),
            failing: Mutex::default(),
            old: Mutex::default(),
            state: watch::Sender::new(OrderState::Reserving),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            broken_watches: Mutex::default(),
            break_exports: Mutex::default(),
            kept: Mutex::default(),
        }));
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder()
            .add_service(OrderServiceServer::new(fake.clone()))
            .add_service(InventoryServiceServer::new(fake.clone()))
            .add_service(PaymentServiceServer::new(fake.clone()))
            .add_service(ShippingServiceServer::new(fake.clone()))
            .add_service(AnalyticsServiceServer::new(fake.clone()))
            .add_service(MetricsServiceServer::new(fake.clone()))
            .add_service(NotificationServiceServer::new(fake.clone()))
            .add_service(WebhookServiceServer::new(fake.clone()))
            .add_service(PreferenceServiceServer::new(fake.clone()))
            .add_service(PresenceServiceServer::new(fake.clone()))
            .add_service(EmailServiceServer::new(fake.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        (fake, url)
    }

    /// Every call fails with this from now on.
    pub(crate) fn fail(&self, status: impl Into<Status>) {
        *self.failure.lock().unwrap() = Some(status.into());
    }

    /// So many calls fail with this.
    pub(crate) fn fail_times(&self, times: u32, status: impl Into<Status>) {
        *self.failing.lock().unwrap() = Some(times);
        self.fail(status);
    }

    /// No call fails any more.
    pub(crate) fn heal(&self) {
        *self.failure.lock().unwrap() = None;
    }

    /// Calls are answered only as far as the test adds permits to the gate.
    pub(crate) fn close_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// How many calls came.
    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// The messages of all calls of a kind.
    pub(crate) fn all<T: Clone + 'static>(&self) -> Vec<T> {
        let calls = self.calls.lock().unwrap();
        let messages = calls.iter().filter_map(|call| call.message.downcast_ref());
        messages.cloned().collect()
    }

    /// The message of the only call.
    pub(crate) fn only<T: Clone + 'static>(&self) -> T {
        let all: Vec<T> = self.all();
        assert_eq!((all.len(), self.calls()), (1, 1));
        all[0].clone()
    }

    /// The metadata of the last call.
    pub(crate) fn metadata(&self) -> MetadataMap {
        self.calls.lock().unwrap().last().unwrap().metadata.clone()
    }

    /// As a service does: an order `of-X` is seen by customer X and by those who see all of their
    /// tenant, an order `in-T` in tenant T.
    fn find<Q>(&self, request: &Request<Q>, order_id: &str) -> Result<(), Status> {
        let claims = claims(request.metadata());
        let foreign = |prefix, claim: &str| {
            let owner = order_id.strip_prefix(prefix);
            owner.is_some_and(|owner| claims[claim] != owner)
        };
        let hidden = claims["customer"] == true && foreign("of-", "sub");
        if hidden || foreign("in-", "tenant") {
            let (code, domain) = (Code::NotFound, "order.tradepost");
            return Err(Failure::new(code, "ORDER_NOT_FOUND", domain, "no such order").into());
        }
        Ok(())
    }

    /// Notes a call and answers it.
    async fn answer<Q: Send + 'static, A>(
        &self,
        request: Request<Q>,
        sample: impl FnOnce() -> A,
    ) -> Result<Response<A>, Status> {
        self.note(request);
        self.gate.acquire().await.unwrap().forget();
        let failure = self.next_failure();
        failure.map_or_else(|| Ok(Response::new(sample())), Err)
    }

    fn next_failure(&self) -> Option<Status> {
        match &mut *self.failing.lock().unwrap() {
            Some(0) => return None,
            Some(times) => *times -= 1,
            None => {}
        }
        self.failure.lock().unwrap().clone()
    }

    fn note<Q: Send + 'static>(&self, request: Request<Q>) {
        let (metadata, _, message) = request.into_parts();
        self.calls.lock().unwrap().push(Call {
            metadata,
            message: Box::new(message),
        });
    }
}

/// What the token of a call says. That it is signed is checked by those it is for.
fn claims(metadata: &MetadataMap) -> serde_json::Value {
    let token = metadata.get("authorization").unwrap().to_str().unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}
