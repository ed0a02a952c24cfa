//! One of everything, as the services would answer it.

use prost_types::Timestamp;
use tradepost_proto::common::v1::{Money, PostalAddress};
use tradepost_proto::inventory::v1::{Item, MovementKind, Stock, StockMovement};
use tradepost_proto::metrics::v1::{Event, Sum};
use tradepost_proto::notification::v1::{Content, Cursor, Group, Notification};
use tradepost_proto::order::v1::{Order, OrderLine, OrderState, TimelineEvent, Waiting};
use tradepost_proto::payment::v1::{
    Dispute, DisputeState, Payment, PaymentState, Refund, RefundState,
};
use tradepost_proto::shipping::v1::{Shipment, ShipmentState, TrackingEvent};

pub(crate) const ORDER_ID: &str = "order_01h455vb4pex5vsknk084sn02q";

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]
pub(super) const fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

fn pence(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "GBP".to_owned(),
        minor_units,
    })
}

fn address() -> PostalAddress {
    PostalAddress {
        recipient: "Ada".to_owned(),
        lines: vec!["1 Main St".to_owned()],
        city: "London".to_owned(),
        region: String::new(),
        postal_code: "N1".to_owned(),
        country_code: "GB".to_owned(),
    }
}

pub(super) fn order(state: OrderState) -> Order {
    Order {
        order_id: ORDER_ID.to_owned(),
        customer_ref: "c-1".to_owned(),
        state: state.into(),
        lines: vec![OrderLine {
            line_number: 1,
            sku: "A 1/2".to_owned(),
            name: "Lamp".to_owned(),
            quantity: 2,
            unit_price: pence(600),
            agreed_price: false,
            total: pence(1_200),
        }],
        total: pence(1_200),
        shipping_address: Some(address()),
        reject_reason: String::new(),
        attention_reason: String::new(),
        payment_id: "payment_1".to_owned(),
        shipment_id: String::new(),
        reservation_id: "reservation_1".to_owned(),
        version: 3,
        saga_version: 1,
        create_time: at(0),
        update_time: at(1),
    }
}

pub(super) fn item() -> Item {
    Item {
        sku: "A 1/2".to_owned(),
        name: "Lamp".to_owned(),
        price: pence(600),
        weight_grams: 250,
        active: true,
        stock: Some(stock()),
        create_time: at(0),
        update_time: at(1),
    }
}

pub(super) const fn stock() -> Stock {
    Stock {
        on_hand: 10,
        reserved: 4,
        available: 6,
    }
}

pub(super) fn movement() -> StockMovement {
    StockMovement {
        movement_id: "movement_1".to_owned(),
        sku: "A 1/2".to_owned(),
        kind: MovementKind::WrittenOff.into(),
        delta: -3,
        on_hand_after: 10,
        reference: String::new(),
        create_time: at(0),
    }
}

pub(super) fn refund() -> Refund {
    Refund {
        refund_id: "refund_1".to_owned(),
        payment_id: "payment_1".to_owned(),
        state: RefundState::Requested.into(),
        amount: pence(100),
        note: "broken".to_owned(),
        failure_reason: String::new(),
        create_time: at(0),
        update_time: at(1),
    }
}

fn dispute() -> Dispute {
    Dispute {
        dispute_id: "dispute_1".to_owned(),
        payment_id: "payment_1".to_owned(),
        state: DisputeState::UnderReview.into(),
        amount: pence(300),
        reason: "FRAUDULENT".to_owned(),
        provider_reference: "dp_1".to_owned(),
        withdrawn: pence(300),
        reinstated: pence(0),
        fee: pence(15),
        create_time: at(0),
        update_time: at(1),
    }
}

pub(super) fn payment() -> Payment {
    Payment {
        payment_id: "payment_1".to_owned(),
        order_id: ORDER_ID.to_owned(),
        state: PaymentState::CaptureUnknown.into(),
        amount: pence(1_200),
        captured: pence(0),
        refunded: pence(0),
        provider_reference: "pi_1".to_owned(),
        decline_reason: String::new(),
        refunds: vec![refund()],
        disputes: vec![dispute()],
        create_time: at(0),
        update_time: at(1),
    }
}

pub(super) fn shipment() -> Shipment {
    Shipment {
        shipment_id: "shipment_1".to_owned(),
        order_id: ORDER_ID.to_owned(),
        // Newer than the gateway.
        state: 99,
        carrier: "table-rate".to_owned(),
        service_level: "standard".to_owned(),
        cost: pence(395),
        weight_grams: 500,
        destination: Some(address()),
        tracking_number: String::new(),
        label_reference: String::new(),
        tracking_events: vec![TrackingEvent {
            state: ShipmentState::OutForDelivery.into(),
            description: "on the van".to_owned(),
            occur_time: at(2),
        }],
        create_time: at(0),
        update_time: at(1),
    }
}

/// Events before this second are too old: of the year 2020.
pub(super) const OLD: i64 = 1_577_836_800;

pub(super) fn event() -> Event {
    Event {
        event_time: at(0),
        user_id: String::new(),
        event_type: "page.viewed".to_owned(),
        value: 12.5,
    }
}

pub(super) fn sum() -> Sum {
    Sum {
        event_type: "page.viewed".to_owned(),
        start_time: at(0),
        count: 3,
        sum: 37.5,
        sum_of_squares: f64::INFINITY,
        min: 1.5,
        max: 30.0,
        mean: 12.5,
        distinct_users: 2,
        p50: 6.0,
        p90: 30.0,
        p99: 30.0,
    }
}

pub(super) fn timeline_event() -> TimelineEvent {
    TimelineEvent {
        version: 1,
        r#type: "placed".to_owned(),
        state: OrderState::Reserving.into(),
        description: "accepted".to_owned(),
        cause: "request:k".to_owned(),
        trace_id: String::new(),
        create_time: at(0),
    }
}

pub(super) fn waiting() -> Waiting {
    Waiting {
        awaited: "the stock".to_owned(),
        at_deadline: "asked again".to_owned(),
        deadline: at(60),
        attempts: 1,
    }
}

/// A file in its pieces.
pub(crate) const PIECES: [&str; 3] = ["event_time,", "user_id\r\n", "now,ada\r\n"];

pub(crate) const NOTIFICATION_ID: &str = "ntf_01h455vb4pex5vsknk084sn02q";

/// Numbers that no double holds.
pub(crate) const DATA: &str = r#"{"total": 1.10, "points": 12345678901234567890123}"#;

pub(super) fn notification() -> Notification {
    Notification {
        notification_id: NOTIFICATION_ID.to_owned(),
        stream: "group:staff".to_owned(),
        sequence: 42,
        content: Some(Content {
            r#type: "order.confirmed".to_owned(),
            title: "Confirmed".to_owned(),
            message: String::new(),
            data: DATA.to_owned(),
        }),
        create_time: at(0),
        read: true,
    }
}

pub(super) fn cursors() -> Vec<Cursor> {
    let cursor = |stream: &str, top, read| Cursor {
        stream: stream.to_owned(),
        top,
        read,
    };
    vec![cursor("user", 7, 6), cursor("group:staff", 42, 40)]
}

pub(super) fn group() -> Group {
    Group {
        group_id: "staff".to_owned(),
        display_name: "The staff".to_owned(),
        top: 42,
    }
}
