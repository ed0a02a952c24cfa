//! Answers: of this node, and of all of them.

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;
use tradepost_aggregation::Aggregates;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::Failure;
use tradepost_types::TenantId;

use super::render::Nodes;
use super::{LiveApi, parse, render, status};

/// How often a watcher is told.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Answers, one each second.
pub(super) type Watch =
    Pin<Box<dyn Stream<Item = Result<pb::WatchAggregatesResponse, Status>> + Send>>;

/// What this node counted. The work is done beside the calls, a few questions at a time: events do
/// not wait for them.
pub(super) async fn own(
    api: &LiveApi,
    tenant: TenantId,
    question: parse::Question,
    now_ms: i64,
) -> Result<Aggregates, Status> {
    let permit = api.questions.acquire().await;
    let live = api.live.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let event_types: Vec<_> = question.event_types.iter().map(String::as_str).collect();
        let query = question.query(&event_types);
        live.aggregates(tenant, query, now_ms)
    });
    let answer = asked.await.map_err(|error| Failure::internal(&error))?;
    drop(permit);
    answer.map_err(status::query)
}

/// What this node counted, or all of them.
pub(super) async fn answer(
    api: &LiveApi,
    tenant: TenantId,
    request: &pb::GetAggregatesRequest,
) -> Result<pb::GetAggregatesResponse, Status> {
    // First: what cannot be answered is not asked of the others.
    let question = parse::question(request)?;
    let now_ms = api.live.now_ms();
    let window_ms = i64::from(request.minutes) * 60_000;
    if request.scope() == pb::Scope::Node {
        let own = own(api, tenant, question, now_ms).await?;
        return Ok(render::answer(
            &own,
            window_ms,
            Nodes {
                asked: 1,
                answered: 1,
            },
        ));
    }
    let (own, parts) = tokio::join!(
        own(api, tenant, question, now_ms),
        api.peers.ask(tenant, request, now_ms),
    );
    let mut answer = own?;
    let mut nodes = Nodes {
        asked: 1 + parts.len(),
        answered: 1,
    };
    for part in parts.into_iter().flatten() {
        nodes.answered += 1;
        answer.merge(&part);
        answer.check().map_err(status::query)?;
    }
    Ok(render::answer(&answer, window_ms, nodes))
}

/// The same each second, until the caller goes or the process ends.
pub(super) fn watch(
    api: LiveApi,
    tenant: TenantId,
    query: pb::GetAggregatesRequest,
    permit: OwnedSemaphorePermit,
) -> Watch {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watching = Watching {
        api,
        tenant,
        query,
        ticks,
        _permit: permit,
    };
    Box::pin(futures::stream::try_unfold(watching, Watching::next))
}

struct Watching {
    api: LiveApi,
    tenant: TenantId,
    query: pb::GetAggregatesRequest,
    ticks: Interval,
    _permit: OwnedSemaphorePermit,
}

impl Watching {
    async fn next(mut self) -> Result<Option<(pb::WatchAggregatesResponse, Self)>, Status> {
        let shutdown = self.api.shutdown.clone();
        let answering = async {
            self.ticks.tick().await;
            answer(&self.api, self.tenant, &self.query).await
        };
        let aggregates = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Err(status::draining()),
            answer = answering => Some(answer?),
        };
        Ok(Some((pb::WatchAggregatesResponse { aggregates }, self)))
    }
}
