//! A service under test: its store, its use cases, its calls, and what it said.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tradepost_messaging::{Messaging, MessagingConfig, Outgoing};
use tradepost_postgres::{Database, idempotency};
use tradepost_proto::shipping::command::v1::VoidShipment;
use tradepost_proto::shipping::v1 as pb;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingService;
use tradepost_service::auth::Caller;
use tradepost_service::error::ErrorDetails;
use tradepost_shipping::adapters::grpc::ShippingApi;
use tradepost_shipping::adapters::mishaps::Mishaps;
use tradepost_shipping::adapters::postgres::{MIGRATOR, PgShipments};
use tradepost_shipping::adapters::table_rate::TableRate;
use tradepost_shipping::application::{
    Action, CarryOut, ClockLimits, Command, Courier, MoveParcels, Patience,
};
use tradepost_shipping::config::{CarrierConfig, MishapsConfig};
use tradepost_shipping::domain::{Address, Parcel};
use tradepost_shipping::metrics::Metrics;
use tradepost_shipping::ports::{AnyCarrier, Shipments};
use tradepost_testkit::TestDatabase;
use tradepost_types::{Currency, OrderId, ShipmentId, TenantId};

/// A carrier that moves at once.
pub(crate) const AT_ONCE: CarrierConfig = CarrierConfig {
    hand_over_after_ms: 0,
    in_transit_after_ms: 0,
    out_for_delivery_after_ms: 0,
    deliver_after_ms: 0,
};
/// A carrier that does not move while a test runs.
pub(crate) const NEVER: CarrierConfig = CarrierConfig {
    hand_over_after_ms: 86_400_000,
    in_transit_after_ms: 86_400_000,
    out_for_delivery_after_ms: 86_400_000,
    deliver_after_ms: 86_400_000,
};

/// One short try an attempt, so that the durable attempts are what is tested.
const PATIENCE: Patience = Patience {
    call: Duration::from_millis(200),
    tries_max: 1,
    pause_min: Duration::from_millis(10),
    pause_max: Duration::from_millis(10),
};

/// The service without its process: nothing consumes, nothing leaves the outbox.
pub(crate) struct Depot {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
    pub(crate) store: Shipments,
    pub(crate) carry_out: CarryOut,
    pub(crate) api: ShippingApi,
    pub(crate) tenant: TenantId,
    courier: Courier,
}

pub(crate) async fn fresh_database() -> TestDatabase {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    tradepost_testkit::database(&MIGRATOR, &extra).await
}

impl Depot {
    pub(crate) async fn open(clock: CarrierConfig) -> Self {
        let carrier = Arc::new(TableRate::new(clock));
        Self::with(Arc::new(Mishaps::new(carrier, MishapsConfig::default()))).await
    }

    pub(crate) async fn with(carrier: AnyCarrier) -> Self {
        let test_database = fresh_database().await;
        let database = Database::connect_lazy(&test_database.config(), "shipping-test").unwrap();
        let store: Shipments = Arc::new(store(&database));
        let courier = Courier::new(carrier, PATIENCE, Metrics::default());
        Self {
            test_database,
            database,
            carry_out: CarryOut::new(store.clone(), courier.clone(), Metrics::default()),
            api: ShippingApi::new(store.clone(), courier.clone()),
            tenant: TenantId::new(),
            store,
            courier,
        }
    }

    /// Lets the carrier's clock tick until the token is cancelled.
    pub(crate) fn start_clock(&self, stop: CancellationToken) {
        tokio::spawn(self.clock().run(stop));
    }

    /// The use case once more, for a consumer to own.
    pub(crate) fn another_carry_out(&self) -> CarryOut {
        CarryOut::new(self.store.clone(), self.courier.clone(), Metrics::default())
    }

    pub(crate) fn clock(&self) -> MoveParcels {
        self.clock_with(Duration::from_millis(10), Duration::ZERO)
    }

    /// One that looks so often, and so far apart under load.
    pub(crate) fn clock_with(&self, poll: Duration, gap: Duration) -> MoveParcels {
        let (store, courier) = (self.store.clone(), self.courier.clone());
        let limits = ClockLimits {
            poll,
            gap,
            batch_max: 100,
        };
        MoveParcels::new(store, courier, Metrics::default(), limits)
    }

    /// The same service in another process: it shares nothing but the database.
    pub(crate) fn in_another_process(&self) -> CarryOut {
        let store = Arc::new(store(&self.database));
        CarryOut::new(store, self.courier.clone(), Metrics::default())
    }

    pub(crate) fn call<T>(&self, message: T) -> Request<T> {
        call_as(self.tenant, message)
    }

    pub(crate) fn book(&self, order: OrderId, region: &str) -> Command {
        let shipment = shipment_of(order);
        let parcel = Parcel {
            id: shipment,
            order,
            destination: address(region),
            weight_grams: 1_500,
            currency: Currency::GBP,
        };
        self.command(shipment, order, Action::Book(parcel))
    }

    pub(crate) fn void(&self, order: OrderId) -> Command {
        self.command(shipment_of(order), order, Action::Void)
    }

    fn command(&self, shipment: ShipmentId, order: OrderId, action: Action) -> Command {
        let body = VoidShipment::default();
        let sent = Outgoing::command("shipping", "void", self.tenant, &body);
        let cause = sent.correlated(order.as_uuid()).message;
        Command {
            cause,
            shipment,
            order,
            action,
        }
    }

    /// What was said about an order's parcel, oldest first.
    pub(crate) async fn said(&self, order: OrderId) -> Vec<String> {
        let mut tx = self.database.system_tx().await.unwrap();
        let keys = sqlx::query_scalar(
            "select routing_key from messaging.outbox where subject = $1 order by seq",
        )
        .bind(shipment_of(order).to_string())
        .fetch_all(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
        keys
    }

    pub(crate) async fn get(&self, order: OrderId) -> pb::Shipment {
        let shipment_id = shipment_of(order).to_string();
        let request = self.call(pb::GetShipmentRequest { shipment_id });
        self.api
            .get_shipment(request)
            .await
            .unwrap()
            .into_inner()
            .shipment
            .unwrap()
    }
}

fn store(database: &Database) -> PgShipments {
    let (config, mut registry) = (MessagingConfig::default(), Registry::default());
    let messaging = Messaging::new(config, database.clone(), "shipping", &mut registry);
    PgShipments::new(database.clone(), messaging.outbox())
}

pub(crate) fn shipment_of(order: OrderId) -> ShipmentId {
    ShipmentId::derive(order.as_uuid(), "shipment/1")
}

pub(crate) fn call_as<T>(tenant: TenantId, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::of_tenant(tenant, "tester", &[]);
    request.extensions_mut().insert(Arc::new(caller));
    request
}

pub(crate) fn address(region: &str) -> Address {
    Address {
        recipient: "A. Customer".into(),
        lines: vec!["1 High Street".into()],
        city: "Leeds".into(),
        region: region.into(),
        postal_code: "LS1 1AA".into(),
        country_code: "GB".into(),
    }
}

pub(crate) fn reason<T>(answer: Result<T, Status>) -> String {
    ErrorDetails::from_status(&answer.err().expect("it is refused")).reason
}

pub(crate) fn fields<T>(answer: Result<T, Status>) -> Vec<String> {
    let details = ErrorDetails::from_status(&answer.err().expect("it is refused"));
    details
        .fields
        .into_iter()
        .map(|fault| fault.field)
        .collect()
}
