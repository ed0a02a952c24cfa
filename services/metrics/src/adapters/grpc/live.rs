//! Live aggregates: parse, call, render.

mod answers;
mod parse;
mod peers;
mod render;
mod status;
mod stream;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::metrics_service_server::MetricsService;
use tradepost_service::auth::Rule;

pub use peers::Peers;

use super::tenant::Reach;
use crate::application::Live;
use crate::config::LiveConfig;
use crate::metrics::LiveMetrics;

/// Counting for another tenant takes this right.
const WRITE_ANY: &str = "events:write_any";
/// Another tenant's aggregates take this right.
const READ_ANY: &str = "metrics:read_any";

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
    peers: Peers,
    metrics: LiveMetrics,
    /// Streams that may still be opened.
    streams: Arc<Semaphore>,
    /// Questions that may still be worked on.
    questions: Arc<Semaphore>,
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
            peers,
            metrics,
            streams: Arc::new(Semaphore::new(config.streams_max)),
            questions: Arc::new(Semaphore::new(config.questions_max)),
            shutdown,
        }
    }

    fn stream(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.streams)
            .try_acquire_owned()
            .map_err(|_none_left| status::overloaded())
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
        let (reach, permit) = (Reach::of(&request)?, self.stream()?);
        let receipts = stream::receipts(self.clone(), reach, request.into_inner(), permit);
        Ok(Response::new(receipts))
    }

    async fn get_aggregates(
        &self,
        request: Request<pb::GetAggregatesRequest>,
    ) -> Result<Response<pb::GetAggregatesResponse>, Status> {
        let (reach, request) = (Reach::of(&request)?, request.get_ref());
        let tenant = reach.tenant(&request.tenant_id, READ_ANY)?;
        let answer = answers::answer(self, tenant, request).await?;
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
            self.stream()?,
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
        let own = answers::own(self, tenant, question, now_ms).await?;
        Ok(Response::new(render::partial(own)))
    }
}
