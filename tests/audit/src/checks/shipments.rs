//! Group 5: one parcel for a paid order, none otherwise.

use crate::check::{Check, Service, Sql, Test};
use crate::findings::{Found, Offender, Subject};
use crate::rest;
use crate::world::{Order, Payment, PaymentState, Stage, World};

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 5,
        invariant: "shipments.have_an_order",
        says: "every shipment is the one its order asked for",
        test: Test::World(have_an_order),
    },
    Check {
        group: 5,
        invariant: "shipments.go_out_once",
        says: "at most one parcel goes out for an order",
        test: Test::Sql(Sql {
            on: &[Service::Shipping],
            subject: Subject::Order,
            checked: "select count(*) from shipments",
            offenders: TWICE,
        }),
    },
    Check {
        group: 5,
        invariant: "shipments.only_for_paid",
        says: "a sold and paid order has its parcel, an undone one has none",
        test: Test::World(only_for_paid),
    },
    Check {
        group: 5,
        invariant: "shipments.at_rest",
        says: "no shipment waits for an answer of the carrier",
        test: Test::Sql(Sql {
            on: &[Service::Shipping],
            subject: Subject::Shipment,
            checked: "select count(*) from shipments",
            offenders: rest::ERRANDS_DUE,
        }),
    },
];

const TWICE: &str = "
select tenant_id, order_id::text,
       'has ' || count(*) || ' parcels: ' || string_agg(state, ', ' order by shipment_id)
from shipments where state <> 'voided'
group by tenant_id, order_id having count(*) > 1";

fn have_an_order(world: &World) -> Found {
    Found::over(world.shipments.values(), |shipment| {
        let asked = |order: &Order| order.asked_shipment && order.shipment() == shipment.id;
        let detail = match world.orders.get(&shipment.order()) {
            None => "its order is not there",
            Some(order) if !asked(order) => "its order never asked for it",
            Some(_) => return None,
        };
        Some(Offender::new(shipment.tenant, shipment.id, detail))
    })
}

fn only_for_paid(world: &World) -> Found {
    let orders = world.orders.values();
    Found::over(
        orders.filter(|order| order.stage() != Stage::Open),
        |order| {
            let shipment = world.shipments.get(&(order.tenant, order.shipment()));
            let goes_out = shipment.is_some_and(|shipment| shipment.state.goes_out());
            let detail = match (order.stage(), goes_out) {
                (Stage::Open, _) | (Stage::Undone, false) => return None,
                (Stage::Undone, true) => "a parcel goes out",
                (Stage::Confirmed | Stage::Shipped | Stage::Delivered | Stage::Returned, false) => {
                    "no parcel goes out"
                }
                (Stage::Confirmed | Stage::Shipped | Stage::Delivered | Stage::Returned, true) => {
                    if is_paid(world, order) {
                        return None;
                    }
                    "a parcel goes out unpaid"
                }
            };
            let detail = format!("is {}, and {detail}", order.state.name());
            Some(Offender::new(order.tenant, order.id, detail))
        },
    )
}

fn is_paid(world: &World, order: &Order) -> bool {
    let payment = world.payments.get(&(order.tenant, order.payment()));
    order.total == 0 || payment.is_some_and(|payment| covers(payment, order))
}

const fn covers(payment: &Payment, order: &Order) -> bool {
    match payment.state {
        PaymentState::Authorized => payment.amount == order.total,
        PaymentState::Captured => payment.captured == order.total,
        PaymentState::Authorizing
        | PaymentState::RequiresAction
        | PaymentState::Declined
        | PaymentState::Unknown
        | PaymentState::Capturing
        | PaymentState::PartiallyCaptured
        | PaymentState::CaptureUnknown
        | PaymentState::Voiding
        | PaymentState::Voided
        | PaymentState::AuthorizationExpired
        | PaymentState::Conflicted => false,
    }
}
