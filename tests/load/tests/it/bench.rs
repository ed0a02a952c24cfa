//! Benches, short ones: that they count right, never how long anything took.

use tradepost_load::bench::{Pace, Report, Rows, hot_sku, orders};
use tradepost_load::gateway::Gateway;

use crate::fake::{Fake, Fault};

fn pace(rate: u32) -> Pace {
    Pace {
        rate: rate.try_into().unwrap(),
        seconds: 1.try_into().unwrap(),
        connections: 8.try_into().unwrap(),
    }
}

pub(crate) fn report(rows: Rows) -> Report {
    Report::new("a bench", "abc", String::new(), &[rows])
}

pub(crate) fn figure(report: &Report, name: &str) -> f64 {
    let row = report.rows.iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("{name} in {:?}", report.rows))
        .value
}

async fn all_orders(gateway: &Gateway) -> Report {
    let options = orders::Options {
        idle_orders: 5,
        end_to_end: Some(pace(20)),
        accept: Some(pace(40)),
    };
    report(orders::run(gateway, &options).await.unwrap())
}

#[tokio::test]
async fn every_part_of_orders_sends_what_it_says() {
    let fake = Fake::default();
    let gateway = fake.start().await;

    let report = all_orders(&gateway).await;

    assert!(report.clean, "{:?}", report.faults);
    // Ten more to warm up.
    assert_eq!(fake.shop().orders.len(), 15 + 20 + 40);
    assert!((figure(&report, "end to end: confirmed") - 20.0).abs() < f64::EPSILON);
    for name in [
        "idle: POST with wait, p99",
        "end to end: p50",
        "accept: p99",
    ] {
        assert!(figure(&report, name) > 0.0, "{name}");
    }
}

#[tokio::test]
async fn a_part_that_is_left_out_has_no_figures() {
    let fake = Fake::default();
    let gateway = fake.start().await;
    let options = orders::Options {
        idle_orders: 0,
        end_to_end: None,
        accept: Some(pace(10)),
    };

    let report = report(orders::run(&gateway, &options).await.unwrap());

    assert!(
        report
            .rows
            .iter()
            .all(|row| row.name.starts_with("accept: "))
    );
    assert_eq!(fake.shop().orders.len(), 10);
}

#[tokio::test]
async fn an_order_that_is_not_confirmed_is_no_figure_but_a_fault() {
    let fake = Fake::default();
    fake.shop().end = Some("NEEDS_ATTENTION");
    let gateway = fake.start().await;

    let report = all_orders(&gateway).await;

    assert!(!report.clean);
    assert!((figure(&report, "end to end: failed") - 20.0).abs() < f64::EPSILON);
    assert!(report.faults[0].contains("NeedsAttention"));
}

const HOT: fn() -> hot_sku::Options = || hot_sku::Options {
    pace: pace(50),
    quantity: 3,
    stock_percent: 80,
};

#[tokio::test]
async fn of_a_hot_item_exactly_stock_many_win() {
    let fake = Fake::default();
    let gateway = fake.start().await;

    let report = report(hot_sku::run(&gateway, &HOT()).await.unwrap());

    assert!(report.clean);
    assert_eq!(
        (figure(&report, "winners"), figure(&report, "losers")),
        (40.0, 10.0)
    );
    assert_eq!(fake.shop().movements[0].2, 120);
    assert_eq!(fake.shop().available.values().sum::<i64>(), 0);
}

#[tokio::test]
async fn a_shop_that_sells_nothing_is_found_out() {
    let fake = Fake::default();
    fake.shop().end = Some("REJECTED");
    let gateway = fake.start().await;

    let report = report(hot_sku::run(&gateway, &HOT()).await.unwrap());

    assert!(!report.clean);
    assert!((figure(&report, "winners too many or too few") - 40.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_is_measured_is_not_tried_again() {
    let fake = Fake::default();
    let gateway = fake.start().await;
    let options = orders::Options {
        idle_orders: 0,
        end_to_end: None,
        accept: Some(pace(10)),
    };
    let catalogue = 200;
    fake.shop().fail_after = Some((catalogue, Fault::Unavailable));

    let report = report(orders::run(&gateway, &options).await.unwrap());

    assert!((figure(&report, "accept: failed") - 1.0).abs() < f64::EPSILON);
    assert_eq!(fake.shop().keys.len(), catalogue + 10);
    assert_eq!(fake.shop().orders.len(), 9);
}
