//! Group 2: money, by the provider's own log.

use tradepost_provider_sim::witness::PaymentSums;
use tradepost_types::{PaymentId, TenantId};

use crate::check::{Check, Test};
use crate::findings::{Found, Offender};
use crate::world::{Order, Payment, PaymentState, Stage, World};

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 2,
        invariant: "provider.charges_once",
        says: "the provider made at most one intent, authorisation and capture per payment",
        test: Test::World(charges_once),
    },
    Check {
        group: 2,
        invariant: "provider.knows_no_stranger",
        says: "every payment the provider knows is ours",
        test: Test::World(knows_no_stranger),
    },
    Check {
        group: 2,
        invariant: "provider.agrees_with_payments",
        says: "the provider took, gave back, holds and disputes what the payments say",
        test: Test::World(agrees_with_payments),
    },
    Check {
        group: 2,
        invariant: "provider.is_paid_for_orders",
        says: "captured less refunded is the total of a shipped order, and 0 of an undone one, \
               but for what a bank gave back",
        test: Test::World(is_paid_for_orders),
    },
    Check {
        group: 2,
        invariant: "payments.have_an_order",
        says: "every payment is the one its order asked for",
        test: Test::World(have_an_order),
    },
];

fn charges_once(world: &World) -> Found {
    Found::over(&world.witness.payments, |(payment, sums)| {
        let intents = u64::try_from(sums.intents.len()).unwrap_or(u64::MAX);
        let counts = [intents, sums.authorised.count, sums.captured.count];
        counts.into_iter().any(|count| count > 1).then(|| {
            let [intents, authorised, captured] = counts;
            Offender {
                service: None,
                tenant: sums.tenant_id.clone(),
                subject: payment.clone(),
                detail: format!(
                    "has {intents} intents, {authorised} authorisations, {captured} captures"
                ),
            }
        })
    })
}

fn knows_no_stranger(world: &World) -> Found {
    let mut found = Found::over(&world.witness.payments, |(payment, sums)| {
        let known = ours(world, payment, sums).is_some();
        (!known).then(|| Offender {
            service: None,
            tenant: sums.tenant_id.clone(),
            subject: payment.clone(),
            detail: "is no payment of that tenant and order".to_owned(),
        })
    });
    let nameless = &world.witness.unreferenced;
    if nameless.authorised.count > 0 {
        found.note(Offender {
            service: None,
            tenant: None,
            subject: format!("{} authorisations", nameless.authorised.count),
            detail: "name no payment at all".to_owned(),
        });
    }
    found
}

fn ours<'a>(world: &'a World, payment: &str, sums: &PaymentSums) -> Option<&'a Payment> {
    let id: PaymentId = payment.parse().ok()?;
    let tenant: TenantId = sums.tenant_id.as_deref()?.parse().ok()?;
    let known = world.payments.get(&(tenant, id))?;
    let order = known.order.to_string();
    (sums.order_id.as_deref() == Some(order.as_str())).then_some(known)
}

fn agrees_with_payments(world: &World) -> Found {
    // In a conflict the two are known to differ, and a person was called.
    let settled = world
        .payments
        .values()
        .filter(|payment| payment.state != PaymentState::Conflicted && payment.currency.is_some());
    Found::over(settled, |payment| {
        let sums = world.sums(payment.id);
        let given_back = sums.refunded.amount.saturating_sub(sums.reversed.amount);
        let mut pairs = vec![
            ("captured", payment.captured, sums.captured.amount),
            ("refunded", payment.refunded, given_back),
            ("withdrawn", payment.withdrawn, sums.withdrawn.amount),
            ("reinstated", payment.reinstated, sums.reinstated.amount),
            (
                "dispute fees",
                payment.dispute_fees,
                sums.fees_of_disputes(),
            ),
        ];
        if let Some(held) = payment.held() {
            pairs.push(("held", held, sums.held()));
        }
        let differ = pairs.into_iter().find(|(_, ours, theirs)| ours != theirs);
        let detail = differ
            .map(|(what, ours, theirs)| format!("{what} {ours}, and the provider says {theirs}"))
            .or_else(|| other_currency(payment, &sums))?;
        Some(Offender::new(payment.tenant, payment.id, detail))
    })
}

fn other_currency(payment: &Payment, sums: &PaymentSums) -> Option<String> {
    let (ours, theirs) = (payment.currency.as_deref()?, sums.currency.as_deref()?);
    let differ = !ours.eq_ignore_ascii_case(theirs);
    differ.then(|| format!("is in {ours}, and the provider's in {theirs}"))
}

fn is_paid_for_orders(world: &World) -> Found {
    let orders = world.orders.values();
    Found::over(
        orders.filter(|order| order.stage() != Stage::Open),
        |order| {
            let (net_due, held_due) = due(world, order)?;
            let sums = world.sums(order.payment());
            let held = sums.held();
            // What an undone order's customer got from the bank is not refunded once more.
            let net = match order.stage() {
                Stage::Returned | Stage::Undone => sums
                    .net()
                    .saturating_sub(sums.charged_back().clamp(0, sums.net().max(0))),
                Stage::Open | Stage::Confirmed | Stage::Shipped | Stage::Delivered => sums.net(),
            };
            (net != net_due || held != held_due).then(|| {
                let state = order.state.name();
                let detail = format!(
                    "is {state}: {net_due} should be kept and {held_due} held, \
                 and the provider says {net} and {held}"
                );
                Offender::new(order.tenant, order.id, detail)
            })
        },
    )
}

/// What should be kept and held of the customer's money; nothing is said of an open order.
fn due(world: &World, order: &Order) -> Option<(i64, i64)> {
    let payment = world.payments.get(&(order.tenant, order.payment()));
    // A shop may give a part back by its own decision.
    let given = payment.map_or(0, |payment| payment.refunded_by_request);
    match order.stage() {
        Stage::Open => None,
        Stage::Confirmed => Some((0, order.total)),
        Stage::Shipped | Stage::Delivered => Some((order.total.saturating_sub(given), 0)),
        Stage::Returned | Stage::Undone => Some((0, 0)),
    }
}

fn have_an_order(world: &World) -> Found {
    Found::over(world.payments.values(), |payment| {
        let order = world.orders.get(&payment.order());
        let asked = |order: &Order| order.asked_payment && order.payment() == payment.id;
        let detail = match order {
            None => "its order is not there",
            Some(order) if !asked(order) => "its order never asked for it",
            Some(order) if !is_of_total(payment, order) => "its amount is not the order's total",
            Some(_) => return None,
        };
        Some(Offender::new(payment.tenant, payment.id, detail))
    })
}

/// A void that came for a payment never begun left a payment without an amount.
fn is_of_total(payment: &Payment, order: &Order) -> bool {
    let currency = payment.currency.as_ref();
    currency.is_none_or(|currency| *currency == order.currency && payment.amount == order.total)
}
