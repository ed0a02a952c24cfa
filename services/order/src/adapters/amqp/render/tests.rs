//! What others count by is in every fact.

use time::{Duration, OffsetDateTime};
use tradepost_types::{Currency, Money, OrderId, RefundId, TenantId};

use super::*;
use crate::domain::{Details, NewOrder, Step, Timer};

const AGE_MS: i64 = 1_234;

/// An order of two units for 25.00, some time after it was accepted.
fn order() -> Order {
    let start = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
    Order {
        tenant: TenantId::new(),
        id: OrderId::new(),
        details: Details {
            customer_ref: "c".into(),
            total: Money::new(2_500, Currency::GBP),
            weight_grams: 1,
            line_count: 1,
            unit_count: 2,
            payment_method: "pm".into(),
            address: Address::default(),
            traceparent: None,
        },
        saga_version: 1,
        saga: NewOrder::first_saga(),
        version: 7,
        created_at: start,
        updated_at: start + Duration::milliseconds(AGE_MS),
        timer: Timer::default(),
    }
}

/// The message of a fact, read as an `E`.
fn told<E: prost::Message + prost::Name + Default>(order: &Order, fact: Fact) -> E {
    let supplement = Supplement {
        lines: &[],
        hold_seconds: 0,
    };
    let outgoing = outgoing(order, &Cause::Timer, &[], &[fact], supplement);
    let message = &outgoing.first().unwrap().message;
    assert_eq!(message.tenant, order.tenant);
    message.decode().unwrap()
}

#[test]
fn how_long_it_took_is_in_the_fact_of_every_outcome() {
    let order = order();
    let reason = || "OUT_OF_STOCK".to_owned();
    let stuck = Fact::NeedsAttention {
        step: Step::CapturePayment,
        reason: reason(),
    };

    let durations = [
        told::<fact::OrderConfirmed>(&order, Fact::Confirmed).duration_ms,
        told::<fact::OrderRejected>(&order, Fact::Rejected { reason: reason() }).duration_ms,
        told::<fact::OrderCancelled>(&order, Fact::Cancelled).duration_ms,
        told::<fact::OrderShipped>(&order, Fact::Shipped).duration_ms,
        told::<fact::OrderDelivered>(&order, Fact::Delivered).duration_ms,
        told::<fact::OrderReturned>(&order, Fact::Returned).duration_ms,
        told::<fact::OrderRefunded>(&order, refunded(300)).duration_ms,
        told::<fact::OrderNeedsAttention>(&order, stuck).duration_ms,
    ];

    assert_eq!(durations, [AGE_MS; 8]);
}

fn refunded(minor_units: i64) -> Fact {
    Fact::Refunded {
        refund: RefundId::new(),
        amount: Money::new(minor_units, Currency::GBP),
    }
}

#[test]
fn the_money_is_in_the_facts_that_move_it() {
    let order = order();

    let placed: fact::OrderPlaced = told(&order, Fact::Placed);
    let confirmed: fact::OrderConfirmed = told(&order, Fact::Confirmed);
    let shipped: fact::OrderShipped = told(&order, Fact::Shipped);
    let returned: fact::OrderReturned = told(&order, Fact::Returned);

    for total in [placed.total, confirmed.total, shipped.total, returned.total] {
        let total = total.unwrap();
        assert_eq!(
            (total.currency_code.as_str(), total.minor_units),
            ("GBP", 2_500)
        );
    }
    let part: fact::OrderRefunded = told(&order, refunded(300));
    assert_eq!(part.amount.unwrap().minor_units, 300);
    assert_eq!((placed.unit_count, confirmed.unit_count), (2, 2));
}
