//! Sums of events as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::metrics::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use super::plan::plan_or_own;
use crate::domain::caller::Caller;
use crate::http::problem::Problem;
use crate::http::values::{Day, Time, finite, instant, text};

/// Into which times a range is cut.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Bucket {
    /// Minutes; kept for 7 days.
    Minute,
    /// Hours; kept for 90 days.
    Hour,
    /// Days of UTC; kept for ever.
    Day,
    /// The whole range in one. With a plan at most 93 days.
    Whole,
}

impl From<Bucket> for pb::Bucket {
    fn from(wanted: Bucket) -> Self {
        match wanted {
            Bucket::Minute => Self::Minute,
            Bucket::Hour => Self::Hour,
            Bucket::Day => Self::Day,
            Bucket::Whole => Self::Whole,
        }
    }
}

/// Which sums are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SumFilter {
    /// From this moment on: the start of a bucket.
    #[param(value_type = String, format = DateTime, example = "2026-07-01T00:00:00Z")]
    from: Time,
    /// Up to and without this one: the start of a bucket, at most 10 years later.
    #[param(value_type = String, format = DateTime, example = "2026-08-01T00:00:00Z")]
    to: Time,
    /// How the range is cut. Left out: `DAY`.
    #[serde(default)]
    #[param(inline, required = false, nullable = false)]
    bucket: Option<Bucket>,
    /// Only this event type; may be given more than once, at most 100 times.
    #[serde(default)]
    #[param(required = false, explode = true)]
    event_type: Vec<String>,
    /// Sums a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
    /// In place of the caller's tenant all tenants on this plan together: `standard`, `plus` or
    /// `internal`. For those who run the platform, with the permission `analytics:read_any`. A page may
    /// then be short or empty and not the last one.
    #[serde(default)]
    #[param(required = false, nullable = false, example = "plus")]
    plan: Option<String>,
}

impl SumFilter {
    /// # Errors
    /// A plan that there is not, or a caller without the permission for what is asked.
    pub(super) fn into_request(self, caller: &Caller) -> Result<pb::QueryEventsRequest, Problem> {
        let bucket = self.bucket.unwrap_or(Bucket::Day);
        Ok(pb::QueryEventsRequest {
            tenant_id: String::new(),
            range: Some(pb::TimeRange {
                start_time: Some(self.from.into()),
                end_time: Some(self.to.into()),
            }),
            bucket: pb::Bucket::from(bucket).into(),
            event_types: self.event_type,
            page_size: self.page_size,
            page_token: self.page_token,
            plan: plan_or_own(self.plan.as_deref(), caller)?,
        })
    }
}

/// What the events of one type come to, over one bucket. A number that is beyond what a double
/// holds is left out.
#[derive(Debug, Serialize, ToSchema)]
struct Sum {
    /// The event type.
    #[schema(example = "page.viewed")]
    event_type: String,
    /// Where the bucket starts.
    start_time: Time,
    /// Events.
    #[schema(example = 86400)]
    count: u64,
    /// The sum of their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1080000.0)]
    sum: Option<f64>,
    /// The sum of their squares.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 27000000.0)]
    sum_of_squares: Option<f64>,
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
    /// How many different users, estimated: the standard error is 1.6 %.
    #[schema(example = 4711)]
    distinct_users: u64,
    /// Half of the values are at most this.
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

impl TryFrom<pb::Sum> for Sum {
    type Error = Problem;

    fn try_from(sum: pb::Sum) -> Result<Self, Problem> {
        Ok(Self {
            event_type: sum.event_type,
            start_time: instant(sum.start_time)?,
            count: sum.count,
            sum: finite(sum.sum),
            sum_of_squares: finite(sum.sum_of_squares),
            min: finite(sum.min),
            max: finite(sum.max),
            mean: finite(sum.mean),
            distinct_users: sum.distinct_users,
            p50: finite(sum.p50),
            p90: finite(sum.p90),
            p99: finite(sum.p99),
        })
    }
}

/// A page of sums.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SumPage {
    /// Newest bucket first, then by event type.
    sums: Vec<Sum>,
    /// By how much of its value a percentile may be off.
    #[schema(example = 0.01)]
    percentile_relative_error: f64,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::QueryEventsResponse> for SumPage {
    type Error = Problem;

    fn try_from(page: pb::QueryEventsResponse) -> Result<Self, Problem> {
        let sums = page.sums.into_iter().map(Sum::try_from);
        Ok(Self {
            sums: sums.collect::<Result<_, Problem>>()?,
            percentile_relative_error: page.percentile_relative_error,
            next_page_token: text(page.next_page_token),
        })
    }
}

/// What there can be most of.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum TopMeasure {
    /// Events.
    Count,
    /// The sum of their values.
    Sum,
}

impl From<TopMeasure> for pb::TopMeasure {
    fn from(wanted: TopMeasure) -> Self {
        match wanted {
            TopMeasure::Count => Self::Count,
            TopMeasure::Sum => Self::Sum,
        }
    }
}

/// Which of the greatest are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TopFilter {
    /// From this day of UTC on.
    #[param(value_type = String, format = Date, example = "2026-07-01")]
    from: Day,
    /// Up to and without this day.
    #[param(value_type = String, format = Date, example = "2026-08-01")]
    to: Day,
    /// By what they are compared. Left out: `COUNT`.
    #[serde(default)]
    #[param(inline, required = false, nullable = false)]
    measure: Option<TopMeasure>,
    /// How many: 0 or none = 10, at most 100.
    #[serde(default)]
    #[param(required = false, minimum = 0, maximum = 100)]
    limit: i32,
    /// In place of the caller's tenant all tenants on this plan together: `standard`, `plus` or
    /// `internal`. For those who run the platform, with the permission `analytics:read_any`, and over at
    /// most 93 days.
    #[serde(default)]
    #[param(required = false, nullable = false, example = "plus")]
    plan: Option<String>,
}

impl TopFilter {
    /// # Errors
    /// A plan that there is not, or a caller without the permission for what is asked.
    pub(super) fn into_request(self, caller: &Caller) -> Result<pb::ListTopRequest, Problem> {
        let measure = self.measure.unwrap_or(TopMeasure::Count);
        Ok(pb::ListTopRequest {
            tenant_id: String::new(),
            range: Some(pb::TimeRange {
                start_time: Some(self.from.into()),
                end_time: Some(self.to.into()),
            }),
            measure: pb::TopMeasure::from(measure).into(),
            limit: self.limit,
            plan: plan_or_own(self.plan.as_deref(), caller)?,
        })
    }
}

/// One of the greatest.
#[derive(Debug, Serialize, ToSchema)]
struct TopLine {
    /// The event type.
    #[schema(example = "page.viewed")]
    event_type: String,
    /// Its events.
    #[schema(example = 86400)]
    count: u64,
    /// The sum of their values.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 1080000.0)]
    sum: Option<f64>,
}

/// The event types that have most.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Top {
    /// Greatest first.
    event_types: Vec<TopLine>,
}

impl From<pb::ListTopResponse> for Top {
    fn from(top: pb::ListTopResponse) -> Self {
        let lines = top.lines.into_iter().map(|line| TopLine {
            event_type: line.event_type,
            count: line.count,
            sum: finite(line.sum),
        });
        Self {
            event_types: lines.collect(),
        }
    }
}
