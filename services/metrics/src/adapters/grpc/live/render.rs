//! From what the engine says to messages.

use bytes::Bytes;
use prost_types::{Duration, Timestamp};
use tradepost_aggregation::{
    Aggregate, Aggregates, Counted, Irregularities, Reason, Receipt, Sketch,
};
use tradepost_proto::metrics::v1 as pb;

/// Who answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nodes {
    pub(super) asked: usize,
    pub(super) answered: usize,
}

pub(super) fn counted(counted: Counted) -> pb::ProcessEventResponse {
    pb::ProcessEventResponse {
        late: counted == Counted::Late,
    }
}

/// What the instruments say of a single event.
pub(super) fn fate(counted: Option<Counted>) -> &'static str {
    match counted {
        Some(Counted::InTime) => "counted",
        Some(Counted::Late) => "late",
        None => "rejected",
    }
}

pub(super) fn receipt(sequence: u64, receipt: Receipt) -> pb::ProcessEventsResponse {
    let rejections = receipt
        .rejections
        .into_iter()
        .map(|(index, reason)| pb::Rejection {
            index,
            reason: rejection_reason(reason).into(),
        });
    pb::ProcessEventsResponse {
        receipt: Some(pb::BatchReceipt {
            sequence,
            duplicate: receipt.duplicate,
            accepted: receipt.accepted,
            late: receipt.late,
            overflowed: receipt.overflowed,
            rejected: receipt.rejected,
            rejections: rejections.collect(),
        }),
        durable_sequence: receipt.durable_sequence,
    }
}

pub(super) fn rejection_reason(reason: Reason) -> pb::RejectionReason {
    match reason {
        Reason::EventTypeInvalid => pb::RejectionReason::EventTypeInvalid,
        Reason::UserIdInvalid => pb::RejectionReason::UserIdInvalid,
        Reason::ValueNotFinite => pb::RejectionReason::ValueNotFinite,
        Reason::ValueTooLarge => pb::RejectionReason::ValueTooLarge,
        Reason::TimeInvalid => pb::RejectionReason::TimeInvalid,
        Reason::TooOld => pb::RejectionReason::TooOld,
        Reason::InFuture => pb::RejectionReason::InFuture,
        Reason::PlaceUnknown => pb::RejectionReason::PlaceUnknown,
        // A batch is refused as a whole then, and a single event has a status of its own for it.
        Reason::TenantsFull => pb::RejectionReason::Unspecified,
    }
}

pub(super) fn answer(
    answer: &Aggregates,
    window_ms: i64,
    nodes: Nodes,
) -> pb::GetAggregatesResponse {
    let window_start_ms = answer.now_ms.div_euclid(60_000) * 60_000 + 60_000 - window_ms;
    let complete = nodes.asked == nodes.answered && answer.counted_since_ms <= window_start_ms;
    let errors = answer
        .lines
        .iter()
        .filter_map(|line| line.sketch.as_ref())
        .map(Sketch::relative_error);
    pb::GetAggregatesResponse {
        aggregates: answer
            .lines
            .iter()
            .map(|line| aggregate(answer, line))
            .collect(),
        completeness: Some(pb::Completeness {
            watermark: Some(timestamp(answer.watermark_ms)),
            complete,
            nodes_asked: u32::try_from(nodes.asked).unwrap_or(u32::MAX),
            nodes_answered: u32::try_from(nodes.answered).unwrap_or(u32::MAX),
            counted_since: Some(timestamp(answer.counted_since_ms)),
        }),
        irregularities: Some(irregularities(&answer.irregularities)),
        percentile_relative_error: errors.fold(Sketch::RELATIVE_ERROR, f64::max),
    }
}

pub(super) fn partial(answer: Aggregates, node_id: Bytes) -> pb::GetPartialAggregatesResponse {
    let lines = answer.lines.into_iter().map(|line| pb::PartialAggregate {
        event_type: line.event_type,
        start_seconds: line.start_ms.div_euclid(1_000),
        count: line.count,
        sum: line.sum,
        min: line.min,
        max: line.max,
        sketch: line
            .sketch
            .map(|sketch| sketch.encode().into())
            .unwrap_or_default(),
    });
    pb::GetPartialAggregatesResponse {
        aggregates: lines.collect(),
        watermark: Some(timestamp(answer.watermark_ms)),
        counted_since: Some(timestamp(answer.counted_since_ms)),
        irregularities: Some(irregularities(&answer.irregularities)),
        node_id,
    }
}

pub(super) fn timestamp(time_ms: i64) -> Timestamp {
    let (seconds, nanos) = seconds_and_nanos(time_ms);
    Timestamp { seconds, nanos }
}

fn aggregate(answer: &Aggregates, line: &Aggregate) -> pb::Aggregate {
    let (seconds, nanos) = seconds_and_nanos(answer.piece_ms);
    pb::Aggregate {
        event_type: line.event_type.clone(),
        start_time: Some(timestamp(line.start_ms)),
        duration: Some(Duration { seconds, nanos }),
        count: line.count,
        sum: line.sum,
        min: line.min,
        max: line.max,
        mean: line.mean(),
        rate_per_second: answer.rate_per_second(line),
        p50: line.quantile(0.5),
        p90: line.quantile(0.9),
        p99: line.quantile(0.99),
    }
}

fn irregularities(noted: &Irregularities) -> pb::Irregularities {
    pb::Irregularities {
        late: noted.late,
        overflowed: noted.overflowed,
        too_old: noted.too_old,
        in_future: noted.in_future,
        invalid: noted.invalid,
        duplicate: noted.duplicate,
    }
}

fn seconds_and_nanos(time_ms: i64) -> (i64, i32) {
    let nanos = i32::try_from(time_ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    (time_ms.div_euclid(1_000), nanos)
}
