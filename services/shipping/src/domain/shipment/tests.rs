use proptest::prelude::*;
use time::Duration;
use time::macros::datetime;
use tradepost_types::Currency;

use super::*;

const NOON: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

fn booked() -> Shipment {
    let destination = Address {
        recipient: "A. Canary".into(),
        lines: vec!["1 High Street".into()],
        city: "Leeds".into(),
        region: String::new(),
        postal_code: "LS1".into(),
        country_code: "GB".into(),
    };
    let booking = Booking {
        carrier: "table-rate".into(),
        service_level: "standard".into(),
        tracking_number: "TR1".into(),
        label_reference: "label/TR1".into(),
    };
    let cost = Money::new(350, Currency::GBP);
    let details = Details {
        destination,
        weight_grams: 1,
        cost,
        booking,
    };
    Shipment::book(TenantId::new(), ShipmentId::new(), OrderId::new(), details)
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
    assert!(!format!("{:?}", booked()).contains("Canary"));
}

#[test]
fn e04_a_booking_after_its_void_fails_for_ever() {
    let mut shipment = Shipment::tombstone(TenantId::new(), ShipmentId::new(), OrderId::new());
    let failed = News::BookingFailed {
        reason: "VOIDED_BEFORE".into(),
    };

    assert_eq!(shipment.booking_answer(), failed);
    assert_eq!(shipment.void(), News::Voided);
    assert_eq!(shipment.booking_answer(), failed);
}

#[test]
fn a_parcel_can_be_called_off_until_the_carrier_has_it() {
    for state in State::ALL {
        let mut shipment = booked();
        shipment.state = state;

        let news = shipment.void();

        let expected = if state.is_handed_over() {
            News::VoidRefused
        } else {
            News::Voided
        };
        assert_eq!(news, expected, "{state:?}");
    }
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

    assert_eq!(
        wrong,
        Verdict::Moved(vec![News::Exception {
            description: "scan".into()
        }])
    );
    assert_eq!(again, Verdict::Moved(vec![]));
}

proptest! {
    #[test]
    fn whatever_is_reported_a_parcel_is_handed_over_and_ends_at_most_once(
        steps in prop::collection::vec((0_usize..9, 0_i64..40), 0..40),
    ) {
        let mut shipment = booked();
        let (mut hand_overs, mut ends) = (0, 0);
        for (state, minutes) in steps {
            let verdict = shipment.report(scan(State::ALL[state], minutes));
            let Verdict::Moved(news) = verdict else { continue };
            for each in news {
                hand_overs += i32::from(matches!(each, News::HandedOver { .. }));
                let end = matches!(each, News::Delivered { .. } | News::Returned | News::Lost);
                ends += i32::from(end);
            }
            prop_assert!(hand_overs == 1 && ends <= 1);
        }
    }
}
