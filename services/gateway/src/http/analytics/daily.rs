//! The daily report over tenants as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::metrics::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use super::plan::plan;
use crate::http::problem::Problem;
use crate::http::values::{Day, day, finite, text};

/// Which days of whom are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DailyFilter {
    /// Only tenants on this plan: `standard`, `plus` or `internal`.
    #[serde(default)]
    #[param(required = false, nullable = false, example = "plus")]
    plan: Option<String>,
    /// From this day of UTC on.
    #[param(value_type = String, format = Date, example = "2026-07-01")]
    since: Day,
    /// Up to and without this day of UTC, at most 10 years later. Left out: up to now.
    #[serde(default)]
    #[param(value_type = String, format = Date, required = false, nullable = false, example = "2026-08-01")]
    until: Option<Day>,
    /// Only this event type.
    #[serde(default)]
    #[param(required = false, max_length = 64, example = "order.fulfilled")]
    event_type: String,
    /// Lines a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl DailyFilter {
    /// # Errors
    /// A plan that there is not.
    pub(super) fn into_request(self) -> Result<pb::ReportDailyRequest, Problem> {
        Ok(pb::ReportDailyRequest {
            plan: plan(self.plan.as_deref())?,
            event_type: self.event_type,
            since: Some(self.since.into()),
            until: self.until.map(Into::into),
            page_size: self.page_size,
            page_token: self.page_token,
        })
    }
}

/// One tenant's day.
#[derive(Debug, Serialize, ToSchema)]
struct DailyLine {
    /// The tenant.
    #[schema(example = "tenant_01h455vb4pex5vsknk084sn02q")]
    tenant_id: String,
    /// The day, of UTC.
    day: Day,
    /// Events.
    #[schema(example = 86400)]
    count: u64,
    /// The mean of their values: of an event type that measures a time, the average time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 12.5)]
    mean: Option<f64>,
}

/// A page of the report.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DailyPage {
    /// Newest day first, then by tenant.
    lines: Vec<DailyLine>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::ReportDailyResponse> for DailyPage {
    type Error = Problem;

    fn try_from(page: pb::ReportDailyResponse) -> Result<Self, Problem> {
        let lines = page.lines.into_iter().map(|line| {
            Ok(DailyLine {
                tenant_id: line.tenant_id,
                day: day(line.day)?,
                count: line.count,
                mean: finite(line.mean),
            })
        });
        Ok(Self {
            lines: lines.collect::<Result<_, Problem>>()?,
            next_page_token: text(page.next_page_token),
        })
    }
}
