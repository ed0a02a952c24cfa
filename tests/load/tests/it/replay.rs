//! A replay from its keys to its figures.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tradepost_load::gateway::Gateway;
use tradepost_load::plan::Plan;
use tradepost_load::replay::{self, Options, Report};

use crate::fake::{Fake, Fault};

const DIRTY: &[u8] = include_bytes!("../fixtures/dirty.csv");

fn plan(ratio: &str) -> Plan {
    Plan::from_bytes(DIRTY, None, ratio.parse().unwrap()).unwrap()
}

async fn replay(gateway: &Gateway, plan: &Plan) -> Report {
    let options = Options {
        concurrency: NonZeroUsize::MIN,
        end_within: Duration::from_secs(30),
    };
    let stop = CancellationToken::new();
    replay::run(gateway, plan, &options, &stop, |_| {})
        .await
        .unwrap()
}

/// All but the times.
fn outcome(report: &Report) -> Value {
    let mut figures = serde_json::to_value(report).unwrap();
    for timed in ["accept_ms", "confirm_ms", "orders_per_second"] {
        let time = figures.as_object_mut().unwrap().remove(timed).unwrap();
        assert!(time.is_number() || time["p50"].is_number() && time["p99"].is_number());
    }
    figures
}

fn expected() -> Value {
    json!({
        "invoices_read": 10, "sent": 4, "confirmed": 4, "rejected": {}, "failed": 0,
        "skipped": {"cancellation": 2, "adjustment": 2, "empty": 1, "letter_X": 1},
        "dropped_lines": {"quantity": 2, "price": 3},
        "units_confirmed": 30, "minor_units_confirmed": 20_044,
        "confirmed_sha256": "ba3dda2a023752208d95778b0c3c53d605eeb6603c504fb26e99671256664eb5",
    })
}

#[tokio::test]
async fn with_enough_stock_every_order_is_confirmed_and_every_figure_exact() {
    let fake = Fake::default();
    let gateway = fake.start().await;

    let report = replay(&gateway, &plan("1")).await;

    assert_eq!(outcome(&report), expected());
    let shop = fake.shop();
    assert!(shop.available.values().all(|&units| units == 0));
    assert!(shop.available.contains_key("BANK CHARGES") && shop.available.contains_key("85123a"));
    assert_eq!(shop.orders[1]["country"], "DE");
    assert_eq!(shop.orders[0]["lines"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_second_run_creates_nothing_and_reports_the_same() {
    let fake = Fake::default();
    let gateway = fake.start().await;

    let first = replay(&gateway, &plan("0.9")).await;
    let orders = fake.shop().orders.clone();
    let movements = fake.shop().movements.clone();
    let second = replay(&gateway, &plan("0.90")).await;

    assert_eq!(outcome(&first), outcome(&second));
    assert_eq!(first.rejected["OUT_OF_STOCK"], 3);
    assert_eq!(fake.shop().orders, orders);
    assert_eq!(fake.shop().movements, movements);
}

#[tokio::test]
async fn another_ratio_on_the_same_shop_has_the_stock_of_its_own() {
    let fake = Fake::default();
    let gateway = fake.start().await;

    let scarce = replay(&gateway, &plan("0.9")).await;
    assert!(fake.shop().available.values().any(|&units| units > 0));
    let enough = replay(&gateway, &plan("1")).await;
    let scarce_again = replay(&gateway, &plan("0.9")).await;

    assert_eq!(outcome(&enough), expected());
    assert!(fake.shop().available.values().all(|&units| units == 0));
    assert_eq!(outcome(&scarce), outcome(&scarce_again));
}

#[tokio::test]
async fn a_lost_answer_and_a_shop_that_is_away_are_tried_again_with_the_same_key() {
    let fake = Fake::default();
    let gateway = fake.start().await;
    let calm = replay(&gateway, &plan("1")).await;

    let faulty = Fake::default();
    let gateway = faulty.start().await;
    let faults = [Fault::CutOff, Fault::Unavailable]
        .into_iter()
        .cycle()
        .take(30);
    faulty.shop().faults.extend(faults);
    let stormy = replay(&gateway, &plan("1")).await;

    assert_eq!(outcome(&stormy), outcome(&calm));
    assert_eq!(faulty.shop().orders, fake.shop().orders);
    let keys = |fake: &Fake| {
        let mut keys = fake.shop().keys.clone();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    assert_eq!(keys(&faulty), keys(&fake));
    assert!(faulty.shop().keys.len() > fake.shop().keys.len());
}

#[tokio::test]
async fn an_order_that_never_gets_an_answer_counts_as_failed() {
    let fake = Fake::default();
    let gateway = fake.start().await;
    replay(&gateway, &plan("1")).await;

    // The catalogue's calls of a second run, then all forty tries of the first order.
    let calls = fake
        .shop()
        .keys
        .iter()
        .filter(|key| !key.contains("-order-"))
        .count();
    fake.shop().keys.clear();
    let stop = CancellationToken::new();
    let options = Options::default();
    let mut orders_failing = false;
    let shop = fake.clone();
    let again = replay::run(&gateway, &plan("1"), &options, &stop, |progress| {
        if let replay::Progress::Catalogue(done, all) = progress
            && done == all
            && !orders_failing
        {
            orders_failing = true;
            shop.shop().faults.extend([Fault::Unavailable; 40]);
        }
    })
    .await
    .unwrap();

    assert_eq!((again.sent, again.confirmed, again.failed), (4, 3, 1));
    assert!(again.failures[0].starts_with("invoice 100001: the gateway answered 503"));
    assert!(fake.shop().keys.len() >= calls);
}

#[tokio::test]
async fn an_order_that_waits_for_an_operator_is_not_taken_for_confirmed() {
    let fake = Fake::default();
    fake.shop().end = Some("NEEDS_ATTENTION");
    let gateway = fake.start().await;

    let report = replay(&gateway, &plan("1")).await;

    assert_eq!((report.confirmed, report.failed), (0, 4));
    assert_eq!(report.confirm_ms.p50, None);
}

#[tokio::test]
async fn what_went_on_after_the_confirmation_still_counts_as_confirmed() {
    for end in ["CAPTURING", "SHIPPED", "DELIVERED", "RETURNING", "RETURNED"] {
        let fake = Fake::default();
        fake.shop().end = Some(end);
        let gateway = fake.start().await;

        assert_eq!(replay(&gateway, &plan("1")).await.confirmed, 4, "{end}");
    }
}

#[tokio::test]
async fn a_stop_sends_no_further_order() {
    let fake = Fake::default();
    let gateway = fake.start().await;
    let stop = CancellationToken::new();

    let report = replay::run(
        &gateway,
        &plan("1"),
        &Options::default(),
        &stop,
        |progress| {
            if let replay::Progress::Orders(..) = progress {
                stop.cancel();
            }
        },
    )
    .await
    .unwrap();

    assert_eq!((report.sent, report.confirmed), (1, 1));
    assert_eq!(fake.shop().orders.len(), 1);
}
