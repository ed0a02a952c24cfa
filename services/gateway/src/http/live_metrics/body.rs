//! Live aggregates as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::metrics::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::Problem;
use crate::http::values::{Time, finite, instant, present};

/// How far back is looked when nothing is said.
const MINUTES: u32 = 5;

/// How an answer is cut into times.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Grouping {
    /// One line an event type.
    None,
    /// One line an event type and minute.
    Minute,
    /// One line an event type and second; at most the last 2 minutes.
    Second,
}

impl From<Grouping> for pb::Grouping {
    fn from(wanted: Grouping) -> Self {
        match wanted {
            Grouping::None => Self::None,
            Grouping::Minute => Self::Minute,
            Grouping::Second => Self::Second,
        }
    }
}

/// Which aggregates are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveFilter {
    /// How far back, the minute that is running included. Left out: 5.
    #[serde(default = "minutes")]
    #[param(required = false, minimum = 1, maximum = 1440, example = 5)]
    minutes: u32,
    /// Only this event type; may be given more than once, at most 100 times.
    #[serde(default)]
    #[param(required = false, explode = true)]
    event_type: Vec<String>,
    /// Whether and how the answer is cut into times. Left out: `NONE`.
    #[serde(default)]
    #[param(inline, required = false, nullable = false)]
    grouping: Option<Grouping>,
}

const fn minutes() -> u32 {
    MINUTES
}

impl From<LiveFilter> for pb::GetAggregatesRequest {
    fn from(filter: LiveFilter) -> Self {
        let grouping = filter.grouping.unwrap_or(Grouping::None);
        Self {
            tenant_id: String::new(),
            minutes: filter.minutes,
            event_types: filter.event_type,
            grouping: pb::Grouping::from(grouping).into(),
            scope: pb::Scope::Cluster.into(),
        }
    }
}

/// What the events of one type come to, over the window or one piece of it. A number that is beyond
/// what a double holds is left out.
#[derive(Debug, Serialize, ToSchema)]
struct Aggregate {
    /// The event type. `__other__`: those that there were too many of.
    #[schema(example = "page.viewed")]
    event_type: String,
    /// Where the piece starts.
    start_time: Time,
    /// How long it is.
    #[schema(example = 300)]
    duration_seconds: i64,
    /// Events.
    #[schema(example = 1200)]
    count: u64,
    /// The sum of their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 15000.0)]
    sum: Option<f64>,
    /// The least value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1.5)]
    min: Option<f64>,
    /// The greatest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 480.0)]
    max: Option<f64>,
    /// The sum over the count.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 12.5)]
    mean: Option<f64>,
    /// Events a second, over what has passed of the piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 4.0)]
    rate_per_second: Option<f64>,
    /// Half of the values are at most this. Percentiles are left out with `SECOND`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 9.1)]
    p50: Option<f64>,
    /// Nine tenths of the values are at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 31.0)]
    p90: Option<f64>,
    /// 99 of 100 values are at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 120.0)]
    p99: Option<f64>,
}

impl TryFrom<pb::Aggregate> for Aggregate {
    type Error = Problem;

    fn try_from(aggregate: pb::Aggregate) -> Result<Self, Problem> {
        Ok(Self {
            event_type: aggregate.event_type,
            start_time: instant(aggregate.start_time)?,
            duration_seconds: present(aggregate.duration)?.seconds,
            count: aggregate.count,
            sum: finite(aggregate.sum),
            min: finite(aggregate.min),
            max: finite(aggregate.max),
            mean: finite(aggregate.mean),
            rate_per_second: finite(aggregate.rate_per_second),
            p50: aggregate.p50.and_then(finite),
            p90: aggregate.p90.and_then(finite),
            p99: aggregate.p99.and_then(finite),
        })
    }
}

/// How far an answer can be trusted.
#[derive(Debug, Serialize, ToSchema)]
struct Completeness {
    /// Every event before this moment is in the answer that came within two minutes of its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    watermark: Option<Time>,
    /// Whether all nodes answered, and have counted since before the window.
    complete: bool,
    /// Nodes asked.
    #[schema(example = 2)]
    nodes_asked: u32,
    /// Nodes that answered.
    #[schema(example = 2)]
    nodes_answered: u32,
    /// Since when the tenant's events are counted without a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    counted_since: Option<Time>,
}

impl TryFrom<pb::Completeness> for Completeness {
    type Error = Problem;

    fn try_from(completeness: pb::Completeness) -> Result<Self, Problem> {
        let moment = |at: Option<_>| at.map(|at| instant(Some(at))).transpose();
        Ok(Self {
            watermark: moment(completeness.watermark)?,
            complete: completeness.complete,
            nodes_asked: completeness.nodes_asked,
            nodes_answered: completeness.nodes_answered,
            counted_since: moment(completeness.counted_since)?,
        })
    }
}

/// Events of the tenant that did not count as they came, since the service began to count.
#[derive(Debug, Serialize, ToSchema)]
struct Irregularities {
    /// Counted, by the minute only: they came late.
    late: u64,
    /// Counted under `__other__`: there were too many event types.
    overflowed: u64,
    /// Refused: before everything that is kept.
    too_old: u64,
    /// Refused: in the future.
    in_future: u64,
    /// Refused for another reason.
    invalid: u64,
    /// In batches that had been counted before.
    duplicate: u64,
}

impl From<pb::Irregularities> for Irregularities {
    fn from(irregularities: pb::Irregularities) -> Self {
        Self {
            late: irregularities.late,
            overflowed: irregularities.overflowed,
            too_old: irregularities.too_old,
            in_future: irregularities.in_future,
            invalid: irregularities.invalid,
            duplicate: irregularities.duplicate,
        }
    }
}

/// What happens now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LiveMetrics {
    /// By event type, then by time.
    aggregates: Vec<Aggregate>,
    /// How far they can be trusted.
    completeness: Completeness,
    /// What did not count as it came.
    irregularities: Irregularities,
    /// By how much of its value a percentile may be off.
    #[schema(example = 0.01)]
    percentile_relative_error: f64,
}

impl TryFrom<pb::GetAggregatesResponse> for LiveMetrics {
    type Error = Problem;

    fn try_from(answer: pb::GetAggregatesResponse) -> Result<Self, Problem> {
        let aggregates = answer.aggregates.into_iter().map(Aggregate::try_from);
        Ok(Self {
            aggregates: aggregates.collect::<Result<_, Problem>>()?,
            completeness: present(answer.completeness)?.try_into()?,
            irregularities: answer.irregularities.unwrap_or_default().into(),
            percentile_relative_error: answer.percentile_relative_error,
        })
    }
}
