//! Answers: of this node, and of all of them.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use tokio::time::{Instant, Interval, MissedTickBehavior, sleep_until};
use tonic::Status;
use tradepost_aggregation::Aggregates;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::Failure;
use tradepost_types::TenantId;

use super::peers::Part;
use super::render::Nodes;
use super::{LiveApi, parse, render, status};
use crate::application::Share;

/// How often a watcher is told.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Answers, one each second.
pub(super) type Watch =
    Pin<Box<dyn Stream<Item = Result<pb::WatchAggregatesResponse, Status>> + Send>>;

/// What this node counted. The work is done beside the calls, a few questions at a time: events do
/// not wait for them. The place is kept until it is done.
pub(super) async fn own(
    api: &LiveApi,
    (tenant, place): (TenantId, Share),
    question: parse::Question,
    now_ms: i64,
) -> Result<Aggregates, Status> {
    let live = api.live.clone();
    let answer = at_leisure(&api.questions, move || {
        let event_types: Vec<_> = question.event_types.iter().map(String::as_str).collect();
        let query = question.query(&event_types);
        let answer = live.aggregates(tenant, query, now_ms);
        drop(place);
        answer
    });
    let answer = answer.await.map_err(|error| Failure::internal(&error))?;
    answer.map_err(status::query)
}

/// Does what takes its time on a thread of its own, so many at once. Who waits for it may go; the
/// work does not, and so its turn is not over.
async fn at_leisure<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let turn = Arc::clone(turns).acquire_owned().await;
    let working = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    working.await
}

/// What this node counted, or all of them.
pub(super) async fn answer(
    api: &LiveApi,
    tenant: TenantId,
    request: &pb::GetAggregatesRequest,
    place: Share,
) -> Result<pb::GetAggregatesResponse, Status> {
    // First: what cannot be answered is not asked of the others.
    let question = parse::question(request)?;
    let now_ms = api.live.now_ms();
    let window_ms = i64::from(request.minutes) * 60_000;
    if request.scope() == pb::Scope::Node {
        let own = own(api, (tenant, place), question, now_ms).await?;
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
        own(api, (tenant, place), question, now_ms),
        api.peers.ask(tenant, request, now_ms),
    );
    let mut answer = own?;
    let mut nodes = Nodes {
        asked: 1,
        answered: 1,
    };
    let mut heard = vec![api.node_id.clone()];
    for part in parts {
        if let Some(Part { node_id, .. }) = &part
            && !node_id.is_empty()
        {
            if heard.contains(node_id) {
                // This node itself, or another one by a second URL.
                continue;
            }
            heard.push(node_id.clone());
        }
        nodes.asked += 1;
        if let Some(part) = part {
            nodes.answered += 1;
            answer.merge(&part.aggregates);
            answer.check().map_err(status::query)?;
        }
    }
    Ok(render::answer(&answer, window_ms, nodes))
}

/// The same each second, until the caller goes, the stream is as old as it may be or the process ends.
pub(super) fn watch(
    api: LiveApi,
    tenant: TenantId,
    query: pb::GetAggregatesRequest,
    place: Share,
) -> Watch {
    let mut ticks = tokio::time::interval(WATCH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ends_at = Instant::now() + api.stream_life;
    let watching = Watching {
        api,
        tenant,
        query,
        ticks,
        ends_at,
        _place: place,
    };
    Box::pin(futures::stream::try_unfold(watching, Watching::next))
}

struct Watching {
    api: LiveApi,
    tenant: TenantId,
    query: pb::GetAggregatesRequest,
    ticks: Interval,
    ends_at: Instant,
    _place: Share,
}

impl Watching {
    async fn next(mut self) -> Result<Option<(pb::WatchAggregatesResponse, Self)>, Status> {
        let shutdown = self.api.shutdown.clone();
        let answering = async {
            // Where as much is asked about the tenant as may be, it is tried again a second later.
            let place = loop {
                self.ticks.tick().await;
                if let Ok(place) = self.api.question(self.tenant) {
                    break place;
                }
            };
            answer(&self.api, self.tenant, &self.query, place).await
        };
        let aggregates = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Err(status::draining()),
            () = sleep_until(self.ends_at) => return Err(status::stream_expired()),
            answer = answering => Some(answer?),
        };
        Ok(Some((pb::WatchAggregatesResponse { aggregates }, self)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_whose_caller_went_away_has_its_turn_until_it_is_done() {
        let turns = Arc::new(Semaphore::new(1));
        let (began, begun) = oneshot::channel();
        let (release, released) = mpsc::channel::<()>();
        let mut work = Box::pin(at_leisure(&turns, move || {
            let _told = began.send(());
            let _released = released.recv();
        }));
        tokio::select! {
            _ = &mut work => unreachable!("it waits"),
            told = begun => told.unwrap(),
        }

        drop(work);

        assert_eq!(turns.available_permits(), 0);
        drop(release);
        let _turn = turns.acquire().await.unwrap();
    }
}
