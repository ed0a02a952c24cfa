//! From the machine's commands and facts to messages.

use tradepost_messaging::{Message, Outgoing, Route};
use tradepost_proto::common::v1::PostalAddress;
use tradepost_proto::convert::money_to_proto;
use tradepost_proto::inventory::command::v1 as inventory;
use tradepost_proto::order::event::v1 as fact;
use tradepost_proto::payment::command::v1 as payment;
use tradepost_proto::routing;
use tradepost_proto::shipping::command::v1 as shipping;

use crate::domain::saga::{Command, Fact};
use crate::domain::{Address, Line, Order};

/// What made an order move.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// A message of a participant.
    Message(&'a Message),
    /// A call.
    Request {
        /// Its request id.
        id: &'a str,
        /// Its trace, if it has one.
        traceparent: Option<&'a str>,
    },
    /// A deadline.
    Timer,
}

impl<'a> Cause<'a> {
    /// A message of a participant.
    #[must_use]
    pub const fn message(message: &'a Message) -> Self {
        Self::Message(message)
    }

    /// A call with its trace, which need not be the current one: batches hold many.
    #[must_use]
    pub const fn request(id: &'a str, traceparent: Option<&'a str>) -> Self {
        Self::Request { id, traceparent }
    }

    /// As the history shows it.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Message(message) => message.id.to_string(),
            Self::Request { id, .. } => format!("request:{id}"),
            Self::Timer => "timer".to_owned(),
        }
    }

    /// The message, if it was one.
    #[must_use]
    pub const fn as_message(&self) -> Option<&'a Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::Request { .. } | Self::Timer => None,
        }
    }

    /// The trace to go on with: the message's or the call's; a timer continues the order's.
    fn traceparent(&self, order: &Order) -> Option<String> {
        match self {
            Self::Message(message) => message.traceparent.clone(),
            Self::Request { traceparent, .. } => traceparent.map(str::to_owned),
            Self::Timer => None,
        }
        .or_else(|| order.details.traceparent.clone())
    }

    /// The id of that trace; empty when unknown.
    #[must_use]
    pub fn trace_id(&self, order: &Order) -> String {
        trace_id(self.traceparent(order).as_deref())
    }
}

/// The trace id of a `traceparent` header; empty when unknown.
#[must_use]
pub fn trace_id(traceparent: Option<&str>) -> String {
    let id = traceparent.and_then(|header| header.split('-').nth(1));
    id.unwrap_or_default().to_owned()
}

/// What messages need besides the order.
#[derive(Debug, Clone, Copy)]
pub struct Supplement<'a> {
    /// The lines, wanted by a reservation.
    pub lines: &'a [Line],
    /// How long stock is held.
    pub hold_seconds: i64,
}

/// Renders everything one transition sends; `order` is as it is after it.
#[must_use]
pub fn outgoing(
    order: &Order,
    cause: &Cause<'_>,
    commands: &[Command],
    facts: &[Fact],
    supplement: Supplement<'_>,
) -> Vec<Outgoing> {
    let writer = Writer { order, supplement };
    let commands = commands.iter().map(|command| writer.command(*command));
    let facts = facts.iter().map(|fact| writer.fact(fact));
    let traceparent = cause.traceparent(order);
    commands
        .chain(facts)
        .map(|outgoing| {
            let mut outgoing = outgoing
                .about(order.id.to_string(), order.version)
                .correlated(order.id.as_uuid())
                .traced(traceparent.clone());
            outgoing.message.causation = cause.as_message().map(|message| message.id);
            outgoing
        })
        .collect()
}

struct Writer<'a> {
    order: &'a Order,
    supplement: Supplement<'a>,
}

impl Writer<'_> {
    fn to<C: routing::Command + prost::Message>(&self, body: &C) -> Outgoing {
        Outgoing::command(
            C::SERVICE,
            <C as routing::Command>::NAME,
            self.order.tenant,
            body,
        )
    }

    fn tell<E: routing::Event + prost::Message>(&self, body: &E) -> Outgoing {
        let mut outgoing = Outgoing::event(E::KEY, self.order.tenant, body);
        outgoing.route = Route::Event {
            key: E::KEY,
            required: E::REPLY,
        };
        outgoing
    }

    fn command(&self, command: Command) -> Outgoing {
        let order_id = self.order.id.to_string();
        let hold_seconds = self.supplement.hold_seconds;
        match command {
            Command::ReserveStock(id) => self.to(&inventory::ReserveStock {
                reservation_id: id.to_string(),
                order_id,
                lines: self.reserve_lines(),
                hold_seconds,
            }),
            Command::ExtendReservation(id) => self.to(&inventory::ExtendReservation {
                reservation_id: id.to_string(),
                order_id,
                hold_seconds,
            }),
            Command::CommitReservation(id) => self.to(&inventory::CommitReservation {
                reservation_id: id.to_string(),
                order_id,
            }),
            Command::ReleaseReservation(id) => self.to(&inventory::ReleaseReservation {
                reservation_id: id.to_string(),
                order_id,
            }),
            Command::AuthorizePayment(id) => self.to(&payment::AuthorizePayment {
                payment_id: id.to_string(),
                order_id,
                amount: Some(money_to_proto(self.order.details.total)),
                payment_method: self.order.details.payment_method.clone(),
            }),
            Command::CapturePayment(id) => self.to(&payment::CapturePayment {
                payment_id: id.to_string(),
                order_id,
                amount: None,
            }),
            Command::VoidPayment(id) => self.to(&payment::VoidPayment {
                payment_id: id.to_string(),
                order_id,
            }),
            Command::RefundPayment(refund, id) => self.to(&payment::RefundPayment {
                refund_id: refund.to_string(),
                payment_id: id.to_string(),
                order_id,
                amount: None,
            }),
            Command::BookShipment(id) => self.to(&shipping::BookShipment {
                shipment_id: id.to_string(),
                order_id,
                destination: Some(address(&self.order.details.address)),
                weight_grams: self.order.details.weight_grams,
                currency_code: self.order.details.total.currency().code().to_owned(),
            }),
            Command::VoidShipment(id) => self.to(&shipping::VoidShipment {
                shipment_id: id.to_string(),
                order_id,
            }),
        }
    }

    fn reserve_lines(&self) -> Vec<inventory::ReserveLine> {
        let lines = self.supplement.lines.iter();
        lines
            .map(|line| inventory::ReserveLine {
                sku: line.sku.to_string(),
                quantity: i64::from(line.quantity.get()),
            })
            .collect()
    }

    fn fact(&self, told: &Fact) -> Outgoing {
        let order_id = self.order.id.to_string();
        let details = &self.order.details;
        let customer_ref = details.customer_ref.clone();
        let total = Some(money_to_proto(details.total));
        let unit_count = details.unit_count;
        let age = self.order.updated_at - self.order.created_at;
        let duration_ms = i64::try_from(age.whole_milliseconds()).unwrap_or(i64::MAX);
        match told {
            Fact::Placed => self.tell(&fact::OrderPlaced {
                order_id,
                customer_ref,
                total,
                line_count: details.line_count,
                unit_count,
            }),
            Fact::Confirmed => self.tell(&fact::OrderConfirmed {
                order_id,
                customer_ref,
                total,
                unit_count,
                duration_ms,
            }),
            Fact::Rejected { reason } => self.tell(&fact::OrderRejected {
                order_id,
                customer_ref,
                reason: reason.clone(),
                duration_ms,
            }),
            Fact::Cancelled => self.tell(&fact::OrderCancelled {
                order_id,
                customer_ref,
                duration_ms,
            }),
            Fact::Shipped => self.tell(&fact::OrderShipped {
                order_id,
                customer_ref,
                shipment_id: self.order.shipment().to_string(),
                total,
                duration_ms,
            }),
            Fact::Delivered => self.tell(&fact::OrderDelivered {
                order_id,
                customer_ref,
                duration_ms,
            }),
            Fact::Returned => self.tell(&fact::OrderReturned {
                order_id,
                customer_ref,
                total,
                duration_ms,
            }),
            Fact::Refunded { refund, amount } => self.tell(&fact::OrderRefunded {
                order_id,
                customer_ref,
                refund_id: refund.to_string(),
                amount: Some(money_to_proto(*amount)),
                duration_ms,
            }),
            Fact::NeedsAttention { step, reason } => self.tell(&fact::OrderNeedsAttention {
                order_id,
                customer_ref,
                step: step.name().to_owned(),
                reason: reason.clone(),
                duration_ms,
            }),
        }
    }
}

fn address(address: &Address) -> PostalAddress {
    PostalAddress {
        recipient: address.recipient.clone(),
        lines: address.lines.clone(),
        city: address.city.clone(),
        region: address.region.clone(),
        postal_code: address.postal_code.clone(),
        country_code: address.country_code.clone(),
    }
}

#[cfg(test)]
mod tests;
