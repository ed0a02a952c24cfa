//! A service under test: its database, its stores, its calls, and what it said.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use tonic::{Request, Status};
use tradepost_inventory::adapters::grpc::InventoryApi;
use tradepost_inventory::adapters::postgres::{MIGRATOR, PgInventory};
use tradepost_inventory::domain::{Action, Command};
use tradepost_inventory::ports::{Asked, ReservationStore};
use tradepost_messaging::{Message, Messaging, MessagingConfig, Outgoing};
use tradepost_postgres::{Database, idempotency};
use tradepost_proto::common::v1::Money;
use tradepost_proto::inventory::command::v1::ReleaseReservation;
use tradepost_proto::inventory::v1 as pb;
use tradepost_proto::inventory::v1::inventory_service_server::InventoryService;
use tradepost_service::auth::Caller;
use tradepost_service::error::ErrorDetails;
use tradepost_testkit::TestDatabase;
use tradepost_types::{OrderId, Quantity, ReservationId, Sku, TenantId};

/// The service without its process: nothing consumes, nothing leaves the outbox.
pub(crate) struct Warehouse {
    pub(crate) test_database: TestDatabase,
    pub(crate) database: Database,
    pub(crate) store: Arc<PgInventory>,
    pub(crate) api: InventoryApi,
    pub(crate) tenant: TenantId,
}

pub(crate) async fn fresh_database() -> TestDatabase {
    let extra = [
        (idempotency::SCHEMA, &idempotency::MIGRATOR),
        ("messaging", &tradepost_messaging::MIGRATOR),
    ];
    tradepost_testkit::database(&MIGRATOR, &extra).await
}

impl Warehouse {
    pub(crate) async fn open() -> Self {
        let test_database = fresh_database().await;
        let database = Database::connect_lazy(&test_database.config(), "inventory-test").unwrap();
        let config = MessagingConfig::default();
        let mut registry = Registry::default();
        let messaging = Messaging::new(config, database.clone(), "inventory", &mut registry);
        let store = Arc::new(PgInventory::new(database.clone(), messaging.outbox()));
        let api = InventoryApi::new(store.clone(), store.clone());
        Self {
            test_database,
            database,
            store,
            api,
            tenant: TenantId::new(),
        }
    }

    /// A call of the shop's own tenant.
    pub(crate) fn call<T>(&self, message: T) -> Request<T> {
        call_as(self.tenant, message)
    }

    /// An item with that many units.
    pub(crate) async fn stocked(&self, sku: &str, units: i64) {
        self.api.put_item(self.call(new_item(sku))).await.unwrap();
        if units > 0 {
            let received = movement(sku, pb::MovementKind::Received, units);
            self.api
                .record_stock_movement(self.call(received))
                .await
                .unwrap();
        }
    }

    pub(crate) async fn stock(&self, sku: &str) -> pb::Stock {
        let request = self.call(pb::GetItemRequest {
            sku: sku.to_owned(),
        });
        self.api
            .get_item(request)
            .await
            .unwrap()
            .into_inner()
            .item
            .unwrap()
            .stock
            .unwrap()
    }

    pub(crate) fn ask(&self, reservation: ReservationId, action: Action) -> Asked {
        let order = OrderId::from_uuid(reservation.as_uuid());
        let command = Command {
            tenant: self.tenant,
            reservation,
            order,
            action,
        };
        Asked {
            cause: cause(self.tenant, order),
            command,
        }
    }

    pub(crate) async fn carry_out(&self, reservation: ReservationId, action: Action) {
        self.store
            .carry_out(&[self.ask(reservation, action)])
            .await
            .unwrap();
    }

    /// What was said about a reservation, oldest first.
    pub(crate) async fn said(&self, reservation: ReservationId) -> Vec<String> {
        let mut tx = self.database.system_tx().await.unwrap();
        let keys = sqlx::query_scalar(
            "select routing_key from messaging.outbox where subject = $1 order by seq",
        )
        .bind(reservation.to_string())
        .fetch_all(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
        keys
    }

    /// The sum of an item's movements.
    pub(crate) async fn moved(&self, sku: &str) -> i64 {
        let mut tx = self.database.system_tx().await.unwrap();
        let sum = sqlx::query_scalar(
            "select coalesce(sum(delta), 0)::bigint from stock_movements where sku = $1",
        )
        .bind(sku)
        .fetch_one(tx.conn())
        .await
        .unwrap();
        tx.commit().await.unwrap();
        sum
    }
}

pub(crate) fn call_as<T>(tenant: TenantId, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::of_tenant(tenant, "tester", &[]);
    request.extensions_mut().insert(Arc::new(caller));
    request
}

fn cause(tenant: TenantId, order: OrderId) -> Message {
    let body = ReleaseReservation::default();
    Outgoing::command("inventory", "release", tenant, &body)
        .correlated(order.as_uuid())
        .message
}

pub(crate) fn reserve(lines: &[(&str, u32)]) -> Action {
    let line = |&(sku, units): &(&str, u32)| -> (Sku, Quantity) {
        (sku.parse().unwrap(), Quantity::try_from(units).unwrap())
    };
    Action::Reserve {
        lines: lines.iter().map(line).collect(),
        hold: time::Duration::minutes(15),
    }
}

pub(crate) fn new_item(sku: &str) -> pb::PutItemRequest {
    pb::PutItemRequest {
        request_id: format!("put-{}", ReservationId::new()),
        sku: sku.to_owned(),
        name: "A lantern".to_owned(),
        price: Some(Money {
            currency_code: "GBP".to_owned(),
            minor_units: 339,
        }),
        weight_grams: 250,
        active: true,
    }
}

pub(crate) fn movement(
    sku: &str,
    kind: pb::MovementKind,
    quantity: i64,
) -> pb::RecordStockMovementRequest {
    pb::RecordStockMovementRequest {
        request_id: format!("move-{}", ReservationId::new()),
        sku: sku.to_owned(),
        kind: kind.into(),
        quantity,
        reference: "stock take".to_owned(),
    }
}

/// The reason of a refusal.
pub(crate) fn reason<T>(answer: Result<T, Status>) -> String {
    let status = answer.err().expect("it is refused");
    ErrorDetails::from_status(&status).reason
}

/// The fields a refusal names.
pub(crate) fn fields<T>(answer: Result<T, Status>) -> Vec<String> {
    let status = answer.err().expect("it is refused");
    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.reason, "INVALID_FIELD");
    details
        .fields
        .into_iter()
        .map(|fault| fault.field)
        .collect()
}
