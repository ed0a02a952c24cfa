use std::sync::Arc;

use time::OffsetDateTime;
use tradepost_types::{OrderId, TenantId};

use super::*;
use crate::adapters::table_rate::TableRate;
use crate::config::CarrierConfig;
use crate::domain::{Address, Tracking, Verdict};

async fn shipment(region: &str) -> Shipment {
    let parcel = Parcel {
        id: ShipmentId::new(),
        order: OrderId::new(),
        destination: Address {
            recipient: "A. Customer".into(),
            lines: vec!["1 High Street".into()],
            city: "Leeds".into(),
            region: region.into(),
            postal_code: "LS1".into(),
            country_code: "GB".into(),
        },
        weight_grams: 1,
        currency: Currency::GBP,
    };
    let label = carrier(MishapsConfig::default()).book(&parcel).await;
    let mut shipment = Shipment::planned(TenantId::new(), parcel);
    shipment.label(label.unwrap());
    shipment
}

fn carrier(shares: MishapsConfig) -> Mishaps {
    Mishaps::new(Arc::new(TableRate::new(CarrierConfig::default())), shares)
}

fn shares(exceptions: u32, returns: u32, losses: u32) -> MishapsConfig {
    MishapsConfig {
        exceptions_per_mille: exceptions,
        returns_per_mille: returns,
        losses_per_mille: losses,
    }
}

/// The states of a parcel from its label to its end.
fn voyage(carrier: &Mishaps, mut shipment: Shipment) -> Vec<State> {
    let mut states = Vec::new();
    while let Some(next) = carrier.next(&shipment) {
        let minutes = i64::try_from(states.len()).unwrap();
        let at = OffsetDateTime::UNIX_EPOCH + time::Duration::minutes(minutes);
        let verdict = shipment.report(Tracking {
            state: next.state,
            description: next.description.into(),
            at,
        });
        assert!(matches!(verdict, Verdict::Moved(_)), "{next:?}");
        states.push(next.state);
    }
    states
}

const WAY: [State; 3] = [State::HandedOver, State::InTransit, State::OutForDelivery];

#[tokio::test]
async fn without_mishaps_every_parcel_arrives() {
    for _ in 0..50 {
        let states = voyage(&carrier(MishapsConfig::default()), shipment("").await);

        assert_eq!(states, [&WAY[..], &[State::Delivered]].concat());
    }
}

#[tokio::test]
async fn every_share_and_every_marked_region_has_its_mishap() {
    let stumble = [State::Exception, State::OutForDelivery];
    let cases: [(MishapsConfig, &str, &[State], State); 7] = [
        (shares(1_000, 0, 0), "", &stumble, State::Delivered),
        (shares(0, 1_000, 0), "", &[], State::ReturnedToSender),
        (shares(0, 0, 1_000), "", &[], State::Lost),
        (
            shares(1_000, 1_000, 0),
            "",
            &stumble,
            State::ReturnedToSender,
        ),
        (
            shares(0, 0, 0),
            EXCEPTION_REGION,
            &stumble,
            State::Delivered,
        ),
        (
            shares(0, 0, 1_000),
            RETURN_REGION,
            &[],
            State::ReturnedToSender,
        ),
        (shares(0, 1_000, 0), LOSS_REGION, &[], State::Lost),
    ];

    for (shares, region, stumble, end) in cases {
        let states = voyage(&carrier(shares), shipment(region).await);

        assert_eq!(states, [&WAY[..], stumble, &[end]].concat());
    }
}

#[tokio::test]
async fn a_parcel_meets_the_same_fate_every_time() {
    let carrier = carrier(shares(500, 300, 300));

    for _ in 0..50 {
        let shipment = shipment("").await;
        assert_eq!(
            voyage(&carrier, shipment.clone()),
            voyage(&carrier, shipment)
        );
    }
}
