//! Group 6, and the parked messages of group 7: what was said was heard, and heard once.

use tradepost_types::{MessageId, OrderId, TenantId};

use crate::check::{Check, EVERYWHERE, Service, Sql, Test};
use crate::findings::{Found, Offender, Subject};
use crate::world::{
    Order, OrderState, Payment, PaymentState, Reservation, Shipment, ShipmentState, World,
};

/// The check that known poison is excused from.
pub(crate) const PARKED: &str = "messages.none_parked";

const WRITTEN: &str =
    "select case when is_called then last_value else 0 end from messaging.outbox_seq_seq";
const HANDLED: &str = "select count(*) from messaging.inbox";

const fn everywhere(checked: &'static str, offenders: &'static str) -> Test {
    Test::Sql(Sql {
        on: EVERYWHERE,
        subject: Subject::Text,
        checked,
        offenders,
    })
}

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 6,
        invariant: "messages.outbox_is_empty",
        says: "every message that was written has been published",
        test: everywhere(WRITTEN, UNSENT),
    },
    Check {
        group: 6,
        invariant: "messages.retries_are_empty",
        says: "no message waits to be tried again",
        test: everywhere(HANDLED, RETRIED),
    },
    Check {
        group: 6,
        invariant: "messages.none_lost",
        says: "every order knows what was done for it, and everybody what it asked for",
        test: Test::World(none_lost),
    },
    Check {
        group: 6,
        invariant: "messages.take_effect_once",
        says: "no message moved an order twice, or two orders",
        test: Test::Sql(Sql {
            on: &[Service::Order],
            subject: Subject::Text,
            checked: "select count(distinct cause) from order_events where cause like 'message\\_%'",
            offenders: TWICE,
        }),
    },
    Check {
        group: 6,
        invariant: "messages.are_marked",
        says: "every message that moved an order is marked as handled",
        test: Test::World(are_marked),
    },
    Check {
        group: 7,
        invariant: PARKED,
        says: "no message is parked but the known poison",
        test: everywhere(HANDLED, UNHANDLED),
    },
];

const UNSENT: &str = "
select tenant_id, message_id::text,
       kind || ' for ' || routing_key || ' waits since ' || created_at
       || case when refusals > 0 then ', refused ' || refusals || ' times' else '' end
from messaging.outbox";

const RETRIED: &str = "
select null::uuid, queue || ' ' || dedup_key, reason || ' after ' || attempts || ' attempts'
from messaging.retries";

const UNHANDLED: &str = "
select null::uuid, queue || ' ' || dedup_key, reason || ': ' || detail
from messaging.parked";

/// What one message does to an order it does at one time.
const TWICE: &str = "
select null::uuid, cause,
       'moved ' || count(distinct (tenant_id, order_id)) || ' orders at '
       || count(distinct created_at) || ' times'
from order_events where cause like 'message\\_%'
group by cause
having count(distinct (tenant_id, order_id)) > 1 or count(distinct created_at) > 1";

pub(crate) fn none_parked(expected: u64) -> Offender {
    Offender {
        service: None,
        tenant: None,
        subject: "parked messages".to_owned(),
        detail: format!("there are none, and {expected} were expected"),
    }
}

fn are_marked(world: &World) -> Found {
    Found::over(&world.causes, |cause| {
        let message: Option<MessageId> = cause.cause.parse().ok();
        let marked = message.is_some_and(|message| world.handled.contains(&message.as_uuid()));
        let moved = || {
            let order = OrderId::from_uuid(cause.order_id);
            let detail = format!("moved {order} to version {} unmarked", cause.version);
            Offender::new(TenantId::from_uuid(cause.tenant_id), &cause.cause, detail)
        };
        (!marked).then(moved)
    })
}

/// The participants of an order, as it asked for them.
struct Parts<'a> {
    reservation: Option<&'a Reservation>,
    payment: Option<&'a Payment>,
    shipment: Option<&'a Shipment>,
}

fn none_lost(world: &World) -> Found {
    let undecided = world.orders.values().filter(|order| !order.by_hand);
    Found::over(undecided, |order| {
        let tenant = order.tenant;
        let parts = Parts {
            reservation: world
                .reservations
                .get(&(tenant, order.reservation(order.reservations))),
            payment: world.payments.get(&(tenant, order.payment())),
            shipment: world.shipments.get(&(tenant, order.shipment())),
        };
        let lost = unheard_command(order, &parts).or_else(|| unheard_answer(order, &parts))?;
        Some(Offender::new(tenant, order.id, lost))
    })
}

/// Everybody remembers what was asked of it, even what it refused.
fn unheard_command(order: &Order, parts: &Parts<'_>) -> Option<String> {
    let asked = [
        (
            "inventory",
            order.reservations > 0,
            parts.reservation.is_some(),
        ),
        ("payment", order.asked_payment, parts.payment.is_some()),
        ("shipping", order.asked_shipment, parts.shipment.is_some()),
    ];
    let (who, ..) = asked
        .into_iter()
        .find(|(_, asked, heard)| *asked && !heard)?;
    Some(format!("asked {who} for something that it never heard of"))
}

/// What the others did, and the order does not know.
fn unheard_answer(order: &Order, parts: &Parts<'_>) -> Option<String> {
    let (who, state) = match order.state {
        OrderState::Reserving => ("its reservation", parts.reservation?.state.name()),
        OrderState::Authorizing => {
            let state = parts.payment?.state;
            (state.is_answered()).then_some(("its payment", state.name()))?
        }
        OrderState::Capturing => {
            let state = parts.payment?.state;
            (state == PaymentState::Captured).then_some(("its payment", state.name()))?
        }
        OrderState::Confirmed
        | OrderState::Shipped
        | OrderState::Delivered
        | OrderState::Returned => {
            let state = parts.shipment?.state;
            (!expected(order.state).contains(&state)).then_some(("its shipment", state.name()))?
        }
        OrderState::Confirming
        | OrderState::Cancelling
        | OrderState::Returning
        | OrderState::Cancelled
        | OrderState::Rejected
        | OrderState::NeedsAttention => return None,
    };
    Some(format!("is {}, and {who} is {state}", order.state.name()))
}

/// Where the parcel of an order in that state may be.
const fn expected(state: OrderState) -> &'static [ShipmentState] {
    match state {
        OrderState::Confirmed => &[ShipmentState::LabelReady],
        OrderState::Shipped => &[
            ShipmentState::HandedOver,
            ShipmentState::InTransit,
            ShipmentState::OutForDelivery,
            ShipmentState::Exception,
        ],
        OrderState::Delivered => &[ShipmentState::Delivered],
        OrderState::Returned => &[ShipmentState::ReturnedToSender],
        OrderState::Reserving
        | OrderState::Authorizing
        | OrderState::Confirming
        | OrderState::Capturing
        | OrderState::Cancelling
        | OrderState::Cancelled
        | OrderState::Rejected
        | OrderState::Returning
        | OrderState::NeedsAttention => &[],
    }
}
