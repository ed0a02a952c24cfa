//! Puts the parts together: the only file that names concrete adapters.

use tradepost_backend::{Store, StoreSettings};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_service::{CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::postgres::MIGRATOR;
use crate::command::{self, MetricsCommand};
use crate::config::MetricsConfig;

/// The service's name.
pub(crate) const NAME: &str = "metrics";

/// No method takes a request id: batches have their own numbers, and `PutTenant` replaces.
const REQUEST_IDS_KEPT_HOURS: u32 = 1;

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
        let settings = StoreSettings {
            database: config.database.clone(),
            schema: &MIGRATOR,
            request_ids_kept_hours: REQUEST_IDS_KEPT_HOURS,
        };
        let store = Store::open(NAME, settings, &runtime).await?;
        let server = GrpcServer::new(&runtime).descriptor(FILE_DESCRIPTOR_SET);
        let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
        let served = server.serve(runtime.listener).await;
        store.close(&tasks, &shutdown).await;
        served
    }

    async fn admin(config: MetricsConfig, command: MetricsCommand) -> anyhow::Result<()> {
        command::run(command, &config).await
    }
}
