//! Orders as JSON.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tradepost_proto::order::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::domain::caller::Caller;
use crate::domain::rights::Permission;
use crate::http::caller::{need, own_reference};
use crate::http::problem::Problem;
use crate::http::values::{Address, Money, Time, instant, mirrored, present, text};

mirrored! {
    /// Where an order stands.
    OrderState of pb::OrderState {
        /// Accepted and durable; the stock is being reserved.
        Reserving,
        /// The stock is held; the payment is being authorised.
        Authorizing,
        /// The money is held; the stock is being committed and the parcel booked.
        Confirming,
        /// Stock sold, money held, parcel booked.
        Confirmed,
        /// The carrier has the parcel; the money is being captured.
        Capturing,
        /// The carrier has the parcel and the money is ours.
        Shipped,
        /// The parcel arrived. Final.
        Delivered,
        /// What was done is being undone.
        Cancelling,
        /// Undone at the customer's wish. Final.
        Cancelled,
        /// Undone because it could not be fulfilled. Final.
        Rejected,
        /// The parcel came back; the money is being refunded.
        Returning,
        /// The parcel came back and the money was refunded. Final.
        Returned,
        /// A step cannot go on by itself: an operator looks at it.
        NeedsAttention,
    }
}

/// A new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    /// The customer: the shop's own reference. Customers order for themselves: they leave it out,
    /// or give their user id. Everybody else must give it. No control characters.
    #[schema(
        min_length = 1,
        max_length = 100,
        example = "customer-4711",
        nullable = false
    )]
    customer_ref: Option<String>,
    /// ISO 4217; every price must be in it.
    #[schema(min_length = 3, max_length = 3, example = "GBP")]
    currency_code: String,
    /// What is ordered; the same SKU may stand on several lines.
    #[schema(min_items = 1, max_items = 2000)]
    lines: Vec<NewOrderLine>,
    /// Where the goods go.
    shipping_address: Address,
    /// The card provider's token: printable ASCII without spaces. Never a card number: a text with 12
    /// digits or more, and no letter among them, is refused as one.
    #[schema(
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]+$",
        example = "pm_card_visa"
    )]
    payment_method: String,
}

/// One line of a new order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrderLine {
    /// The item: at most 64 bytes, no control characters.
    #[schema(min_length = 1, max_length = 64, example = "85123A")]
    sku: String,
    /// Units.
    #[schema(minimum = 1, maximum = 1_000_000, example = 2)]
    quantity: i64,
    /// A price agreed with the customer, instead of the list price; not negative. It needs the
    /// permission `orders:price`.
    #[schema(nullable = false)]
    agreed_unit_price: Option<Money>,
}

impl NewOrder {
    /// The request of `caller`.
    ///
    /// # Errors
    /// A customer other than the caller, or an agreed price, without the right to give it.
    pub(super) fn into_request(
        self,
        request_id: String,
        caller: &Caller,
    ) -> Result<pb::PlaceOrderRequest, Problem> {
        let customer_ref = customer(caller, self.customer_ref)?;
        let agreed = |line: &NewOrderLine| line.agreed_unit_price.is_some();
        if let Some(line) = self.lines.iter().position(agreed) {
            let pointer = format!("/lines/{line}/agreed_unit_price");
            need(caller, Permission::OrdersPrice)
                .map_err(|problem| problem.pointer(pointer, "needs the permission orders:price"))?;
        }
        let lines = self.lines.into_iter().map(|line| pb::PlaceOrderLine {
            sku: line.sku,
            quantity: line.quantity,
            agreed_unit_price: line.agreed_unit_price.map(Into::into),
        });
        Ok(pb::PlaceOrderRequest {
            request_id,
            customer_ref,
            currency_code: self.currency_code,
            lines: lines.collect(),
            shipping_address: Some(self.shipping_address.into()),
            payment_method: self.payment_method,
        })
    }
}

/// Whose order it is to be: a customer's own, or whose the caller says.
fn customer(caller: &Caller, given: Option<String>) -> Result<String, Problem> {
    match (own_reference(caller), given) {
        (None, Some(given)) => Ok(given),
        (None, None) => {
            let detail = "customer_ref is required";
            Err(
                Problem::new(StatusCode::BAD_REQUEST, "INVALID_FIELD", detail)
                    .pointer("/customer_ref".to_owned(), "is required"),
            )
        }
        (Some(own), None) => Ok(own),
        (Some(own), Some(given)) if own == given => Ok(own),
        (Some(_), Some(_)) => {
            let detail = "customers order for themselves only";
            Err(
                Problem::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", detail).pointer(
                    "/customer_ref".to_owned(),
                    "must be left out, or be your user id",
                ),
            )
        }
    }
}

/// An order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Order {
    /// Its id.
    #[schema(example = "order_01h455vb4pex5vsknk084sn02q")]
    order_id: String,
    /// The customer: the shop's own reference.
    customer_ref: String,
    /// Where it stands.
    state: OrderState,
    /// The lines with the prices at the moment of acceptance; left out in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    lines: Vec<OrderLine>,
    /// The sum of the lines.
    total: Money,
    /// Where the goods go.
    shipping_address: Address,
    /// Why it was rejected, e.g. `OUT_OF_STOCK`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reject_reason: Option<String>,
    /// Why it needs attention.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attention_reason: Option<String>,
    /// The payment, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payment_id: Option<String>,
    /// The shipment, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    shipment_id: Option<String>,
    /// The reservation, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reservation_id: Option<String>,
    /// Grows by one with every event of the order.
    version: i64,
    /// The definition that the order follows, fixed when it was accepted.
    saga_version: i32,
    /// When it was accepted.
    create_time: Time,
    /// When it last changed.
    update_time: Time,
}

impl TryFrom<pb::Order> for Order {
    type Error = Problem;

    fn try_from(order: pb::Order) -> Result<Self, Problem> {
        let lines: Result<_, Problem> = order.lines.into_iter().map(OrderLine::try_from).collect();
        Ok(Self {
            order_id: order.order_id,
            customer_ref: order.customer_ref,
            state: OrderState::of(order.state),
            lines: lines?,
            total: present(order.total)?.into(),
            shipping_address: present(order.shipping_address)?.into(),
            reject_reason: text(order.reject_reason),
            attention_reason: text(order.attention_reason),
            payment_id: text(order.payment_id),
            shipment_id: text(order.shipment_id),
            reservation_id: text(order.reservation_id),
            version: order.version,
            saga_version: order.saga_version,
            create_time: instant(order.create_time)?,
            update_time: instant(order.update_time)?,
        })
    }
}

/// One line of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderLine {
    /// Its place, from 1.
    line_number: i32,
    /// The item.
    sku: String,
    /// The item's name at acceptance.
    name: String,
    /// Units.
    quantity: i64,
    /// The price of one unit: the agreed one, or the list price at acceptance.
    unit_price: Money,
    /// Whether the caller gave the price.
    agreed_price: bool,
    /// The price of all units.
    total: Money,
}

impl TryFrom<pb::OrderLine> for OrderLine {
    type Error = Problem;

    fn try_from(line: pb::OrderLine) -> Result<Self, Problem> {
        Ok(Self {
            line_number: line.line_number,
            sku: line.sku,
            name: line.name,
            quantity: line.quantity,
            unit_price: present(line.unit_price)?.into(),
            agreed_price: line.agreed_price,
            total: present(line.total)?.into(),
        })
    }
}

/// Which orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OrderFilter {
    /// Only orders in this state; may be given more than once.
    #[serde(default)]
    #[param(required = false, explode = true, max_items = 20)]
    state: Vec<OrderState>,
    /// Only orders of this customer.
    #[serde(default)]
    #[param(required = false, max_length = 100)]
    customer_ref: String,
    /// Only orders accepted at this time or later.
    #[param(nullable = false, value_type = String, format = DateTime)]
    create_time_from: Option<Time>,
    /// Only orders accepted before this time.
    #[param(nullable = false, value_type = String, format = DateTime)]
    create_time_until: Option<Time>,
    /// Orders a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false, max_length = 2048)]
    page_token: String,
}

impl OrderFilter {
    /// The request of `caller`, who sees no orders of others if they reach only their own.
    ///
    /// # Errors
    /// Another customer than the caller, who reaches only their own.
    pub(super) fn into_request(self, caller: &Caller) -> Result<pb::ListOrdersRequest, Problem> {
        let customer_ref = match own_reference(caller) {
            None => self.customer_ref,
            Some(own) if self.customer_ref.is_empty() || self.customer_ref == own => own,
            Some(_) => {
                let detail = "customers see their own orders only";
                return Err(
                    Problem::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", detail)
                        .parameter("customer_ref", "must be left out, or be your user id"),
                );
            }
        };
        let states = self.state.into_iter();
        Ok(pb::ListOrdersRequest {
            page_size: self.page_size,
            page_token: self.page_token,
            states: states
                .map(|state| pb::OrderState::from(state).into())
                .collect(),
            customer_ref,
            create_time_from: self.create_time_from.map(Into::into),
            create_time_until: self.create_time_until.map(Into::into),
        })
    }
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OrderPage {
    /// Newest first, without their lines.
    orders: Vec<Order>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::ListOrdersResponse> for OrderPage {
    type Error = Problem;

    fn try_from(page: pb::ListOrdersResponse) -> Result<Self, Problem> {
        let orders: Result<_, Problem> = page.orders.into_iter().map(Order::try_from).collect();
        Ok(Self {
            orders: orders?,
            next_page_token: text(page.next_page_token),
        })
    }
}

/// The wish to cancel an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancellation {
    /// Why, for people. No control characters.
    #[schema(nullable = false, max_length = 200)]
    pub(super) note: Option<String>,
}

/// The history of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Timeline {
    /// Oldest first.
    events: Vec<TimelineEvent>,
    /// What the order waits for; left out when it is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    waiting: Option<Waiting>,
}

/// One thing that happened to an order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TimelineEvent {
    /// The order's version after it.
    version: i64,
    /// What happened, e.g. `stock_reserved`.
    #[serde(rename = "type")]
    kind: String,
    /// The state after it.
    state: OrderState,
    /// For people.
    description: String,
    /// The message, request or timer that caused it.
    cause: String,
    /// The trace it happened in, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trace_id: Option<String>,
    /// When.
    create_time: Time,
}

/// What an order waits for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Waiting {
    /// E.g. `the payment service's answer to payment.authorize`.
    awaited: String,
    /// What happens next if nothing comes.
    at_deadline: String,
    /// Until when it waits; left out: without limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deadline: Option<Time>,
    /// How often the step was tried.
    attempts: i32,
}

impl TryFrom<pb::GetOrderTimelineResponse> for Timeline {
    type Error = Problem;

    fn try_from(timeline: pb::GetOrderTimelineResponse) -> Result<Self, Problem> {
        let events = timeline.events.into_iter().map(|event| {
            Ok(TimelineEvent {
                version: event.version,
                kind: event.r#type,
                state: OrderState::of(event.state),
                description: event.description,
                cause: event.cause,
                trace_id: text(event.trace_id),
                create_time: instant(event.create_time)?,
            })
        });
        let waiting = timeline.waiting.map(|waiting| {
            let deadline = waiting.deadline.map(|deadline| instant(Some(deadline)));
            Ok::<_, Problem>(Waiting {
                awaited: waiting.awaited,
                at_deadline: waiting.at_deadline,
                deadline: deadline.transpose()?,
                attempts: waiting.attempts,
            })
        });
        Ok(Self {
            events: events.collect::<Result<_, Problem>>()?,
            waiting: waiting.transpose()?,
        })
    }
}
