mod random;
mod table;

use time::Duration;
use time::macros::datetime;
use tradepost_types::{Currency, Money};

use super::*;
use crate::domain::{Address, Booking};

const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

fn parcel() -> Parcel {
    let destination = Address {
        recipient: "A. Canary".into(),
        lines: vec!["1 High Street".into()],
        city: "Leeds".into(),
        region: String::new(),
        postal_code: "LS1".into(),
        country_code: "GB".into(),
    };
    Parcel {
        id: ShipmentId::new(),
        order: OrderId::new(),
        destination,
        weight_grams: 1,
        currency: Currency::GBP,
    }
}

fn details() -> Details {
    let booking = Booking {
        carrier: "table-rate".into(),
        service_level: "standard".into(),
        tracking_number: "TR1".into(),
        label_reference: "label/TR1".into(),
    };
    Details {
        destination: parcel().destination,
        weight_grams: 1,
        cost: Money::new(350, Currency::GBP),
        booking,
    }
}

fn planned() -> Shipment {
    Shipment::planned(TenantId::new(), parcel())
}

fn booked() -> Shipment {
    let mut shipment = planned();
    shipment.label(details());
    shipment
}

fn tombstone() -> Shipment {
    Shipment::tombstone(TenantId::new(), ShipmentId::new(), OrderId::new())
}

fn scan(state: State, minutes: i64) -> Update {
    Tracking {
        state,
        description: "scan".into(),
        at: NOON + Duration::minutes(minutes),
    }
}

#[test]
fn an_address_is_never_printed() {
    assert!(!format!("{:?}{:?}", planned(), booked()).contains("Canary"));
}

#[test]
fn e04_a_booking_after_its_void_fails_for_ever() {
    let mut shipment = tombstone();
    let failed = Some(News::BookingFailed {
        reason: "VOIDED_BEFORE".into(),
    });

    assert_eq!(shipment.booking_answer(), failed);
    assert_eq!(shipment.void(), Some(News::Voided));
    assert_eq!(shipment.booking_answer(), failed);
}

#[test]
fn a_refusal_keeps_its_reason() {
    for refusal in [
        Refusal::DestinationNotServed,
        Refusal::WeightTooLarge,
        Refusal::ParcelRefused,
        Refusal::OrderHasShipment,
    ] {
        let mut shipment = planned();

        let told = shipment.refuse(refusal);

        let reason = refusal.reason().to_owned();
        assert_eq!(told, Some(News::BookingFailed { reason }));
        assert_eq!(told, shipment.booking_answer());
    }
}

#[test]
fn a_label_that_came_before_its_refusal_is_given_back() {
    let mut shipment = planned();

    shipment.refuse(Refusal::OrderHasShipment);

    assert!(shipment.is_being_called_off());
}

#[test]
fn a_missed_hand_over_scan_is_told_all_the_same() {
    let mut shipment = booked();

    let verdict = shipment.report(scan(State::InTransit, 1));

    let at = NOON + Duration::minutes(1);
    assert_eq!(verdict, Verdict::Moved(vec![News::HandedOver { at }]));
}

#[test]
fn e04_a_late_report_is_noted_and_moves_nothing() {
    let mut shipment = booked();
    shipment.report(scan(State::HandedOver, 1));
    shipment.report(scan(State::OutForDelivery, 3));

    let late = shipment.report(scan(State::InTransit, 2));
    let again = shipment.report(scan(State::InTransit, 2));

    assert_eq!((late, again), (Verdict::Noted, Verdict::Known));
    assert_eq!(shipment.state, State::OutForDelivery);
    assert_eq!(shipment.tracking.len(), 3);
}

#[test]
fn an_exception_may_be_followed_by_a_new_attempt() {
    let mut shipment = booked();
    shipment.report(scan(State::HandedOver, 1));

    let wrong = shipment.report(scan(State::Exception, 2));
    let again = shipment.report(scan(State::OutForDelivery, 3));

    let description = "scan".to_owned();
    assert_eq!(wrong, Verdict::Moved(vec![News::Exception { description }]));
    assert_eq!(again, Verdict::Moved(vec![]));
}

#[test]
fn a_parcel_with_more_reports_than_are_kept_still_moves_and_keeps_its_hand_over() {
    let mut shipment = booked();
    shipment.report(scan(State::HandedOver, 0));
    let turns = [State::InTransit, State::Exception];
    for (minute, state) in (1..).zip(turns.into_iter().cycle().take(TRACKING_MAX + 10)) {
        assert_eq!(
            shipment.tracking.len().min(TRACKING_MAX),
            shipment.tracking.len()
        );
        assert_ne!(shipment.report(scan(state, minute)), Verdict::Illegal);
    }

    let late = shipment.report(scan(State::HandedOver, 1));

    assert_eq!(late, Verdict::Noted);
    assert_eq!(shipment.tracking.len(), TRACKING_MAX);
    assert_eq!(shipment.tracking[0].state, State::HandedOver);
}
