//! Streams of batches: as many as the service takes, or at a constant rate.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::stream::{self, Stream};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::transport::Channel;

use super::dues::dues;
use super::frames::{Ack, Frame, Frames};
use super::pool::Pool;
use super::{Target, TargetError};
use crate::bench::process::Process;
use crate::samples::Samples;

/// What streams brought.
#[derive(Debug, Default)]
pub(in crate::bench) struct Sent {
    /// Events that were acknowledged.
    pub(in crate::bench) accepted: u64,
    /// Events that were refused, or of batches that had come before.
    pub(in crate::bench) refused: u64,
    /// Batches that were acknowledged.
    pub(in crate::bench) batches: u64,
    /// From when a batch was due to its receipt; of a constant rate only.
    pub(in crate::bench) latencies: Samples,
    /// From the first batch to the last receipt.
    pub(in crate::bench) took: Duration,
    /// The service's processor time.
    pub(in crate::bench) processor: Duration,
    /// How streams ended that were not to end.
    pub(in crate::bench) ended: Vec<String>,
}

impl Sent {
    /// Events a second.
    pub(in crate::bench) fn rate(&self) -> f64 {
        self.accepted as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }

    /// The service's processor time as percent of one core.
    pub(in crate::bench) fn percent_of_core(&self) -> f64 {
        self.processor.as_secs_f64() / self.took.as_secs_f64().max(f64::EPSILON) * 100.0
    }

    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.batches += other.batches;
        self.latencies.append(other.latencies);
        self.ended.extend(other.ended);
    }
}

/// One stream on each connection, each as fast as it is read from, for `window`.
pub(in crate::bench) async fn flood<A: Ack>(
    target: &Target,
    pool: &Pool,
    window: Duration,
) -> Result<Sent, TargetError> {
    let channels = target.channels().await?;
    let started = Instant::now();
    let streams = channels.into_iter().enumerate().map(|(number, channel)| {
        let (pool, producer) = (pool.clone(), producer(number));
        let frames = stream::unfold((), move |()| {
            let frame = (started.elapsed() < window).then(|| (pool.next(&producer), ()));
            std::future::ready(frame)
        });
        receipts::<A>(target, channel, frames, Dues::default())
    });
    gather(target, started, streams).await
}

/// So many batches a second over `streams` streams on each connection, for `window`.
pub(in crate::bench) async fn paced<A: Ack>(
    target: &Target,
    pool: &Pool,
    (rate, streams): (NonZeroU32, usize),
    window: Duration,
) -> Result<Sent, TargetError> {
    let channels = target.channels().await?;
    let lanes = dues(rate, window, channels.len() * streams);
    let started = Instant::now();
    let lanes = lanes.into_iter().zip(channels.iter().cycle());
    let streams = lanes.enumerate().map(|(number, (lane, channel))| {
        let (pool, producer) = (pool.clone(), producer(number));
        let waiting = Dues::default();
        let sent = waiting.clone();
        let frames = stream::unfold(lane, move |mut lane| {
            let (pool, producer, sent) = (pool.clone(), producer.clone(), sent.clone());
            async move {
                let due = lane.recv().await?;
                sent.push(due);
                Some((pool.next(&producer), lane))
            }
        });
        receipts::<A>(target, channel.clone(), frames, waiting)
    });
    gather(target, started, streams).await
}

/// What there is, one stream on each connection, each as fast as it is read from.
pub(in crate::bench) async fn send<A, S>(
    target: &Target,
    streams: Vec<S>,
) -> Result<Sent, TargetError>
where
    A: Ack,
    S: Stream<Item = Frame> + Send + 'static,
{
    let channels = target.channels().await?;
    let started = Instant::now();
    let streams = streams.into_iter().zip(channels.iter().cloned().cycle());
    let streams =
        streams.map(|(frames, channel)| receipts::<A>(target, channel, frames, Dues::default()));
    gather(target, started, streams).await
}

async fn gather(
    target: &Target,
    started: Instant,
    streams: impl Iterator<Item = impl Future<Output = Result<Sent, TargetError>>>,
) -> Result<Sent, TargetError> {
    let process = Process(target.pid);
    let before = process.processor_time();
    let mut all = Sent::default();
    for sent in join_all(streams).await {
        all.add(sent?);
    }
    all.took = started.elapsed();
    all.processor = process.processor_time().saturating_sub(before);
    Ok(all)
}

/// When batches were due that have no receipt yet; receipts come in the same order.
#[derive(Debug, Clone, Default)]
struct Dues(Arc<Mutex<VecDeque<Instant>>>);

impl Dues {
    fn push(&self, due: Instant) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(due);
    }

    fn pop(&self) -> Option<Instant> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    }
}

/// Sends the frames, and counts the receipts until the service has no more.
async fn receipts<A: Ack>(
    target: &Target,
    channel: Channel,
    frames: impl Stream<Item = Frame> + Send + 'static,
    waiting: Dues,
) -> Result<Sent, TargetError> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let path = PathAndQuery::from_static(A::PATH);
    let request = target.request(frames)?;
    let answered = grpc.streaming(request, path, Frames::<A>::default()).await;
    let mut answers = answered?.into_inner();
    let mut sent = Sent::default();
    loop {
        let receipt = match answers.message().await {
            Ok(Some(answer)) => answer.receipt(),
            Ok(None) => return Ok(sent),
            Err(status) => {
                sent.ended
                    .push(format!("{:?}: {}", status.code(), status.message()));
                return Ok(sent);
            }
        };
        if let Some(due) = waiting.pop() {
            sent.latencies.push(due.elapsed());
        }
        sent.batches += 1;
        sent.accepted += u64::from(receipt.accepted);
        sent.refused += u64::from(receipt.rejected) + u64::from(receipt.duplicate);
    }
}

fn producer(number: usize) -> String {
    format!("bench-{number}")
}
