//! Tenant analytics: parse, call, render.

pub(crate) mod batch;
mod export;
mod ingest;
mod kept;
mod parse;
mod query;
mod render;
mod status;
mod whose;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::analytics_service_server::AnalyticsService;
use tradepost_service::Clock;
use tradepost_service::auth::Rule;

use super::tenant::Reach;
use crate::application::{Answers, Asked, Exports, Ingest, Listing, Room};
use crate::domain::Kept;
use crate::metrics::Metrics;
use crate::ports::{Archived, Reports, Scope};
use whose::whose;

/// A tenant's figures take this right.
const READ: &str = "analytics:read";
/// Another tenant's figures take this right too, and those of a plan this one alone.
const READ_ANY: &str = "analytics:read_any";

/// What opens the methods. None is of a tenant, since the platform's callers have none: which
/// tenant a call is about is found by [`Reach`].
pub const RULES: [Rule; 7] = [
    Rule::of_platform("IngestEvents", "events:write"),
    Rule::of_platform("QueryEvents", READ).or(&[READ_ANY]),
    Rule::of_platform("ReportDaily", READ_ANY),
    Rule::of_platform("ListTop", READ).or(&[READ_ANY]),
    Rule::of_platform("ListEvents", READ),
    Rule::of_platform("ExportEvents", READ),
    Rule::of_platform("PutTenant", "tenants:write"),
];

/// The service's calls. Cheap to clone.
#[derive(Clone)]
pub struct AnalyticsApi {
    /// Where batches go in.
    pub ingest: Ingest,
    /// Places for the streams that put them there.
    pub streams: Arc<Room>,
    /// Where answers are computed.
    pub reports: Reports,
    /// Where single events come from.
    pub listing: Listing,
    /// Where files come from.
    pub exports: Exports,
    /// Which of them are kept.
    pub answers: Answers,
    /// The instruments.
    pub metrics: Metrics,
    /// Limits of the calls.
    pub limits: ApiLimits,
    /// Tells what is too old and what is not yet.
    pub clock: Clock,
    /// Ends the streams when the process does.
    pub shutdown: CancellationToken,
}

/// Limits of the calls.
#[derive(Debug, Clone, Copy)]
pub struct ApiLimits {
    /// Batches of one stream that are under way at once.
    pub stream_batches_max: usize,
    /// How long a stream may be open.
    pub stream_life: Duration,
    /// Events from longer ago than this are refused.
    pub history_days: u16,
    /// For how long sums are kept.
    pub kept: Kept,
}

#[tonic::async_trait]
impl AnalyticsService for AnalyticsApi {
    type IngestEventsStream = ingest::Receipts;
    type ExportEventsStream = export::Pieces;

    async fn ingest_events(
        &self,
        request: Request<Streaming<pb::IngestEventsRequest>>,
    ) -> Result<Response<ingest::Receipts>, Status> {
        let reach = Reach::of(&request)?;
        let place = Room::take(&self.streams, reach.own(), 1).map_err(status::no_stream)?;
        let receipts = ingest::receipts(self.clone(), reach, request.into_inner(), place);
        Ok(Response::new(receipts))
    }

    async fn query_events(
        &self,
        request: Request<pb::QueryEventsRequest>,
    ) -> Result<Response<pb::QueryEventsResponse>, Status> {
        let reach = Reach::of(&request)?;
        let answer = query::answer(self, &reach, request.get_ref()).await?;
        Ok(Response::new(answer))
    }

    async fn report_daily(
        &self,
        request: Request<pb::ReportDailyRequest>,
    ) -> Result<Response<pb::ReportDailyResponse>, Status> {
        let (question, page) = parse::report_daily(request.get_ref(), self.now_ms())?;
        let asked = Asked::new(
            Scope::Platform,
            parse::report_days(&question),
            &format!("daily\n{question:?}"),
        );
        let reports = Arc::clone(&self.reports);
        let compute = move || async move {
            let lines = reports.daily(&question).await?;
            Ok(render::daily(&page.page(lines, parse::day_key)))
        };
        let (mut answer, as_of): (pb::ReportDailyResponse, _) = self.kept(asked, compute).await?;
        answer.as_of_time = as_of;
        Ok(Response::new(answer))
    }

    async fn list_top(
        &self,
        request: Request<pb::ListTopRequest>,
    ) -> Result<Response<pb::ListTopResponse>, Status> {
        let (reach, request) = (Reach::of(&request)?, request.get_ref());
        let whose = whose(&reach, &request.tenant_id, &request.plan)?;
        let (range, measure, limit) = parse::list_top(request, &whose)?;
        let asked = Asked::new(
            whose.scope(),
            kept::days(range),
            &format!("top\n{whose}\n{range:?}\n{measure:?}\n{limit}"),
        );
        let reports = Arc::clone(&self.reports);
        let compute = move || async move {
            let lines = reports.top(&whose, range, measure, limit).await?;
            Ok(render::top(lines))
        };
        let (mut answer, as_of): (pb::ListTopResponse, _) = self.kept(asked, compute).await?;
        answer.as_of_time = as_of;
        Ok(Response::new(answer))
    }

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let (reach, request) = (Reach::of(&request)?, request.get_ref());
        let tenant = reach.tenant(&request.tenant_id, READ_ANY)?;
        let (question, page) = parse::list_events(request, tenant)?;
        let events = self.listing.page(&question).await;
        let events = events.map_err(|why| status::not_read(&why))?;
        let page = page.page(events, |event| (event.at_ms, event.id));
        Ok(Response::new(render::events(page)))
    }

    async fn export_events(
        &self,
        request: Request<pb::ExportEventsRequest>,
    ) -> Result<Response<export::Pieces>, Status> {
        let reach = Reach::of(&request)?;
        let pieces = export::pieces(self, &reach, request.get_ref()).await?;
        Ok(Response::new(pieces))
    }

    async fn put_tenant(
        &self,
        request: Request<pb::PutTenantRequest>,
    ) -> Result<Response<pb::PutTenantResponse>, Status> {
        let (tenant, plan, version) = parse::put_tenant(request.get_ref())?;
        let put = self.reports.put_tenant(tenant, plan, version).await;
        put.map_err(|error| status::render(&error))?;
        Ok(Response::new(pb::PutTenantResponse {}))
    }
}

impl AnalyticsApi {
    /// The same calls, about events in that archive too.
    #[must_use]
    pub fn reaching(self, archive: Archived) -> Self {
        Self {
            listing: self.listing.reaching(Arc::clone(&archive)),
            exports: self.exports.reaching(archive),
            ..self
        }
    }

    /// Now, in milliseconds since 1970.
    fn now_ms(&self) -> i64 {
        let millis = self.clock.now().unix_timestamp_nanos() / 1_000_000;
        i64::try_from(millis).unwrap_or(i64::MAX)
    }
}
