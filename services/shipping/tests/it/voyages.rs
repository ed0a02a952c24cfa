//! Parcels from booking to their end.

use std::time::Duration;

use futures::future::join_all;
use tokio_util::sync::CancellationToken;
use tradepost_proto::shipping::v1::ShipmentState;
use tradepost_shipping::adapters::mishaps::RETURN_REGION;
use tradepost_testkit::eventually;
use tradepost_types::OrderId;

use crate::support::{AT_ONCE, Depot, NEVER};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_booking_gives_a_label_and_a_repetition_gives_the_same_one() {
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();
    let (first, again) = (depot.book(order, ""), depot.book(order, ""));

    depot.carry_out.run(&[first]).await.unwrap();
    let label = depot.get(order).await;
    depot.carry_out.run(&[again]).await.unwrap();

    assert_eq!(label.state(), ShipmentState::LabelReady);
    assert_eq!(
        (
            label.carrier.as_str(),
            label.cost.as_ref().unwrap().minor_units
        ),
        ("table-rate", 550)
    );
    assert_eq!(
        depot.get(order).await.tracking_number,
        label.tracking_number
    );
    assert_eq!(
        depot.said(order).await,
        ["shipping.booked", "shipping.booked"]
    );
}

#[tokio::test]
async fn e04_a_message_delivered_again_has_no_second_answer() {
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();
    let book = depot.book(order, "");

    depot
        .carry_out
        .run(&[book.clone(), book.clone()])
        .await
        .unwrap();
    depot.carry_out.run(&[book]).await.unwrap();

    assert_eq!(depot.said(order).await, ["shipping.booked"]);
}

#[tokio::test]
async fn e04_a_void_before_its_booking_is_remembered() {
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();

    depot.carry_out.run(&[depot.void(order)]).await.unwrap();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();

    assert_eq!(
        depot.said(order).await,
        ["shipping.voided", "shipping.booking_failed"]
    );
    assert_eq!(depot.get(order).await.state(), ShipmentState::Voided);
}

#[tokio::test]
async fn a_parcel_too_heavy_for_any_carrier_is_refused_for_good() {
    let depot = Depot::open(NEVER).await;
    let order = OrderId::new();
    let mut heavy = depot.book(order, "");
    if let tradepost_shipping::application::Action::Book(parcel) = &mut heavy.action {
        parcel.weight_grams = 1_000_000_001;
    }

    depot.carry_out.run(&[heavy]).await.unwrap();
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();

    let said = ["shipping.booking_failed", "shipping.booking_failed"];
    assert_eq!(depot.said(order).await, said);
}

#[tokio::test]
async fn the_clock_carries_a_parcel_to_the_door() {
    let depot = Depot::open(AT_ONCE).await;
    let (order, stop) = (OrderId::new(), CancellationToken::new());
    depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();

    depot.start_clock(stop.clone());
    let delivered = eventually("the parcel arrives", SOON, async || {
        let shipment = depot.get(order).await;
        (shipment.state() == ShipmentState::Delivered).then_some(shipment)
    })
    .await;
    stop.cancel();

    assert_eq!(delivered.tracking_events.len(), 4);
    let said = [
        "shipping.booked",
        "shipping.handed_over",
        "shipping.delivered",
    ];
    assert_eq!(depot.said(order).await, said);
}

#[tokio::test]
async fn a_parcel_marked_so_comes_back() {
    let depot = Depot::open(AT_ONCE).await;
    let (order, stop) = (OrderId::new(), CancellationToken::new());
    depot
        .carry_out
        .run(&[depot.book(order, RETURN_REGION)])
        .await
        .unwrap();

    depot.start_clock(stop.clone());
    eventually("the parcel comes back", SOON, async || {
        let state = depot.get(order).await.state();
        (state == ShipmentState::ReturnedToSender).then_some(())
    })
    .await;
    stop.cancel();

    let said = [
        "shipping.booked",
        "shipping.handed_over",
        "shipping.returned",
    ];
    assert_eq!(depot.said(order).await, said);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_void_and_hand_over_at_one_instant_one_wins() {
    let depot = Depot::open(AT_ONCE).await;
    let stop = CancellationToken::new();
    let orders: Vec<_> = (0..20).map(|_| OrderId::new()).collect();
    let books: Vec<_> = orders.iter().map(|&order| depot.book(order, "")).collect();
    depot.carry_out.run(&books).await.unwrap();

    depot.start_clock(stop.clone());
    let voids: Vec<_> = orders.iter().map(|&order| [depot.void(order)]).collect();
    let done = join_all(voids.iter().map(|void| depot.carry_out.run(void))).await;
    let ended = async |order| {
        let said = depot.said(order).await;
        let last = said
            .iter()
            .any(|key| key == "shipping.delivered" || key == "shipping.voided");
        last.then_some(said)
    };

    for done in done {
        done.unwrap();
    }
    for order in orders {
        let said = eventually("the parcel ends", SOON, async || ended(order).await).await;
        let has = |key: &str| said.iter().any(|each| each == key);
        assert_ne!(
            has("shipping.voided"),
            has("shipping.handed_over"),
            "{said:?}"
        );
        assert_eq!(
            has("shipping.void_refused"),
            has("shipping.handed_over"),
            "{said:?}"
        );
    }
    stop.cancel();
}
