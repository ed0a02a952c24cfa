//! The bench of tenant analytics, small, against the service and a database.

use tradepost_load::bench::analytics::{Cached, Durable, History, Progress, Reports};

use crate::bench::{figure, report};
use crate::service::Service;

#[tokio::test]
async fn what_was_acknowledged_is_what_was_stored() {
    let service = Service::start(1).await;
    let durable = Durable {
        rate: 1_000.try_into().unwrap(),
        seconds: 1.try_into().unwrap(),
        flood_seconds: 1.try_into().unwrap(),
        batch: 50,
        tenants: 10,
        types: 3,
    };

    let rows = durable.run(&service.target, &service.admin_url).await;

    let report = report(rows.unwrap());
    assert!(report.clean, "{:?}", report.faults);
    assert!(figure(&report, "questions beside it: p99") > 0.0);
}

const HISTORY: fn() -> History = || History {
    events: 3_000,
    days: 20.try_into().unwrap(),
    tenants: 12,
    types: 3,
};

#[tokio::test]
async fn the_report_over_a_history_says_what_its_raw_events_say() {
    let (service, told) = (Service::start(21).await, Progress::default());
    let history = HISTORY();

    let stored = history.store(&service.target, &service.admin_url, &told);
    let stored = report(stored.await.unwrap());

    assert!(stored.clean, "{:?}", stored.faults);
    let events = figure(&stored, "history: events");
    assert!((2_700.0..3_300.0).contains(&events), "{events}");
    assert!((told.events() as f64 - events).abs() < f64::EPSILON);

    let reports = Reports {
        reports: 6,
        cached: Cached::Yes,
    };
    let asked = reports.run(&service.target, &history, &service.admin_url);
    let asked = report(asked.await.unwrap());

    assert!(asked.clean, "{:?}", asked.faults);
    for name in [
        "report, uncached: p99",
        "report, cached: p50",
        "report, from the raw events",
    ] {
        assert!(figure(&asked, name) > 0.0, "{name}");
    }
}

#[tokio::test]
async fn a_history_that_the_disk_has_no_room_for_is_refused() {
    let service = Service::start(1).await;
    let history = History {
        events: 1_000_000_000_000,
        ..HISTORY()
    };

    let refused = history.check_room(&service.admin_url).await;

    let why = refused.unwrap_err().to_string();
    assert!(why.contains("GB are free"), "{why}");
}
