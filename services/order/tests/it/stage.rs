//! One order service with everything around it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tradepost_messaging::{Messaging, MessagingConfig, Outgoing};
use tradepost_order::adapters::postgres::MIGRATOR;
use tradepost_order::bootstrap;
use tradepost_order::config::{InventoryConfig, OrderConfig};
use tradepost_order::domain::saga::Definitions;
use tradepost_postgres::{Database, idempotency};
use tradepost_proto::codec::MessageCodec;
use tradepost_proto::common::v1::{Money, PostalAddress};
use tradepost_proto::inventory::v1 as iv;
use tradepost_proto::inventory::v1::inventory_service_server::{
    InventoryService, InventoryServiceServer,
};
use tradepost_proto::order::v1 as pb;
use tradepost_proto::order::v1::order_service_client::OrderServiceClient;
use tradepost_proto::routing::Event;
use tradepost_service::auth::Grant;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_service::error::ErrorDetails;
use tradepost_service::{CommonConfig, Runtime};
use tradepost_testkit::{Broker, TestDatabase, Trust, broker, database, eventually};
use tradepost_types::{OrderId, TenantId};

use crate::participants::{Participants, subscriptions};

pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Everything the order service knows.
pub(crate) const RIGHTS: [&str; 5] = [
    "orders:place",
    "orders:read",
    "orders:cancel",
    "orders:price",
    "orders:operate",
];

pub(crate) type Client = OrderServiceClient<InterceptedService<Channel, CallContext>>;

pub(crate) struct Stage {
    pub(crate) database: TestDatabase,
    pub(crate) config: OrderConfig,
    pub(crate) participants: Participants,
    pub(crate) tenant: TenantId,
    pub(crate) client: Client,
    pub(crate) catalogue: Catalogue,
    pub(crate) trust: Arc<Trust>,
    /// Where it listens.
    url: String,
    broker: Broker,
    channel: Channel,
    shutdown: CancellationToken,
    _participants_database: TestDatabase,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) async fn migrated() -> TestDatabase {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    database(&MIGRATOR, &extra).await
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut OrderConfig)) -> Self {
        let broker = broker();
        let database = migrated().await;
        let catalogue = Catalogue::default();
        let inventory = catalogue.serve().await;
        let trust = Arc::new(Trust::new());
        trust.believe("order", &["items:read"]);
        let mut config = OrderConfig {
            server: common(&trust),
            database: database.config(),
            messaging: messaging_config(&broker),
            inventory: InventoryConfig {
                url: inventory.parse().unwrap(),
                timeout_ms: 20_000,
                price_cache_ttl_ms: 0,
                price_cache_items_max: 100,
            },
            saga: Default::default(),
            limits: Default::default(),
        };
        config.saga.deadline_poll_ms = 20;
        adjust(&mut config);
        let shutdown = CancellationToken::new();
        let (participants, participants_database) = participate(&broker, &shutdown).await;
        let definitions = Definitions::new(config.saga.policy());
        let url = serve(&config, definitions, &shutdown).await;
        let channel = connect(&url);
        let tenant = TenantId::new();
        Self {
            client: client(&channel, &trust, tenant),
            trust,
            database,
            config,
            participants,
            tenant,
            catalogue,
            url,
            broker,
            channel,
            shutdown,
            _participants_database: participants_database,
        }
    }

    /// Another process of the same service, with its own definitions.
    pub(crate) async fn second(&self, definitions: Definitions) -> (Client, CancellationToken) {
        let stop = self.shutdown.child_token();
        let mut config = self.config.clone();
        config.messaging = messaging_config(&self.broker);
        let url = serve(&config, definitions, &stop).await;
        (client(&connect(&url), &self.trust, self.tenant), stop)
    }

    pub(crate) fn as_tenant(&self, tenant: TenantId) -> Client {
        client(&self.channel, &self.trust, tenant)
    }

    /// A caller of this stage's tenant as this token says.
    pub(crate) fn granted(&self, change: impl FnOnce(&mut Grant)) -> Client {
        let mut grant = Grant::of_service("order", "tester", self.tenant, &RIGHTS);
        change(&mut grant);
        let context = CallContext::new(self.trust.gateway(), grant);
        OrderServiceClient::with_interceptor(self.channel.clone(), context)
    }

    /// A caller with gRPC's usual limits, and not those of our own clients.
    pub(crate) async fn plain(&self) -> Client {
        let endpoint = Endpoint::from_shared(self.url.clone()).unwrap();
        client(&endpoint.connect().await.unwrap(), &self.trust, self.tenant)
    }

    /// A caller who shows no token.
    pub(crate) fn stranger(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn admin(&self) -> PgConnection {
        self.database.admin().await
    }

    pub(crate) async fn place(&self, request: pb::PlaceOrderRequest) -> pb::Order {
        let placed = self.client.clone().place_order(request).await.unwrap();
        placed.into_inner().order.unwrap()
    }

    /// Places an order whose key is these bytes, and that holds nothing else.
    pub(crate) async fn place_raw(&self, key: Vec<u8>) -> Answer<pb::PlaceOrderResponse> {
        let mut context = self.trust.calls("order", self.tenant, &RIGHTS);
        let (metadata, extensions, ()) = context.call(Request::new(())).unwrap().into_parts();
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static("/tradepost.order.v1.OrderService/PlaceOrder");
        // A message whose first field holds bytes: any.
        let codec = MessageCodec::<Vec<u8>, pb::PlaceOrderResponse>::default();
        let request = Request::from_parts(metadata, extensions, key);
        grpc.unary(request, path, codec).await
    }

    pub(crate) async fn get(&self, id: &str) -> pb::Order {
        let order_id = id.to_owned();
        let request = pb::GetOrderRequest { order_id };
        let got = self.client.clone().get_order(request).await.unwrap();
        got.into_inner().order.unwrap()
    }

    pub(crate) async fn until(&self, id: &str, state: pb::OrderState) -> pb::Order {
        let what = format!("{id} is {state:?}");
        eventually(&what, SOON, async || {
            let order = self.get(id).await;
            (order.state() == state).then_some(order)
        })
        .await
    }

    pub(crate) async fn placed_until(
        &self,
        request: pb::PlaceOrderRequest,
        state: pb::OrderState,
    ) -> pb::Order {
        let order = self.place(request).await;
        self.until(&order.order_id, state).await
    }

    pub(crate) async fn timeline(&self, id: &str) -> pb::GetOrderTimelineResponse {
        let order_id = id.to_owned();
        let request = pb::GetOrderTimelineRequest { order_id };
        let answer = self.client.clone().get_order_timeline(request).await;
        answer.unwrap().into_inner()
    }

    pub(crate) async fn types(&self, id: &str) -> Vec<String> {
        let timeline = self.timeline(id).await;
        timeline
            .events
            .into_iter()
            .map(|event| event.r#type)
            .collect()
    }

    pub(crate) async fn cancel(&self, id: &str) -> Result<pb::Order, Status> {
        let request = pb::CancelOrderRequest {
            request_id: OrderId::new().to_string(),
            order_id: id.to_owned(),
            note: "changed my mind".into(),
        };
        let answer = self.client.clone().cancel_order(request).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    /// Sends an event about an order.
    pub(crate) async fn tell<E: Event + prost::Message>(&self, order: &str, body: &E) {
        let id: OrderId = order.parse().unwrap();
        let outgoing = Outgoing::required_event(E::KEY, self.tenant, body);
        let outgoing = outgoing.correlated(id.as_uuid());
        self.participants.send(vec![outgoing]).await;
    }
}

fn common(trust: &Trust) -> CommonConfig {
    CommonConfig {
        auth: trust.config("order"),
        listen_addr: "127.0.0.1:0".parse().unwrap(),
        admin_addr: "127.0.0.1:0".parse().unwrap(),
        ..CommonConfig::default()
    }
}

fn messaging_config(broker: &Broker) -> MessagingConfig {
    MessagingConfig {
        url: broker.url(),
        namespace: Some(broker.namespace().to_owned()),
        retry_poll_ms: 50,
        retry_backoff_min_ms: 50,
        ..MessagingConfig::default()
    }
}

async fn serve(
    config: &OrderConfig,
    definitions: Definitions,
    shutdown: &CancellationToken,
) -> String {
    let mut runtime = Runtime::bind("order", config.server.clone()).await.unwrap();
    runtime.shutdown = shutdown.child_token();
    let addr = runtime.listener.local_addr().unwrap();
    let serving = bootstrap::serve(config.clone(), runtime, definitions);
    tokio::spawn(async move { serving.await.unwrap() });
    format!("http://{addr}")
}

fn connect(url: &str) -> Channel {
    channel(url, &ClientOptions::default()).unwrap()
}

fn client(channel: &Channel, trust: &Trust, tenant: TenantId) -> Client {
    OrderServiceClient::with_interceptor(channel.clone(), trust.calls("order", tenant, &RIGHTS))
}

async fn participate(
    broker: &Broker,
    shutdown: &CancellationToken,
) -> (Participants, TestDatabase) {
    let none = Migrator::with_migrations(Vec::new());
    let test = database(&none, &[("messaging", &tradepost_messaging::MIGRATOR)]).await;
    let database = Database::connect_lazy(&test.config(), "participants").unwrap();
    let registry = tradepost_telemetry::Registry::new("participants");
    let mut messaging = registry.with(|registry| {
        let config = messaging_config(broker);
        Messaging::new(config, database.clone(), "participants", registry)
    });
    let participants = Participants::new(database, messaging.outbox());
    for subscription in subscriptions(&participants) {
        messaging.subscribe(subscription);
    }
    tokio::spawn(messaging.run(shutdown.clone()));
    (participants, test)
}

/// The inventory service's prices.
#[derive(Clone, Default)]
pub(crate) struct Catalogue {
    prices: Arc<std::sync::Mutex<HashMap<String, iv::Item>>>,
    authorization: Arc<std::sync::Mutex<Option<String>>>,
}

impl Catalogue {
    pub(crate) fn put(&self, sku: &str, price: i64, currency: &str, active: bool) {
        let item = iv::Item {
            sku: sku.to_owned(),
            name: format!("the {sku}"),
            price: Some(gbp_or(price, currency)),
            weight_grams: 7,
            active,
            ..iv::Item::default()
        };
        self.prices.lock().unwrap().insert(sku.to_owned(), item);
    }

    /// What the last caller showed.
    pub(crate) fn asked_with(&self) -> Option<String> {
        self.authorization.lock().unwrap().clone()
    }

    async fn serve(&self) -> String {
        for sku in ["MUG", "CUP", "OUT", "LAST", "SLOW", "SILENT"] {
            self.put(sku, 1_250, "GBP", true);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let service = InventoryServiceServer::new(self.clone());
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(incoming));
        url
    }
}

fn gbp_or(minor_units: i64, currency: &str) -> Money {
    Money {
        currency_code: currency.to_owned(),
        minor_units,
    }
}

pub(crate) fn gbp(minor_units: i64) -> Money {
    gbp_or(minor_units, "GBP")
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl InventoryService for Catalogue {
    async fn batch_get_items(
        &self,
        request: Request<iv::BatchGetItemsRequest>,
    ) -> Answer<iv::BatchGetItemsResponse> {
        let header = request.metadata().get("authorization");
        let header = header.map(|value| value.to_str().unwrap().to_owned());
        *self.authorization.lock().unwrap() = header;
        let prices = self.prices.lock().unwrap();
        let skus = request.into_inner().skus;
        Ok(Response::new(iv::BatchGetItemsResponse {
            items: skus
                .iter()
                .filter_map(|sku| prices.get(sku).cloned())
                .collect(),
            unknown_skus: vec![],
        }))
    }

    async fn put_item(&self, _: Request<iv::PutItemRequest>) -> Answer<iv::PutItemResponse> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn get_item(&self, _: Request<iv::GetItemRequest>) -> Answer<iv::GetItemResponse> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn list_items(&self, _: Request<iv::ListItemsRequest>) -> Answer<iv::ListItemsResponse> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn record_stock_movement(
        &self,
        _: Request<iv::RecordStockMovementRequest>,
    ) -> Answer<iv::RecordStockMovementResponse> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn list_stock_movements(
        &self,
        _: Request<iv::ListStockMovementsRequest>,
    ) -> Answer<iv::ListStockMovementsResponse> {
        Err(Status::unimplemented("not in this play"))
    }

    async fn get_reservation(
        &self,
        _: Request<iv::GetReservationRequest>,
    ) -> Answer<iv::GetReservationResponse> {
        Err(Status::unimplemented("not in this play"))
    }
}

/// A good order of two mugs.
pub(crate) fn request() -> pb::PlaceOrderRequest {
    pb::PlaceOrderRequest {
        request_id: OrderId::new().to_string(),
        customer_ref: "customer-1".into(),
        currency_code: "GBP".into(),
        lines: vec![line("MUG", 2)],
        shipping_address: Some(PostalAddress {
            recipient: "Ann Example".into(),
            lines: vec!["1 High Street".into()],
            city: "Leeds".into(),
            region: String::new(),
            postal_code: "LS1 1AA".into(),
            country_code: "GB".into(),
        }),
        payment_method: "pm_card_visa".into(),
    }
}

pub(crate) fn line(sku: &str, quantity: i64) -> pb::PlaceOrderLine {
    pb::PlaceOrderLine {
        sku: sku.into(),
        quantity,
        agreed_unit_price: None,
    }
}

pub(crate) fn of(sku: &str) -> pb::PlaceOrderRequest {
    pb::PlaceOrderRequest {
        lines: vec![line(sku, 1)],
        ..request()
    }
}

pub(crate) fn paid_by(method: &str) -> pb::PlaceOrderRequest {
    pb::PlaceOrderRequest {
        payment_method: method.into(),
        ..request()
    }
}

pub(crate) fn to(city: &str) -> pb::PlaceOrderRequest {
    let mut request = request();
    request.shipping_address.as_mut().unwrap().city = city.into();
    request
}

pub(crate) fn reason(status: &Status) -> String {
    ErrorDetails::from_status(status).reason
}
