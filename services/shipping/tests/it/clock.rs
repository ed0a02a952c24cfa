//! When the clock moves parcels: each when it is due, and many of them together.

use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, DropGuard};
use tradepost_proto::shipping::v1::ShipmentState;
use tradepost_shipping::config::CarrierConfig;
use tradepost_testkit::eventually;
use tradepost_types::OrderId;

use crate::support::{AT_ONCE, Depot, NEVER};

const SOON: Duration = Duration::from_secs(60);
/// Longer than any test waits.
const HOURS: Duration = Duration::from_secs(10_000);
/// Every step takes a while, but not long.
const IN_STEPS: CarrierConfig = CarrierConfig {
    hand_over_after_ms: 200,
    in_transit_after_ms: 50,
    out_for_delivery_after_ms: 50,
    deliver_after_ms: 50,
};

/// A clock that only looks when it knows that a parcel is due; it goes until the guard is dropped.
fn start(depot: &Depot, gap: Duration) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(depot.clock_with(HOURS, gap).run(stop.clone()));
    stop.drop_guard()
}

async fn arrives(depot: &Depot, order: OrderId) {
    eventually("the parcel arrives", SOON, async || {
        let state = depot.get(order).await.state();
        (state == ShipmentState::Delivered).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_parcel_alone_moves_when_it_is_due_whatever_poll_and_gap() {
    for carrier in [AT_ONCE, IN_STEPS] {
        let depot = Depot::open(carrier).await;
        let _clock = start(&depot, HOURS);

        for _ in 0..3 {
            let order = OrderId::new();
            depot.carry_out.run(&[depot.book(order, "")]).await.unwrap();
            arrives(&depot, order).await;
        }
    }
}

#[tokio::test]
async fn a_parcel_of_another_process_moves_when_it_is_due_if_the_clock_looked_since() {
    let depot = Depot::open(IN_STEPS).await;
    let order = OrderId::new();
    let other = depot.in_another_process();

    other.run(&[depot.book(order, "")]).await.unwrap();
    let _clock = start(&depot, HOURS);

    arrives(&depot, order).await;
}

#[tokio::test]
async fn a_parcel_that_another_process_books_is_found_by_looking() {
    let depot = Depot::open(AT_ONCE).await;
    let (order, stop) = (OrderId::new(), CancellationToken::new());
    depot.start_clock(stop.clone());

    let other = depot.in_another_process();
    other.run(&[depot.book(order, "")]).await.unwrap();

    arrives(&depot, order).await;
    stop.cancel();
}

#[tokio::test]
async fn parcels_that_are_due_one_after_the_other_move_together() {
    let hand_over = CarrierConfig {
        hand_over_after_ms: 0,
        ..NEVER
    };
    let depot = Depot::open(hand_over).await;
    // Two in the database together, so that every look meets several: after one alone there is no
    // gap, and a busy machine would make some of them alone.
    let both = || [OrderId::new(), OrderId::new()].map(|order| depot.book(order, ""));
    depot.carry_out.run(&both()).await.unwrap();
    let gap = Duration::from_secs(2);
    let (_clock, started) = (start(&depot, gap), Instant::now());

    for _ in 0..20 {
        depot.carry_out.run(&both()).await.unwrap();
    }

    let looks = eventually("all are handed over", SOON, async || {
        let mut tx = depot.database.system_tx().await.unwrap();
        let (moved, looks): (i64, i64) = sqlx::query_as(
            "select count(*), count(distinct updated_at) from shipments where state = 'handed_over'",
        )
        .fetch_one(tx.conn())
        .await
        .unwrap();
        tx.rollback().await;
        (moved == 42).then_some(looks)
    })
    .await;
    // However long the bookings took.
    let most = 2 + started.elapsed().as_secs() / gap.as_secs();
    assert!(
        u64::try_from(looks).unwrap() <= most,
        "20 bookings were moved in {looks} looks, and not {most}"
    );
}
