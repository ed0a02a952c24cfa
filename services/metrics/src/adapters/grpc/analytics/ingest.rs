//! The stream of batches to store, answered in the order they came.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tradepost_proto::metrics::v1 as pb;

use super::batch::{Parsed, Window, parse};
use super::{AnalyticsApi, status};
use crate::adapters::grpc::tenant::Reach;
use crate::application::{Refused, Share, Stored};
use crate::ports::Outcome;

/// Receipts, and how it ended.
pub(super) type Receipts =
    Pin<Box<dyn Stream<Item = Result<pb::IngestEventsResponse, Status>> + Send>>;

/// Answers batches until the caller has no more, one is refused, the stream is as old as it may be,
/// or the process ends.
///
/// Several are under way at once, so that they share transactions. What was queued behind a batch
/// that is refused may be stored without a receipt: sent again, it is a duplicate.
pub(super) fn receipts(
    api: AnalyticsApi,
    reach: Reach,
    batches: Streaming<pb::IngestEventsRequest>,
    place: Share,
) -> Receipts {
    let under_way = api.limits.stream_batches_max;
    let ends_at = Instant::now() + api.limits.stream_life;
    let receipts = until_it_ends(batches, (api.shutdown.clone(), ends_at))
        // Queued as it comes, and only then waited for: in the order of the stream.
        .map(move |batch| {
            // Held until the stream is gone.
            let _ = &place;
            let offered = batch.and_then(|batch| api.offer(batch, &reach));
            async move { offered?.receipt().await }
        })
        .buffered(under_way);
    Box::pin(receipts)
}

/// The stream, ended by a refusal when its time is over or the process ends.
fn until_it_ends<S>(batches: S, end: (CancellationToken, Instant)) -> impl Stream<Item = S::Item>
where
    S: Stream<Item = Result<pb::IngestEventsRequest, Status>> + Unpin,
{
    futures::stream::unfold(Some((batches, end)), async |reading| {
        let (mut batches, (shutdown, ends_at)) = reading?;
        let next = tokio::select! {
            biased;
            () = shutdown.cancelled() => Some(Err(status::refused(Refused::Draining))),
            () = sleep_until(ends_at) => Some(Err(status::stream_expired())),
            next = batches.next() => next,
        };
        match next? {
            Ok(batch) => Some((Ok(batch), Some((batches, (shutdown, ends_at))))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

/// A batch that is queued.
struct Offered {
    sequence: u64,
    rejected: u32,
    rejections: Vec<pb::Rejection>,
    accepted: u32,
    stored: oneshot::Receiver<Stored>,
}

impl AnalyticsApi {
    fn offer(&self, request: pb::IngestEventsRequest, reach: &Reach) -> Result<Offered, Status> {
        let window = Window::at(self.now_ms(), self.limits.history_days);
        let parsed = parse(request, reach, window)?;
        let Parsed {
            batch,
            rejected,
            rejections,
        } = parsed;
        self.metrics.rejected(rejected);
        let (sequence, events) = (batch.name.sequence(), batch.events.len());
        let stored = self.ingest.offer(batch).map_err(status::refused)?;
        Ok(Offered {
            sequence,
            rejected,
            rejections,
            accepted: u32::try_from(events).unwrap_or(u32::MAX),
            stored,
        })
    }
}

impl Offered {
    /// The receipt, once the batch is committed.
    async fn receipt(self) -> Result<pb::IngestEventsResponse, Status> {
        // A writer answers all it takes, unless the process dies with it.
        let stored = self.stored.await;
        let stored = stored.map_err(|_gone| status::refused(Refused::Draining))?;
        let sequence = self.sequence;
        let receipt = match stored.map_err(|error| status::render(&error))? {
            Outcome::Stored { overflowed, .. } => pb::BatchReceipt {
                sequence,
                accepted: self.accepted,
                overflowed,
                rejected: self.rejected,
                rejections: self.rejections,
                ..pb::BatchReceipt::default()
            },
            Outcome::Duplicate => pb::BatchReceipt {
                sequence,
                duplicate: true,
                ..pb::BatchReceipt::default()
            },
            Outcome::KeyReused => return Err(status::key_reused()),
        };
        Ok(pb::IngestEventsResponse {
            receipt: Some(receipt),
        })
    }
}
