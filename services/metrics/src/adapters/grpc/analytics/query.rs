//! Sums by time and event type: by minutes, hours or days, or over a whole range in one.

use tonic::Status;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::page::PageRequest;
use tradepost_types::TenantId;

use super::{AnalyticsApi, READ_ANY, parse, render, status};
use crate::adapters::grpc::tenant::Reach;
use crate::domain::{EventType, Grain, Range};
use crate::ports::{SumsQuestion, TypesQuestion};

pub(super) async fn answer(
    api: &AnalyticsApi,
    reach: &Reach,
    request: &pb::QueryEventsRequest,
) -> Result<pb::QueryEventsResponse, Status> {
    let tenant = reach.tenant(&request.tenant_id, READ_ANY)?;
    let types = parse::types(&request.event_types)?;
    let (start_ms, end_ms) = parse::ends(request.range.as_ref())?;
    let grain = match request.bucket() {
        pb::Bucket::Unspecified | pb::Bucket::Day => Grain::Day,
        pb::Bucket::Hour => Grain::Hour,
        pb::Bucket::Minute => Grain::Minute,
        pb::Bucket::Whole => {
            let range = parse::range(Range::of_pieces(Grain::Minute, start_ms, end_ms))?;
            return whole(api, request, (tenant, range, types)).await;
        }
    };
    let range = parse::range(Range::of_pieces(grain, start_ms, end_ms))?;
    api.check_kept(grain, range)?;
    let page: PageRequest<(i64, String)> = PageRequest::parse(
        request.page_size,
        &request.page_token,
        &filter(request, tenant),
    )?;
    let question = SumsQuestion {
        tenant,
        grain,
        range,
        types,
        after: page.after.clone(),
        limit: page.limit(),
    };
    let sums = api.reports.sums(&question).await;
    let sums = sums.map_err(|error| status::render(&error))?;
    let page = page.page(sums, |sum| (sum.start_ms, sum.event_type.clone()));
    Ok(render::sums(&page.items, page.next_page_token))
}

/// A page of event types, each over the whole range. A type without events in it is left out, so a
/// page may be short.
async fn whole(
    api: &AnalyticsApi,
    request: &pb::QueryEventsRequest,
    (tenant, range, types): (TenantId, Range, Vec<EventType>),
) -> Result<pb::QueryEventsResponse, Status> {
    let pieces = range.pieces();
    for &(grain, piece) in &pieces {
        api.check_kept(grain, piece)?;
    }
    let page: PageRequest<String> = PageRequest::parse(
        request.page_size,
        &request.page_token,
        &filter(request, tenant),
    )?;
    let question = TypesQuestion {
        tenant,
        types,
        after: page.after.clone(),
        limit: page.limit(),
    };
    let types = api.reports.types(&question).await;
    let types = types.map_err(|error| status::render(&error))?;
    let page = page.page(types, |named| named.name.clone());
    let sums = api.reports.whole(tenant, &pieces, &page.items).await;
    let sums = sums.map_err(|error| status::render(&error))?;
    Ok(render::sums(&sums, page.next_page_token))
}

/// What a page token belongs to: everything that is asked but for the page.
fn filter(request: &pb::QueryEventsRequest, tenant: TenantId) -> Vec<u8> {
    let types = request.event_types.join(",");
    let (range, bucket) = (&request.range, request.bucket());
    format!("{tenant}\n{range:?}\n{bucket:?}\n{types}").into_bytes()
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
