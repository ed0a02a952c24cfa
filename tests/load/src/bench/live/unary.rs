//! Single events: as many as go through, and how long one takes at half of that.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use tonic::transport::Channel;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::metrics_service_client::MetricsServiceClient;

use super::{Options, served};
use crate::bench::process::Process;
use crate::bench::report::{Rows, Unit};
use crate::bench::target::{Draft, Histogram, Target, TargetError, dues, now_ms, whole};
use crate::samples::{Samples, millis};

/// The service's own instrument of calls.
const CALLS: &str = "tradepost_rpc_server_call_duration_seconds";
const METHOD: &str = "MetricsService/ProcessEvent\"";

type Client = MetricsServiceClient<Channel>;

pub(super) async fn run(target: &Target, options: &Options) -> Result<Rows, TargetError> {
    let mut draw = options.draw();
    let drafts: Vec<Draft> = (0..1_000)
        .map(|_| {
            let tenant = draw.tenant();
            draw.draft(tenant, 1)
        })
        .collect();
    let clients: Vec<Client> = target
        .channels()
        .await?
        .into_iter()
        .map(Client::new)
        .collect();
    let load = Load {
        target,
        drafts,
        clients,
    };
    load.flood(Duration::from_millis(500), options.single_under_way)
        .await?;
    let process = Process(target.pid);
    let (before, started) = (process.processor_time(), Instant::now());
    let answers = load
        .flood(options.window(), options.single_under_way)
        .await?;
    let took = started.elapsed();
    let processor = process.processor_time().saturating_sub(before);
    let rate = answers as f64 / took.as_secs_f64().max(f64::EPSILON);
    let mut rows = Rows::default();
    rows.median("single events", rate, Unit::EventsPerSecond);
    let cost = processor.as_nanos() as f64 / 1e3 / answers as f64;
    let name = "single events: service's processor time of one";
    rows.median(name, cost * 1e3, Unit::Nanoseconds);
    let half = u32::try_from(whole(rate / 2.0))
        .ok()
        .and_then(NonZeroU32::new);
    let half = half.unwrap_or(NonZeroU32::MIN);
    let before = Histogram::read(target.admin, CALLS, METHOD).await?;
    let paced = load.paced(half, options.window()).await;
    let own = Histogram::read(target.admin, CALLS, METHOD)
        .await?
        .since(&before);
    served(&mut rows, "single events at half that rate", &own);
    rows.median(
        "half that rate",
        f64::from(half.get()),
        Unit::EventsPerSecond,
    );
    for (quantile, permille) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let time = paced.times.permille(permille).map(millis);
        let name = format!("single events at half that rate: {quantile}");
        rows.median(&name, time, Unit::Milliseconds);
    }
    let failed = "single events at half that rate: failed";
    rows.worst(failed, paced.failed as f64, Unit::Requests);
    if let Some(why) = paced.failure {
        rows.tell(format!("{failed}: {why}"));
    }
    Ok(rows)
}

/// What a constant rate of calls brought.
#[derive(Default)]
struct Paced {
    times: Samples,
    failed: u64,
    failure: Option<String>,
}

struct Load<'a> {
    target: &'a Target,
    drafts: Vec<Draft>,
    clients: Vec<Client>,
}

impl Load<'_> {
    /// One event after the other by each of so many; how many there were.
    async fn flood(&self, window: Duration, under_way: usize) -> Result<usize, TargetError> {
        let started = Instant::now();
        let caller = async |number: usize| {
            let mut count = 0;
            while started.elapsed() < window {
                self.send(number + count * under_way).await?;
                count += 1;
            }
            Ok::<_, TargetError>(count)
        };
        let mut answers = 0;
        for count in join_all((0..under_way).map(caller)).await {
            answers += count?;
        }
        Ok(answers)
    }

    /// A constant rate; how long each took from when it was due.
    /// A refusal is no latency.
    async fn paced(&self, rate: NonZeroU32, window: Duration) -> Paced {
        let mut paced = Paced::default();
        let Some(mut lane) = dues(rate, window, 1).pop() else {
            return paced;
        };
        let mut calls = FuturesUnordered::new();
        let (mut number, mut open) = (0, true);
        while open || !calls.is_empty() {
            tokio::select! {
                due = lane.recv(), if open => match due {
                    Some(due) => {
                        number += 1;
                        calls.push(async move {
                            self.send(number).await?;
                            Ok::<_, TargetError>(due.elapsed())
                        });
                    }
                    None => open = false,
                },
                Some(time) = calls.next(), if !calls.is_empty() => match time {
                    Ok(time) => paced.times.push(time),
                    Err(error) => {
                        paced.failed += 1;
                        paced.failure.get_or_insert_with(|| error.to_string());
                    }
                },
            }
        }
        paced
    }

    async fn send(&self, number: usize) -> Result<(), TargetError> {
        let client = self.clients.get(number % self.clients.len().max(1));
        let draft = self.drafts.get(number % self.drafts.len().max(1));
        let (Some(client), Some(draft)) = (client, draft) else {
            return Ok(());
        };
        let message = pb::ProcessEventRequest {
            tenant_id: draft.tenant.clone(),
            event: Some(draft.single(now_ms())),
        };
        client
            .clone()
            .process_event(self.target.request(message)?)
            .await?;
        Ok(())
    }
}
