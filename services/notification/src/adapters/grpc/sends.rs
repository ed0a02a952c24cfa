//! The stream of sends: what the calls do, without a call for each.

mod together;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::Span;
use tradepost_proto::notification::v1 as pb;
use tradepost_service::{RequestContext, Tasks};

use super::{NotificationApi, parse, render, status};
use crate::ports::{Receipt, Whom};
use parse::Sending;
use together::{Done, together};

/// Sends of a stream that are under way at once.
const UNDER_WAY_MAX: usize = 256;
/// Streams of a node. With the sends of each they bound the memory.
const STREAMS_MAX: usize = 64;
/// A right that was taken away ends its streams so much later.
const LIFE_MAX: Duration = Duration::from_secs(900);

/// Outcomes, and why there are no more.
pub(super) type Outcomes =
    Pin<Box<dyn Stream<Item = Result<pb::StreamSendsResponse, Status>> + Send>>;

/// What streams of sends share.
#[derive(Debug, Clone)]
pub struct SendStreams {
    tasks: Tasks,
    shutdown: CancellationToken,
    places: Arc<Semaphore>,
}

impl SendStreams {
    /// Their sends are done by `tasks`, and they end with `shutdown`.
    #[must_use]
    pub fn new(tasks: Tasks, shutdown: CancellationToken) -> Self {
        Self {
            tasks,
            shutdown,
            places: Arc::new(Semaphore::new(STREAMS_MAX)),
        }
    }
}

impl Default for SendStreams {
    /// Of no process: they end with their callers.
    fn default() -> Self {
        let shutdown = CancellationToken::new();
        Self::new(Tasks::new(shutdown.clone()), shutdown)
    }
}

/// A stream that is open. The sends that it began hold its place too: who hangs up and comes back
/// has no more of them under way than who stays.
struct Opened {
    api: NotificationApi,
    context: RequestContext,
    /// Where what is logged belongs.
    span: Span,
    place: Arc<OwnedSemaphorePermit>,
}

/// Answers sends until the caller has no more, or the stream has to end.
///
/// # Errors
/// There are too many streams.
pub(super) fn outcomes(
    api: NotificationApi,
    context: RequestContext,
    sends: Streaming<pb::StreamSendsRequest>,
) -> Result<Outcomes, Status> {
    let place = Arc::clone(&api.streams.places).try_acquire_owned();
    let place = place.map_err(|_none| status::too_many_streams())?;
    let ended = Arc::new(OnceLock::new());
    let taken = taken(sends, api.streams.shutdown.clone(), &ended);
    let opened = Arc::new(Opened {
        api,
        context,
        span: Span::current(),
        place: Arc::new(place),
    });
    let outcomes = taken
        .map(move |send| outcome(Arc::clone(&opened), send))
        .buffer_unordered(UNDER_WAY_MAX);
    let answers = together(outcomes).map(|outcomes| Ok(pb::StreamSendsResponse { outcomes }));
    // Behind the outcomes of all that was read.
    let why = stream::once(async move { ended.get().cloned() });
    let why = why.filter_map(async |why: Option<Status>| why.map(Err));
    Ok(Box::pin(answers.chain(why)))
}

/// What the caller sends, until it has no more; `ended` says why if it was for another reason.
fn taken(
    sends: Streaming<pb::StreamSendsRequest>,
    shutdown: CancellationToken,
    ended: &Arc<OnceLock<Status>>,
) -> impl Stream<Item = pb::StreamSendsRequest> + Send + 'static {
    let (broken, over) = (Arc::clone(ended), Arc::clone(ended));
    let end = async move {
        let why = tokio::select! {
            () = shutdown.cancelled() => status::going(),
            () = tokio::time::sleep(LIFE_MAX) => status::stream_expired(),
        };
        let _first = over.set(why);
    };
    let good = sends.scan((), move |(), send| {
        let send = send.map_err(|why| broken.set(why));
        std::future::ready(send.ok())
    });
    good.take_until(Box::pin(end))
}

async fn outcome(opened: Arc<Opened>, send: pb::StreamSendsRequest) -> Done {
    use pb::send_outcome::Outcome;
    use pb::stream_sends_request::Send;
    let tag = send.tag;
    let (outcome, may_wait) = match send.send {
        None => (Err(status::nothing_sent()), false),
        Some(Send::ToUsers(request)) => {
            let (sent, may_wait) = opened.send(parse::to_users(request)).await;
            let sent = sent.map(render::to_users);
            (sent.map(Outcome::ToUsers), may_wait)
        }
        Some(Send::ToGroup(request)) => {
            let (sent, may_wait) = opened.send(parse::to_group(request)).await;
            let sent = sent.map(render::to_group);
            (sent.map(Outcome::ToGroup), may_wait)
        }
    };
    let outcome = outcome.unwrap_or_else(|status| Outcome::Error(render::error(&status)));
    let outcome = pb::SendOutcome {
        tag,
        outcome: Some(outcome),
    };
    Done { outcome, may_wait }
}

impl Opened {
    /// The receipt, and whether it may wait.
    async fn send(
        self: Arc<Self>,
        sending: Result<Sending, Status>,
    ) -> (Result<Receipt, Status>, bool) {
        let sending = match sending {
            Ok(sending) => sending,
            Err(status) => return (Err(status), false),
        };
        if let Sending::Ephemeral {
            whom: Whom::Users(_),
            ..
        } = &sending
        {
            // It waits for nothing.
            return (self.api.send(&self.context, sending).await, true);
        }
        // A task of its own: it may do the work of other callers' sends with its own (a transaction is
        // shared), which must go on when this caller hangs up or does not read.
        let (span, tasks) = (self.span.clone(), self.api.streams.tasks.clone());
        let work = async move {
            let place = Arc::clone(&self.place);
            let sent = self.api.send(&self.context, sending).await;
            drop(place);
            sent
        };
        let sent = span.in_scope(|| tasks.detach(work)).await;
        let sent = sent.unwrap_or_else(|_panicked| Err(status::broken()));
        (sent, false)
    }
}
