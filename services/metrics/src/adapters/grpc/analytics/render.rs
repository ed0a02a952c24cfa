//! From answers to protobuf.

use prost_types::Timestamp;
use tradepost_aggregation::Sketch;
use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::page::Page;

use crate::ports::{DailyLine, StoredEvent, Sum, TopLine};

pub(super) fn timestamp(at_ms: i64) -> Timestamp {
    Timestamp {
        seconds: at_ms.div_euclid(1_000),
        // Less than 1,000, times a million.
        nanos: i32::try_from(at_ms.rem_euclid(1_000) * 1_000_000).unwrap_or_default(),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a mean is not exact beyond 2^53 events"
)]
fn mean(sum: f64, n: u64) -> f64 {
    if n == 0 { 0.0 } else { sum / n as f64 }
}

pub(super) fn sums(sums: &[Sum], next_page_token: String) -> pb::QueryEventsResponse {
    let errors = sums.iter().map(|sum| sum.rollup.sketch.relative_error());
    pb::QueryEventsResponse {
        percentile_relative_error: errors.fold(Sketch::RELATIVE_ERROR, f64::max),
        sums: sums.iter().map(sum).collect(),
        next_page_token,
        as_of_time: None,
    }
}

fn sum(sum: &Sum) -> pb::Sum {
    let rollup = &sum.rollup;
    // There are no rollups of nothing. A percentile is no less than the least and no more than the
    // greatest value, which are exact.
    let percentile = |q| {
        let value = rollup.sketch.quantile(q).unwrap_or_default();
        value.max(rollup.min).min(rollup.max)
    };
    pb::Sum {
        event_type: sum.event_type.clone(),
        start_time: Some(timestamp(sum.start_ms)),
        count: rollup.n,
        sum: rollup.sum,
        sum_of_squares: rollup.sum_of_squares,
        min: rollup.min,
        max: rollup.max,
        mean: mean(rollup.sum, rollup.n),
        distinct_users: rollup.users.estimate(),
        p50: percentile(0.5),
        p90: percentile(0.9),
        p99: percentile(0.99),
    }
}

pub(super) fn daily(page: &Page<DailyLine>) -> pb::ReportDailyResponse {
    let line = |line: &DailyLine| pb::DailyLine {
        tenant_id: line.tenant.to_string(),
        day: Some(timestamp_to_proto(line.day.midnight().assume_utc())),
        count: line.n,
        mean: mean(line.sum, line.n),
    };
    pb::ReportDailyResponse {
        lines: page.items.iter().map(line).collect(),
        next_page_token: page.next_page_token.clone(),
        as_of_time: None,
    }
}

pub(super) fn top(lines: Vec<TopLine>) -> pb::ListTopResponse {
    let line = |line: TopLine| pb::TopLine {
        event_type: line.event_type,
        count: line.n,
        sum: line.sum,
    };
    pb::ListTopResponse {
        lines: lines.into_iter().map(line).collect(),
        as_of_time: None,
    }
}

pub(super) fn events(page: Page<StoredEvent>) -> pb::ListEventsResponse {
    let event = |event: StoredEvent| pb::Event {
        event_time: Some(timestamp(event.at_ms)),
        user_id: event.user,
        event_type: event.event_type,
        value: event.value,
    };
    pb::ListEventsResponse {
        events: page.items.into_iter().map(event).collect(),
        next_page_token: page.next_page_token,
    }
}
