//! Sums by time and event type, of a tenant or of a plan: by minutes, hours or days, or over a whole
//! range in one.

mod whole;

use std::fmt::Debug;
use std::sync::Arc;

use prost_types::Timestamp;
use tonic::Status;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::page::PageRequest;

use super::{AnalyticsApi, kept, parse, render, whose::whose};
use crate::adapters::grpc::tenant::Reach;
use crate::application::Asked;
use crate::domain::{EventType, Grain, Range};
use crate::ports::{Days, PlanQuestion, Sum, SumsQuestion, Whose};

/// Rollups that one page over a whole range or of a plan takes apart, at most: it is work for a
/// fraction of a second, and of each line there is only the sum in memory.
const ROLLUPS_MAX: i64 = 20_000;

pub(super) async fn answer(
    api: &AnalyticsApi,
    reach: &Reach,
    request: &pb::QueryEventsRequest,
) -> Result<pb::QueryEventsResponse, Status> {
    let whose = whose(reach, &request.tenant_id, &request.plan)?;
    let types = parse::types(&request.event_types)?;
    let (start_ms, end_ms) = parse::ends(request.range.as_ref())?;
    let grain = match request.bucket() {
        pb::Bucket::Unspecified | pb::Bucket::Day => Grain::Day,
        pb::Bucket::Hour => Grain::Hour,
        pb::Bucket::Minute => Grain::Minute,
        pb::Bucket::Whole => {
            let range = parse::range(Range::of_pieces(Grain::Minute, start_ms, end_ms))?;
            return whole::answer(api, request, (whose, range, types)).await;
        }
    };
    let range = parse::range(Range::of_pieces(grain, start_ms, end_ms))?;
    api.check_kept(grain, range)?;
    let filter = filter(&whose, range, &format!("{grain:?}"), &types);
    let page: Lines =
        PageRequest::parse(request.page_size, &request.page_token, filter.as_bytes())?;
    let asked = Asked::new(whose.scope(), days(range, &page), &asked(&filter, &page));
    match whose {
        Whose::Tenant(tenant) => {
            let question = SumsQuestion {
                tenant,
                grain,
                range,
                types,
                after: page.after.clone(),
                limit: page.limit(),
            };
            of_tenant(api, asked, (question, page)).await
        }
        Whose::Plan(plan) => {
            let question = PlanQuestion {
                plan,
                grain,
                range,
                types,
                after: page.after.clone(),
                limit: page.limit(),
                rollups_max: ROLLUPS_MAX,
            };
            of_plan(api, asked, (question, page)).await
        }
    }
}

/// A page of lines, each known by its start and event type.
type Lines = PageRequest<(i64, String)>;

fn line(sum: &Sum) -> (i64, String) {
    (sum.start_ms, sum.event_type.clone())
}

/// The days that a page depends on: behind a token there is nothing newer than its line.
fn days(range: Range, page: &Lines) -> Days {
    let end_ms = page.after.as_ref().map_or(range.end_ms, |(start_ms, _)| {
        (*start_ms).clamp(range.start_ms, range.end_ms - 1) + 1
    });
    kept::days(Range { end_ms, ..range })
}

async fn of_tenant(
    api: &AnalyticsApi,
    asked: Asked,
    (question, page): (SumsQuestion, Lines),
) -> Result<pb::QueryEventsResponse, Status> {
    let reports = Arc::clone(&api.reports);
    let compute = move || async move {
        let page = page.page(reports.sums(&question).await?, line);
        Ok(render::sums(&page.items, page.next_page_token))
    };
    Ok(dated(api.kept(asked, compute).await?))
}

async fn of_plan(
    api: &AnalyticsApi,
    asked: Asked,
    (question, page): (PlanQuestion, Lines),
) -> Result<pb::QueryEventsResponse, Status> {
    let reports = Arc::clone(&api.reports);
    let compute = move || async move {
        let found = reports.plan_sums(&question).await?;
        let page = if found.is_cut {
            page.short(found.sums, line)
        } else {
            page.page(found.sums, line)
        };
        Ok(render::sums(&page.items, page.next_page_token))
    };
    Ok(dated(api.kept(asked, compute).await?))
}

fn dated(
    (mut answer, as_of): (pb::QueryEventsResponse, Option<Timestamp>),
) -> pb::QueryEventsResponse {
    answer.as_of_time = as_of;
    answer
}

/// What a page token belongs to: everything that is asked but for the page.
fn filter(whose: &Whose, range: Range, bucket: &str, types: &[EventType]) -> String {
    let types: Vec<&str> = types.iter().map(EventType::as_str).collect();
    format!("{whose}\n{range:?}\n{bucket}\n{}", types.join(","))
}

/// Everything that is asked.
fn asked<K: Debug>(filter: &str, page: &PageRequest<K>) -> String {
    format!("query\n{filter}\n{:?}\n{}", page.after, page.size)
}

impl AnalyticsApi {
    /// Refuses what is forgotten: an answer without it would look complete.
    pub(super) fn check_kept(&self, grain: Grain, range: Range) -> Result<(), Status> {
        let kept = self.limits.kept;
        let Some(days) = kept.days(grain) else {
            return Ok(());
        };
        if range.start_ms < kept.from_ms(grain, self.now_ms()) {
            let fault =
                format!("sums as fine as that are kept for {days} days; take coarser bounds");
            return Err(parse::range_invalid(&fault));
        }
        Ok(())
    }
}
