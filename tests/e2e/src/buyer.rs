//! A buyer who repeats what was not answered, with the same key, until there is an answer.

use std::collections::BTreeMap;
use std::future::Future;

use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tradepost_proto::common::v1::{Money, PostalAddress};
use tradepost_proto::inventory::v1 as iv;
use tradepost_proto::inventory::v1::inventory_service_client::InventoryServiceClient;
use tradepost_proto::order::v1 as pb;
use tradepost_proto::order::v1::OrderState;
use tradepost_proto::order::v1::order_service_client::OrderServiceClient;
use tradepost_proto::payment::v1 as pay;
use tradepost_proto::payment::v1::payment_service_client::PaymentServiceClient;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_testkit::{Trust, eventually};
use tradepost_types::{OrderId, TenantId};

use crate::{SOON, Service, Unit};

/// What the buyer may do, at whatever service.
const RIGHTS: [&str; 9] = [
    "orders:place",
    "orders:read",
    "orders:cancel",
    "orders:price",
    "orders:operate",
    "items:read",
    "items:write",
    "inventory:adjust",
    "payments:read",
];

/// The channel of every client.
pub type Client = InterceptedService<Channel, CallContext>;

/// Buys, cancels and looks on, as one tenant.
#[derive(Debug, Clone)]
pub struct Buyer {
    /// The order service.
    pub orders: OrderServiceClient<Client>,
    /// The inventory service.
    pub items: InventoryServiceClient<Client>,
    /// The payment service.
    pub payments: PaymentServiceClient<Client>,
}

/// An order of those `(sku, quantity)`, paid with `card`, under a key of its own.
#[must_use]
pub fn basket(lines: &[(&str, i64)], card: &str) -> pb::PlaceOrderRequest {
    let line = |&(sku, quantity): &(&str, i64)| pb::PlaceOrderLine {
        sku: sku.to_owned(),
        quantity,
        agreed_unit_price: None,
    };
    pb::PlaceOrderRequest {
        request_id: OrderId::new().to_string(),
        customer_ref: "ada".to_owned(),
        currency_code: "GBP".to_owned(),
        lines: lines.iter().map(line).collect(),
        shipping_address: Some(PostalAddress {
            recipient: "Ada Example".to_owned(),
            lines: vec!["1 Sample Street".to_owned()],
            city: "London".to_owned(),
            region: String::new(),
            postal_code: "N1 9GU".to_owned(),
            country_code: "GB".to_owned(),
        }),
        payment_method: card.to_owned(),
    }
}

impl Buyer {
    pub(crate) fn of(units: &BTreeMap<Service, Unit>, trust: &Trust, tenant: TenantId) -> Self {
        let client = |service: Service| {
            let options = ClientOptions::default();
            let channel = channel(&units[&service].url(), &options).unwrap();
            let calls = trust.calls(service.name(), tenant, &RIGHTS);
            Client::new(channel, calls.deadline(SOON))
        };
        Self {
            orders: OrderServiceClient::new(client(Service::Order)),
            items: InventoryServiceClient::new(client(Service::Inventory)),
            payments: PaymentServiceClient::new(client(Service::Payment)),
        }
    }

    /// Puts an item of 10.00 GBP in the catalogue and so many of it in stock.
    pub async fn stock(&self, sku: &str, quantity: i64) {
        let item = iv::PutItemRequest {
            request_id: format!("item-{sku}"),
            sku: sku.to_owned(),
            name: format!("Item {sku}"),
            price: Some(Money {
                currency_code: "GBP".to_owned(),
                minor_units: 1_000,
            }),
            weight_grams: 250,
            active: true,
        };
        self.items.clone().put_item(item).await.unwrap();
        self.receive(sku, quantity).await;
    }

    /// So many more of an item in stock.
    pub async fn receive(&self, sku: &str, quantity: i64) -> iv::Stock {
        let movement = iv::RecordStockMovementRequest {
            request_id: OrderId::new().to_string(),
            sku: sku.to_owned(),
            kind: iv::MovementKind::Received.into(),
            quantity,
            reference: "e2e".to_owned(),
        };
        let moved = self.items.clone().record_stock_movement(movement).await;
        moved.unwrap();
        self.stock_of(sku).await
    }

    /// The stock of an item.
    pub async fn stock_of(&self, sku: &str) -> iv::Stock {
        let sku = sku.to_owned();
        let got = self
            .items
            .clone()
            .get_item(iv::GetItemRequest { sku })
            .await;
        got.unwrap().into_inner().item.unwrap().stock.unwrap()
    }

    /// Places the order, repeating it until it is taken.
    pub async fn place(&self, request: pb::PlaceOrderRequest) -> pb::Order {
        let placed = insist("PlaceOrder", || {
            let (mut orders, request) = (self.orders.clone(), request.clone());
            async move { orders.place_order(request).await }
        })
        .await;
        placed.unwrap().order.unwrap()
    }

    /// Cancels the order, repeating it until it is answered; `Err` when it is too late for that.
    ///
    /// # Errors
    /// What the service says to a cancellation it does not accept.
    pub async fn cancel(&self, order_id: &str) -> Result<pb::Order, Status> {
        let request = pb::CancelOrderRequest {
            request_id: format!("cancel-{order_id}"),
            order_id: order_id.to_owned(),
            note: "changed my mind".to_owned(),
        };
        let cancelled = insist("CancelOrder", || {
            let (mut orders, request) = (self.orders.clone(), request.clone());
            async move { orders.cancel_order(request).await }
        })
        .await;
        Ok(cancelled?.order.unwrap())
    }

    /// The order as it stands.
    pub async fn get(&self, order_id: &str) -> pb::Order {
        let got = insist("GetOrder", || {
            let (mut orders, order_id) = (self.orders.clone(), order_id.to_owned());
            async move { orders.get_order(pb::GetOrderRequest { order_id }).await }
        })
        .await;
        got.unwrap().order.unwrap()
    }

    /// Waits until `wanted` says yes to the order.
    ///
    /// # Panics
    /// If the order needs attention first.
    pub async fn until(&self, order_id: &str, wanted: impl Fn(OrderState) -> bool) -> pb::Order {
        let what = format!("the wanted state of {order_id}");
        eventually(&what, SOON, async || {
            let order = self.get(order_id).await;
            let reason = &order.attention_reason;
            let stuck = order.state() == OrderState::NeedsAttention;
            assert!(
                !stuck || wanted(order.state()),
                "{order_id} is stuck: {reason}"
            );
            wanted(order.state()).then_some(order)
        })
        .await
    }

    /// Waits for the end of the order.
    pub async fn ended(&self, order_id: &str) -> pb::Order {
        self.until(order_id, has_ended).await
    }

    /// Places the order and waits for its end.
    pub async fn buy(&self, request: pb::PlaceOrderRequest) -> pb::Order {
        let placed = self.place(request).await;
        self.ended(&placed.order_id).await
    }

    /// The payment of an order.
    pub async fn payment(&self, payment_id: &str) -> pay::Payment {
        let got = insist("GetPayment", || {
            let (mut payments, payment_id) = (self.payments.clone(), payment_id.to_owned());
            async move {
                payments
                    .get_payment(pay::GetPaymentRequest { payment_id })
                    .await
            }
        })
        .await;
        got.unwrap().payment.unwrap()
    }
}

/// Whether nothing more happens to an order by itself.
const fn has_ended(state: OrderState) -> bool {
    matches!(
        state,
        OrderState::Delivered | OrderState::Cancelled | OrderState::Rejected | OrderState::Returned
    )
}

/// Calls until there is an answer that another try would not change.
async fn insist<T, F>(what: &str, call: impl Fn() -> F) -> Result<T, Status>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    eventually(what, SOON, async || match call().await {
        Ok(response) => Some(Ok(response.into_inner())),
        Err(status) if passes(status.code()) => None,
        Err(status) => Some(Err(status)),
    })
    .await
}

/// What a server that dies, starts or is overloaded answers; tonic reports a connection that was
/// cut amid a call as any of the last three.
const fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
    )
}
