//! The bench of live counting, small, against the service: that it counts right, never how long
//! anything took.

use std::time::Duration;

use tradepost_load::bench::Calls;
use tradepost_load::bench::live::{self, Options, Steady};
use tradepost_testkit::Trust;

use crate::bench::{figure, report};
use crate::service::Service;

const OPTIONS: fn() -> Options = || Options {
    seconds: 1.try_into().unwrap(),
    tenants: 20,
    types: 3,
    readable: 20,
    packed: 40,
    single_under_way: 4,
    rate: 2_000.try_into().unwrap(),
};

#[test]
fn the_engine_counts_in_this_process() {
    let report = report(live::run_engine(Duration::from_millis(30)).unwrap());

    for name in [
        "process_event in process, threads: 2",
        "process_event in process, 2 threads: p99",
        "packed in process, 1 thread",
    ] {
        assert!(figure(&report, name) > 0.0, "{name}");
    }
}

#[tokio::test]
async fn both_forms_of_batches_are_acknowledged() {
    let service = Service::start(1).await;

    let report = report(
        live::run_streams(&service.target, &OPTIONS())
            .await
            .unwrap(),
    );

    assert!(report.clean, "{:?}", report.faults);
    assert!(figure(&report, "prost batches") > 0.0);
    assert!(figure(&report, "packed batches") > 0.0);
}

#[tokio::test]
async fn a_constant_rate_has_latencies_of_every_batch() {
    let service = Service::start(1).await;

    let report = report(
        live::run_processor(&service.target, &OPTIONS())
            .await
            .unwrap(),
    );

    assert!(report.clean, "{:?}", report.faults);
    assert!(figure(&report, "at 2000 events/s in prost batches: p99") > 0.0);
}

#[tokio::test]
async fn single_events_are_measured_by_both_clocks() {
    let service = Service::start(1).await;

    let report = report(live::run_unary(&service.target, &OPTIONS()).await.unwrap());

    assert!(report.clean, "{:?}", report.faults);
    for name in [
        "single events",
        "single events: load's own time of one, at most",
        "single events at half that rate: p99",
        "single events at half that rate: sent late by: p99",
        "single events at half that rate: from when it was sent: p99",
        "single events at half that rate: p99 by the service's clock, at most",
    ] {
        assert!(figure(&report, name) > 0.0, "{name}");
    }
}

#[tokio::test]
async fn single_events_that_are_refused_are_no_answers() {
    let mut service = Service::start(1).await;
    service.target.calls = Calls::new(Trust::new().gateway().clone());

    let report = report(live::run_unary(&service.target, &OPTIONS()).await.unwrap());

    assert!(!report.clean, "nobody believes this trust");
    assert!(figure(&report, "single events: failed") > 0.0);
    assert!((figure(&report, "single events") - 0.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn all_that_a_steady_load_had_acknowledged_is_counted() {
    let service = Service::start(1).await;
    let steady = Steady {
        rate: 2_000.try_into().unwrap(),
        seconds: 1.try_into().unwrap(),
        batch: 20,
        tenants: 10,
        types: 3,
    };

    let report = report(steady.run(&service.target).await.unwrap());

    assert!(report.clean, "{:?}", report.faults);
    let share = figure(&report, "2000 events/s for 1 s: acknowledged of offered");
    assert!((share - 100.0).abs() < f64::EPSILON, "{share} %");
    assert!(figure(&report, "memory after it: heap") > 0.0);
}
