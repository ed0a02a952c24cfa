//! Live aggregates: parse, call, render.

mod answers;
mod parse;
mod peers;
mod render;
mod status;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::metrics_service_server::MetricsService;
use tradepost_service::auth::Rule;
use tradepost_types::TenantId;

pub use peers::Peers;

use super::tenant::Reach;
use crate::application::{Live, Room, Share};
use crate::config::LiveConfig;
use crate::metrics::LiveMetrics;

/// Counting for another tenant takes this right.
const WRITE_ANY: &str = "events:write_any";
/// Another tenant's aggregates take this right.
const READ_ANY: &str = "metrics:read_any";
/// Questions that wait or are worked on, of all tenants and of one. Who comes next waits behind few
/// of any other tenant.
const ASKED_MAX: (u32, u32) = (1_024, 16);

/// What opens the methods. None is of a tenant, since the platform's callers have none: which
/// tenant a call is about is found by [`Reach`].
pub const RULES: [Rule; 5] = [
    Rule::of_platform("ProcessEvent", "events:write"),
    Rule::of_platform("ProcessEvents", "events:write"),
    Rule::of_platform("GetAggregates", "metrics:read"),
    Rule::of_platform("WatchAggregates", "metrics:read"),
    Rule::of_platform("GetPartialAggregates", "metrics:read"),
];

/// The service's calls. Cheap to clone.
#[derive(Clone)]
pub struct LiveApi {
    live: Arc<Live>,
    /// What its peers know it by.
    node_id: Bytes,
    peers: Peers,
    metrics: LiveMetrics,
    /// Streams that are open.
    streams: Arc<Room>,
    /// Questions that wait or are worked on.
    asked: Arc<Room>,
    /// Questions that may still be worked on.
    questions: Arc<Semaphore>,
    /// How long a stream may be open.
    stream_life: Duration,
    /// Ends the streams when the process does.
    shutdown: CancellationToken,
}

impl LiveApi {
    /// Calls about what `live` counts, and what its peers do.
    #[must_use]
    pub fn new(
        live: Arc<Live>,
        peers: Peers,
        config: &LiveConfig,
        (metrics, shutdown): (LiveMetrics, CancellationToken),
    ) -> Self {
        Self {
            live,
            node_id: Bytes::copy_from_slice(&rand::random::<[u8; 16]>()),
            peers,
            metrics,
            streams: Arc::new(Room::halved(config.streams_max)),
            asked: Arc::new(Room::new(ASKED_MAX.0, ASKED_MAX.1)),
            questions: Arc::new(Semaphore::new(config.questions_max)),
            stream_life: Duration::from_secs(config.stream_seconds_max),
            shutdown,
        }
    }

    /// A place for a stream of a caller of this tenant; of the platform's own without one.
    fn stream(&self, tenant: Option<TenantId>) -> Result<Share, Status> {
        Room::take(&self.streams, tenant, 1).map_err(status::no_stream)
    }

    /// A place for a question about this tenant.
    fn question(&self, tenant: TenantId) -> Result<Share, Status> {
        Room::take(&self.asked, tenant, 1).map_err(status::no_question)
    }
}

#[tonic::async_trait]
impl MetricsService for LiveApi {
    type ProcessEventsStream = stream::Receipts;
    type WatchAggregatesStream = answers::Watch;

    async fn process_event(
        &self,
        request: Request<pb::ProcessEventRequest>,
    ) -> Result<Response<pb::ProcessEventResponse>, Status> {
        let (reach, request) = (Reach::of(&request)?, request.get_ref());
        let tenant = reach.tenant(&request.tenant_id, WRITE_ANY)?;
        let event = parse::event(request.event.as_ref())?;
        let counted = self.live.event(tenant, &event);
        self.metrics
            .event(render::fate(counted.as_ref().ok().copied()));
        Ok(Response::new(render::counted(
            counted.map_err(status::event)?,
        )))
    }

    async fn process_events(
        &self,
        request: Request<Streaming<pb::ProcessEventsRequest>>,
    ) -> Result<Response<stream::Receipts>, Status> {
        let reach = Reach::of(&request)?;
        let place = self.stream(reach.own())?;
        let receipts = stream::receipts(self.clone(), reach, request.into_inner(), place);
        Ok(Response::new(receipts))
    }

    async fn get_aggregates(
        &self,
        request: Request<pb::GetAggregatesRequest>,
    ) -> Result<Response<pb::GetAggregatesResponse>, Status> {
        let (reach, request) = (Reach::of(&request)?, request.get_ref());
        let tenant = reach.tenant(&request.tenant_id, READ_ANY)?;
        let place = self.question(tenant)?;
        let answer = answers::answer(self, tenant, request, place).await?;
        Ok(Response::new(answer))
    }

    async fn watch_aggregates(
        &self,
        request: Request<pb::WatchAggregatesRequest>,
    ) -> Result<Response<answers::Watch>, Status> {
        let (reach, request) = (Reach::of(&request)?, request.into_inner());
        let query = request.query.unwrap_or_default();
        let tenant = reach.tenant(&query.tenant_id, READ_ANY)?;
        parse::watch(&query)?;
        Ok(Response::new(answers::watch(
            self.clone(),
            tenant,
            query,
            self.stream(Some(tenant))?,
        )))
    }

    async fn get_partial_aggregates(
        &self,
        request: Request<pb::GetPartialAggregatesRequest>,
    ) -> Result<Response<pb::GetPartialAggregatesResponse>, Status> {
        let (reach, request) = (Reach::of(&request)?, request.into_inner());
        let query = request.query.unwrap_or_default();
        let tenant = reach.tenant(&query.tenant_id, READ_ANY)?;
        let question = parse::question(&query)?;
        let now_ms = parse::as_of(request.as_of_time).unwrap_or_else(|| self.live.now_ms());
        let place = self.question(tenant)?;
        let own = answers::own(self, (tenant, place), question, now_ms).await?;
        Ok(Response::new(render::partial(own, self.node_id.clone())))
    }
}
