//! Batches in, receipts out. One batch of a stream is under way at a time: the next is read when
//! the receipt of the last was taken, so what waits is what the connection's window holds.

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};
use tradepost_aggregation::{BatchId, PackedEvents};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::process_events_request::Batch;

use super::{LiveApi, WRITE_ANY, parse, render, status};
use crate::adapters::grpc::tenant::Reach;
use crate::application::{NotCounted, Share};

/// How long a stream of a hasty tenant is read from more slowly before it is refused.
const SLOWED_MAX: Duration = Duration::from_secs(2);

/// The receipts of a stream, in the order of its batches.
pub(super) type Receipts =
    Pin<Box<dyn Stream<Item = Result<pb::ProcessEventsResponse, Status>> + Send>>;

/// A stream that is being read.
struct Reading {
    api: LiveApi,
    reach: Reach,
    batches: Streaming<pb::ProcessEventsRequest>,
    ends_at: Instant,
    _place: Share,
}

pub(super) fn receipts(
    api: LiveApi,
    reach: Reach,
    batches: Streaming<pb::ProcessEventsRequest>,
    place: Share,
) -> Receipts {
    let ends_at = Instant::now() + api.stream_life;
    let reading = Reading {
        api,
        reach,
        batches,
        ends_at,
        _place: place,
    };
    Box::pin(futures::stream::try_unfold(reading, Reading::next))
}

impl Reading {
    async fn next(mut self) -> Result<Option<(pb::ProcessEventsResponse, Self)>, Status> {
        let shutdown = self.api.shutdown.clone();
        let message = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Err(status::draining()),
            () = sleep_until(self.ends_at) => return Err(status::stream_expired()),
            message = self.batches.message() => message?,
        };
        let Some(message) = message else {
            return Ok(None);
        };
        let batch = message.batch.ok_or_else(status::batch_missing)?;
        let receipt = self.count(&batch).await?;
        Ok(Some((receipt, self)))
    }

    /// Counts a batch, after a while if its tenant is ahead of its pace.
    async fn count(&self, batch: &Batch) -> Result<pb::ProcessEventsResponse, Status> {
        let (tenant_id, sequence, events) = match batch {
            Batch::Events(batch) => (&batch.tenant_id, batch.sequence, batch.events.len()),
            Batch::Packed(batch) => (&batch.tenant_id, batch.sequence, batch.records.len() / 20),
        };
        if matches!(batch, Batch::Events(batch) if !batch.batch_key.is_empty()) {
            return Err(status::batch_key_refused());
        }
        match batch {
            Batch::Events(batch) if batch.events.is_empty() => {
                return Err(status::batch_empty("events"));
            }
            Batch::Packed(batch) if batch.records.is_empty() => {
                return Err(status::batch_empty("records"));
            }
            Batch::Events(_) | Batch::Packed(_) => {}
        }
        let tenant = self.reach.tenant(tenant_id, WRITE_ANY)?;
        let began = Instant::now();
        let mut slowed = Duration::ZERO;
        loop {
            let counted = match batch {
                Batch::Events(batch) => {
                    let id = BatchId {
                        tenant,
                        producer: &batch.producer_id,
                        sequence,
                    };
                    self.api
                        .live
                        .batch(id, batch.events.iter().map(parse::of_batch))
                }
                Batch::Packed(batch) => {
                    let id = BatchId {
                        tenant,
                        producer: &batch.producer_id,
                        sequence,
                    };
                    self.api.live.packed(id, packed(batch))
                }
            };
            match counted {
                Ok(receipt) => {
                    self.api.metrics.batch(&receipt, events);
                    self.api.metrics.batch_took(began.elapsed());
                    return Ok(render::receipt(sequence, receipt));
                }
                Err(NotCounted::Busy(wait)) if slowed + wait <= SLOWED_MAX => {
                    slowed += wait;
                    tokio::select! {
                        () = self.api.shutdown.cancelled() => return Err(status::draining()),
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Err(why) => return Err(status::batch(why)),
            }
        }
    }
}

fn packed(batch: &pb::PackedBatch) -> PackedEvents<'_, String> {
    PackedEvents {
        base_time_ms: batch.base_time_ms,
        event_types: &batch.event_types,
        user_ids: &batch.user_ids,
        records: &batch.records,
    }
}
