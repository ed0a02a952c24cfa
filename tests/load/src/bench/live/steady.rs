//! A constant rate for as long as it takes to see what snapshots, watchers and questions do to it;
//! and an end in the midst of load.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use tonic::Code;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::metrics_service_client::MetricsServiceClient;

use super::{POOL, SEED, batches, latencies, memory, served, tell};
use crate::bench::report::{Rows, Unit};
use crate::bench::target::{
    self, Draw, Histogram, Pool, Sent, Server, Target, TargetError, Traffic, Wire, dues,
};
use crate::samples::{Samples, millis};

/// Streams on each connection.
const STREAMS: usize = 2;
/// Questions a second.
const QUESTIONS: u32 = 20;
/// How far back they ask.
const MINUTES: u32 = 60;
/// The service's own instrument of batches.
const BATCHES: &str = "tradepost_live_batch_duration_seconds";
/// How long the load is on before the service is told to stop.
const BEFORE_STOP: Duration = Duration::from_secs(2);

/// A constant rate.
#[derive(Debug, Clone, Copy)]
pub struct Steady {
    /// Events a second.
    pub rate: NonZeroU32,
    /// For how long.
    pub seconds: NonZeroU32,
    /// Events of a batch.
    pub batch: usize,
    /// Tenants, by Zipf's law.
    pub tenants: usize,
    /// Event types of each, all of them used.
    pub types: usize,
}

impl Steady {
    /// Every tenant with every event type, and then load at the rate with questions beside it.
    ///
    /// # Errors
    /// [`TargetError`]; also where not all that was acknowledged was counted.
    pub async fn run(&self, target: &Target) -> Result<Rows, TargetError> {
        let mut rows = Rows::default();
        memory(&mut rows, "memory before any event", target.pid);
        let mut draw = self.draw();
        let first = self.first(target, &mut draw).await?;
        let series = self.tenants * self.types;
        memory(
            &mut rows,
            &format!("memory with {series} series just made"),
            target.pid,
        );
        let pool = self.pool(&mut draw);
        let rate = batches(self.rate, self.batch);
        let before = Histogram::read(target.admin, BATCHES, "").await?;
        let window = Duration::from_secs(self.seconds.get().into());
        let loading =
            target::paced::<pb::ProcessEventsResponse>(target, &pool, (rate, STREAMS), window);
        let (sent, questions) = tokio::join!(loading, ask(target, self.draw(), window));
        let (sent, questions) = (sent?, questions?);
        let name = format!("{} events/s for {} s", self.rate, self.seconds);
        let offered = f64::from(rate.get()) * self.batch as f64 * window.as_secs_f64();
        rows.median(
            &format!("{name}: acknowledged of offered"),
            sent.accepted as f64 / offered * 100.0,
            Unit::Percent,
        );
        latencies(&mut rows, &name, &sent);
        let percent = format!("{name}: service's processor, of one core");
        rows.median(&percent, sent.percent_of_core(), Unit::Percent);
        let own = Histogram::read(target.admin, BATCHES, "")
            .await?
            .since(&before);
        served(&mut rows, &name, &own);
        let quantiles = questions.quantiles();
        rows.median(
            "questions beside it: p50",
            quantiles.p50,
            Unit::Milliseconds,
        );
        rows.median(
            "questions beside it: p99",
            quantiles.p99,
            Unit::Milliseconds,
        );
        memory(&mut rows, "memory after it", target.pid);
        tell(&mut rows, &name, &sent);
        let counted = counted(target, &self.draw()).await?;
        let acknowledged = first.accepted + sent.accepted;
        rows.worst(
            "events acknowledged and not counted",
            acknowledged.saturating_sub(counted) as f64,
            Unit::Events,
        );
        Ok(rows)
    }

    /// Batches with one event of each type, for each tenant.
    async fn first(&self, target: &Target, draw: &mut Draw) -> Result<Sent, TargetError> {
        let tenants = draw.tenants().to_vec();
        let drafts: Vec<_> = tenants
            .into_iter()
            .map(|tenant| draw.one_of_each(tenant))
            .collect();
        let total = u32::try_from(drafts.len()).ok().and_then(NonZeroU32::new);
        let pool = Pool::new(Wire::Readable, drafts);
        // In a second, so that each comes once.
        let rate = (total.unwrap_or(NonZeroU32::MIN), 1);
        target::paced::<pb::ProcessEventsResponse>(target, &pool, rate, Duration::from_secs(1))
            .await
    }

    fn draw(&self) -> Draw {
        Draw::new(Traffic {
            tenants: self.tenants,
            types: self.types,
            users: 1_000,
            seed: SEED,
        })
    }

    fn pool(&self, draw: &mut Draw) -> Pool {
        // Enough batches that every tenant is among them as often as it should be.
        let drafts = (0..POOL * 16).map(|_| {
            let tenant = draw.tenant();
            draw.draft(tenant, self.batch)
        });
        Pool::new(Wire::Readable, drafts.collect())
    }
}

/// Questions at a constant rate, about tenants as busy as they are.
async fn ask(target: &Target, mut draw: Draw, window: Duration) -> Result<Samples, TargetError> {
    let rate = NonZeroU32::new(QUESTIONS).unwrap_or(NonZeroU32::MIN);
    let mut client = client(target).await?;
    let mut times = Samples::default();
    for mut lane in dues(rate, window, 1) {
        while let Some(due) = lane.recv().await {
            let question = pb::GetAggregatesRequest {
                tenant_id: draw.tenant().to_string(),
                minutes: MINUTES,
                ..pb::GetAggregatesRequest::default()
            };
            client.get_aggregates(target.request(question)?).await?;
            times.push(due.elapsed());
        }
    }
    Ok(times)
}

/// All events that are counted, of all tenants.
async fn counted(target: &Target, draw: &Draw) -> Result<u64, TargetError> {
    let mut client = client(target).await?;
    let mut counted = 0;
    for tenant in draw.tenants() {
        let question = pb::GetAggregatesRequest {
            tenant_id: tenant.to_string(),
            minutes: MINUTES,
            ..pb::GetAggregatesRequest::default()
        };
        let answer = client.get_aggregates(target.request(question)?).await?;
        let lines = answer.into_inner().aggregates;
        counted += lines.iter().map(|line| line.count).sum::<u64>();
    }
    Ok(counted)
}

async fn client(
    target: &Target,
) -> Result<MetricsServiceClient<tonic::transport::Channel>, TargetError> {
    let mut channels = target.channels().await?;
    let channel = channels.pop();
    let none = || TargetError::Wrong("there is no connection".to_owned());
    Ok(MetricsServiceClient::new(channel.ok_or_else(none)?))
}

/// Tells the service to stop while it is sent to, starts it again, and looks whether all that was
/// acknowledged is there.
///
/// # Errors
/// [`TargetError`].
pub async fn stop_under_load(
    steady: &Steady,
    (server, target): (Server, &Target),
    again: impl AsyncFnOnce() -> Result<Server, TargetError>,
) -> Result<(Rows, Server), TargetError> {
    let mut rows = Rows::default();
    let before = counted(target, &steady.draw()).await?;
    let mut draw = steady.draw();
    let pool = steady.pool(&mut draw);
    let rate = batches(steady.rate, steady.batch);
    let window = BEFORE_STOP * 4;
    let loading =
        target::paced::<pb::ProcessEventsResponse>(target, &pool, (rate, STREAMS), window);
    let stopping = async {
        tokio::time::sleep(BEFORE_STOP).await;
        server.stop().await
    };
    let (sent, took) = tokio::join!(loading, stopping);
    let (sent, took) = (sent?, took?);
    rows.median("stop in the midst of it", millis(took), Unit::Milliseconds);
    let orderly = format!("{:?}", Code::Unavailable);
    let broken = sent.ended.iter().filter(|why| !why.starts_with(&orderly));
    rows.worst(
        "streams that did not end in order",
        broken.count() as f64,
        Unit::Requests,
    );
    let started = Instant::now();
    let server = again().await?;
    rows.median(
        "start with the snapshot",
        millis(started.elapsed()),
        Unit::Milliseconds,
    );
    let target = Target {
        addr: server.addr,
        admin: server.admin,
        pid: server.pid,
        ..target.clone()
    };
    let counted = counted(&target, &draw).await?;
    let lost = (before + sent.accepted).saturating_sub(counted);
    rows.worst(
        "events acknowledged and lost by the stop",
        lost as f64,
        Unit::Events,
    );
    Ok((rows, server))
}
