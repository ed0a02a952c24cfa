//! From orders to protobuf.

use tradepost_proto::common::v1::PostalAddress;
use tradepost_proto::convert::{money_to_proto, timestamp_to_proto};
use tradepost_proto::order::v1 as pb;
use tradepost_types::Money;

use crate::application::History;
use crate::domain::{Line, Order, OrderState, Recorded, Waiting};

/// An order with its lines.
pub(super) fn order(order: &Order, lines: &[Line]) -> pb::Order {
    let lines = lines.iter().zip(1..).map(|(line, number)| pb::OrderLine {
        line_number: number,
        sku: line.sku.to_string(),
        name: line.name.clone(),
        quantity: i64::from(line.quantity.get()),
        unit_price: Some(money_to_proto(line.unit_price)),
        agreed_price: line.agreed_price,
        total: Some(money_to_proto(line_total(line))),
    });
    pb::Order {
        lines: lines.collect(),
        ..without_lines(order)
    }
}

/// The product was checked when the order was accepted.
fn line_total(line: &Line) -> Money {
    line.unit_price
        .checked_mul(line.quantity)
        .unwrap_or(Money::new(i64::MAX, line.unit_price.currency()))
}

/// An order as lists and watches show it.
pub(super) fn without_lines(order: &Order) -> pb::Order {
    let asked = order.saga.asked;
    let address = &order.details.address;
    let attention = order.saga.phase.attention();
    pb::Order {
        order_id: order.id.to_string(),
        customer_ref: order.details.customer_ref.clone(),
        state: state(order.saga.phase.state()).into(),
        lines: Vec::new(),
        total: Some(money_to_proto(order.details.total)),
        shipping_address: Some(PostalAddress {
            recipient: address.recipient.clone(),
            lines: address.lines.clone(),
            city: address.city.clone(),
            region: address.region.clone(),
            postal_code: address.postal_code.clone(),
            country_code: address.country_code.clone(),
        }),
        reject_reason: order.reject_reason().unwrap_or_default().to_owned(),
        attention_reason: attention
            .map(|stuck| stuck.reason.clone())
            .unwrap_or_default(),
        payment_id: some_if(asked.payment, || order.payment().to_string()),
        shipment_id: some_if(asked.shipment, || order.shipment().to_string()),
        reservation_id: order.current_reservation().to_string(),
        version: order.version,
        saga_version: order.saga_version,
        create_time: Some(timestamp_to_proto(order.created_at)),
        update_time: Some(timestamp_to_proto(order.updated_at)),
    }
}

fn some_if(reached: bool, text: impl FnOnce() -> String) -> String {
    if reached { text() } else { String::new() }
}

/// A stuck order; `None` if it is not stuck.
pub(super) fn stuck(order: &Order) -> Option<pb::StuckOrder> {
    let stuck = order.saga.phase.attention()?;
    let skip = stuck.step.is_skippable().then_some("skip");
    let verbs = ["retry"].into_iter().chain(skip).chain(["abandon"]);
    Some(pb::StuckOrder {
        order: Some(without_lines(order)),
        step: stuck.step.name().to_owned(),
        verbs: verbs.map(str::to_owned).collect(),
    })
}

/// A history.
pub(super) fn timeline(history: History) -> pb::GetOrderTimelineResponse {
    pb::GetOrderTimelineResponse {
        events: history.events.into_iter().map(event).collect(),
        waiting: history.waiting.map(waiting),
    }
}

fn event(recorded: Recorded) -> pb::TimelineEvent {
    pb::TimelineEvent {
        version: recorded.version,
        r#type: recorded.event.kind.name().to_owned(),
        state: state(recorded.event.saga.phase.state()).into(),
        description: recorded.event.description,
        cause: recorded.cause,
        trace_id: recorded.trace_id,
        create_time: Some(timestamp_to_proto(recorded.at)),
    }
}

fn waiting(waiting: Waiting) -> pb::Waiting {
    pb::Waiting {
        awaited: waiting.awaited,
        at_deadline: waiting.at_deadline,
        deadline: waiting.deadline.map(timestamp_to_proto),
        attempts: i32::try_from(waiting.attempts).unwrap_or(i32::MAX),
    }
}

const fn state(state: OrderState) -> pb::OrderState {
    match state {
        OrderState::Reserving => pb::OrderState::Reserving,
        OrderState::Authorizing => pb::OrderState::Authorizing,
        OrderState::Confirming => pb::OrderState::Confirming,
        OrderState::Confirmed => pb::OrderState::Confirmed,
        OrderState::Capturing => pb::OrderState::Capturing,
        OrderState::Shipped => pb::OrderState::Shipped,
        OrderState::Delivered => pb::OrderState::Delivered,
        OrderState::Cancelling => pb::OrderState::Cancelling,
        OrderState::Cancelled => pb::OrderState::Cancelled,
        OrderState::Rejected => pb::OrderState::Rejected,
        OrderState::Returning => pb::OrderState::Returning,
        OrderState::Returned => pb::OrderState::Returned,
        OrderState::NeedsAttention => pb::OrderState::NeedsAttention,
    }
}

/// Back again; `None` for "unspecified".
pub(super) fn parse_state(given: pb::OrderState) -> Option<OrderState> {
    let mut all = OrderState::ALL.iter().copied();
    all.find(|known| state(*known) == given)
}
