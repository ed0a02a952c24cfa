//! Pages of event types, each over a whole range. One without events in it is left out, so a page may
//! be short.

use std::sync::Arc;

use tonic::Status;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::page::PageRequest;
use tradepost_types::TenantId;

use super::{ROLLUPS_MAX, asked, dated, filter};
use crate::adapters::grpc::analytics::{AnalyticsApi, kept, parse, render};
use crate::application::Asked;
use crate::domain::{EventType, Grain, Range};
use crate::ports::{PlanWholeQuestion, TypesQuestion, Whose};

/// The pieces that a range is made of.
type Pieces = Vec<(Grain, Range)>;

/// A page of event types, each known by its name.
type Types = PageRequest<String>;

pub(super) async fn answer(
    api: &AnalyticsApi,
    request: &pb::QueryEventsRequest,
    (whose, range, types): (Whose, Range, Vec<EventType>),
) -> Result<pb::QueryEventsResponse, Status> {
    parse::check_days_of(&whose, range)?;
    let pieces = range.pieces();
    for &(grain, piece) in &pieces {
        api.check_kept(grain, piece)?;
    }
    let filter = filter(&whose, range, "whole", &types);
    let mut page: Types =
        PageRequest::parse(request.page_size, &request.page_token, filter.as_bytes())?;
    if let Whose::Tenant(_) = whose {
        page.size = page.size.min(types_max(&pieces));
    }
    let asked = Asked::new(whose.scope(), kept::days(range), &asked(&filter, &page));
    match whose {
        Whose::Tenant(tenant) => of_tenant(api, asked, (tenant, pieces, types), page).await,
        Whose::Plan(plan) => of_plan(api, asked, (plan, pieces, types), page).await,
    }
}

async fn of_tenant(
    api: &AnalyticsApi,
    asked: Asked,
    (tenant, pieces, types): (TenantId, Pieces, Vec<EventType>),
    page: Types,
) -> Result<pb::QueryEventsResponse, Status> {
    let question = TypesQuestion {
        tenant,
        types,
        after: page.after.clone(),
        limit: page.limit(),
    };
    let reports = Arc::clone(&api.reports);
    let compute = move || async move {
        let types = reports.types(&question).await?;
        let page = page.page(types, |named| named.name.clone());
        let sums = reports.whole(tenant, &pieces, &page.items).await?;
        Ok(render::sums(&sums, page.next_page_token))
    };
    Ok(dated(api.kept(asked, compute).await?))
}

async fn of_plan(
    api: &AnalyticsApi,
    asked: Asked,
    (plan, pieces, types): (String, Pieces, Vec<EventType>),
    page: Types,
) -> Result<pb::QueryEventsResponse, Status> {
    let question = PlanWholeQuestion {
        plan,
        pieces,
        types,
        after: page.after.clone(),
        types_max: i64::from(page.size),
        rollups_max: ROLLUPS_MAX.unsigned_abs(),
    };
    let reports = Arc::clone(&api.reports);
    let compute = move || async move {
        let found = reports.plan_whole(&question).await?;
        let page = page.short(found.last.into_iter().collect(), String::clone);
        Ok(render::sums(&found.sums, page.next_page_token))
    };
    Ok(dated(api.kept(asked, compute).await?))
}

/// How many event types of a tenant a page over these pieces may have: each of them may have a rollup
/// in every bucket, which is read and taken apart.
fn types_max(pieces: &[(Grain, Range)]) -> u32 {
    let buckets = |&(grain, range): &(Grain, Range)| {
        range.end_ms.saturating_sub(range.start_ms) / grain.width_ms()
    };
    let buckets: i64 = pieces.iter().map(buckets).sum();
    u32::try_from(ROLLUPS_MAX / buckets.max(1)).map_or(u32::MAX, |types| types.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn the_longer_a_range_the_fewer_event_types_a_page_has() {
        let whole = |start_ms, end_ms| {
            let range = Range::of_pieces(Grain::Minute, start_ms, end_ms).unwrap();
            types_max(&range.pieces())
        };

        assert_eq!(whole(0, DAY), 20_000);
        assert_eq!(whole(0, 730 * DAY), 27);
        assert_eq!(whole(60_000, DAY - 60_000), 20_000 / (22 + 2 * 59));
        assert_eq!(whole(0, 3_660 * DAY), 5);
    }
}
