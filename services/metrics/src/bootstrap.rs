//! Puts the parts together: the only place that names concrete adapters.

pub mod archive;
mod cache;
mod raw;
mod sources;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use tradepost_postgres::Database;
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::metrics::v1::analytics_service_server::AnalyticsServiceServer;
use tradepost_proto::metrics::v1::metrics_service_server::MetricsServiceServer;
use tradepost_service::{Clock, CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::files::SnapshotFile;
use crate::adapters::grpc::analytics::{self, AnalyticsApi, ApiLimits};
use crate::adapters::grpc::live::{self, LiveApi, Peers};
use crate::adapters::postgres::PgAnalytics;
use crate::application::{Answers, CountStored, Ingest, Keeper, Room, Upkeep};
use crate::command::{self, MetricsCommand};
use crate::config::{AnalyticsConfig, LiveConfig, MetricsConfig};
use crate::metrics::{LiveMetrics, Metrics};
use crate::ports::{Events, Observed, Snapshots, Upkeeper};
pub use cache::keep_answers;
use sources::Ground;
pub use sources::read_streams;

/// The service's name.
pub(crate) const NAME: &str = "metrics";

/// The metrics service as a program.
pub struct MetricsProgram;

impl Program for MetricsProgram {
    const NAME: &'static str = NAME;
    const ABOUT: &'static str = "Live aggregates and tenant analytics";
    type Config = MetricsConfig;
    type Admin = MetricsCommand;

    fn common(config: &MetricsConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: MetricsConfig, runtime: Runtime) -> anyhow::Result<()> {
        ensure!(
            config.analytics.exports_max < config.database.max_connections as usize,
            "analytics.exports_max must be below database.max_connections: other calls need some"
        );
        let mut ground = Ground::open(&config, &runtime).await?;
        let (live, counting) = live(&config.live, &runtime).await?;
        archive::start(&config, &runtime, ground.database()).await?;
        let database = (ground.database(), counting);
        let api = analytics(&config.analytics, &runtime, database).await;
        ground.count_orders(&api);
        read_streams(&config, &runtime, &api)?;
        let versions = PgAnalytics::new(ground.database(), config.analytics.store());
        let kept = (&config.cache, &config.redis);
        let api = keep_answers(api, Arc::new(versions), kept, &runtime)?;
        let api = match archive::to_read(&config)? {
            Some(archive) => api.reaching(archive),
            None => api,
        };
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(AnalyticsServiceServer::new(api), &analytics::RULES)
            .service(MetricsServiceServer::new(live), &live::RULES);
        ground.serve(runtime, server).await
    }

    async fn admin(config: MetricsConfig, command: MetricsCommand) -> anyhow::Result<()> {
        command::run(command, &config).await
    }
}

/// Live aggregates, from the node's last snapshot on, with what runs beside their calls; and what
/// counts in them whatever is stored.
///
/// # Errors
/// Fails when the snapshot cannot be read, the bounds take more memory than was declared, a peer's
/// URL is malformed, or there are peers and no key to call them with.
pub async fn live(config: &LiveConfig, runtime: &Runtime) -> anyhow::Result<(LiveApi, Observed)> {
    let metrics = LiveMetrics::register(&runtime.registry);
    let store = match &config.snapshot_path {
        Some(path) => {
            let file = SnapshotFile::open(path)
                .with_context(|| format!("live.snapshot_path = {}", path.display()))?;
            Some(Arc::new(file) as Snapshots)
        }
        None => None,
    };
    let about = (Clock::system(), metrics.clone());
    let keeper = Keeper::open(config.engine(), config.limits(), store, about).await?;
    let live = keeper.live();
    runtime
        .tasks
        .spawn("live", keeper.run(runtime.shutdown.clone()));
    let peers = Peers::new(config, runtime, metrics.clone())?;
    let counting = CountStored::new(Arc::clone(&live), metrics.clone());
    let api = LiveApi::new(live, peers, config, (metrics, runtime.shutdown.clone()));
    Ok((api, Arc::new(counting)))
}

/// Tenant analytics over the service's database, with what runs beside its calls; `observed` is told
/// what was stored. Before it
/// returns the days around today have had a chance of their partitions; without them events wait in
/// quarantine.
pub async fn analytics(
    config: &AnalyticsConfig,
    runtime: &Runtime,
    (database, observed): (Database, Observed),
) -> AnalyticsApi {
    let metrics = Metrics::register(&runtime.registry);
    let store = Arc::new(PgAnalytics::new(database, config.store()));
    let (clock, limits) = (Clock::system(), config.upkeep());
    let upkeeper: Upkeeper = store.clone();
    let upkeep = Upkeep::new(upkeeper, limits, metrics.clone(), clock.clone());
    upkeep.try_prepare().await;
    let (tasks, shutdown) = (&runtime.tasks, &runtime.shutdown);
    tasks.spawn("upkeep", upkeep.run(shutdown.clone()));
    let events: Events = store.clone();
    let (listing, exports) = raw::raw(config, runtime, store.clone());
    AnalyticsApi {
        listing,
        exports,
        reports: store,
        answers: Answers::computed(clock.clone()),
        ingest: Ingest::start(
            (&events, &observed),
            config.ingest(),
            &metrics,
            (tasks, shutdown),
        ),
        streams: Arc::new(Room::halved(config.streams_max)),
        metrics,
        limits: ApiLimits {
            stream_batches_max: config.stream_batches_max,
            stream_life: Duration::from_secs(config.stream_seconds_max),
            history_days: config.history_days,
            kept: config.kept(),
        },
        clock,
        shutdown: shutdown.clone(),
    }
}
