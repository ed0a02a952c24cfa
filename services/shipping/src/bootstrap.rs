//! Puts the parts together: the only file that names concrete adapters.

use std::sync::Arc;
use std::time::Duration;

use tradepost_backend::{Backend, BackendCommand, Settings};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::shipping::v1::shipping_service_server::ShippingServiceServer;
use tradepost_service::{CommonConfig, GrpcServer, Program, Runtime};

use crate::adapters::amqp;
use crate::adapters::grpc::{RULES, ShippingApi};
use crate::adapters::mishaps::Mishaps;
use crate::adapters::postgres::{MIGRATOR, PgShipments};
use crate::adapters::table_rate::TableRate;
use crate::application::{CarryOut, ClockLimits, Courier, MoveParcels, Patience};
use crate::config::{PatienceConfig, ShippingConfig};
use crate::metrics::Metrics;
use crate::ports::{AnyCarrier, Shipments};

/// How long a request id is remembered; a repetition after that is a new request.
const REQUEST_IDS_KEPT_HOURS: u32 = 168;

/// The shipping service as a program.
pub struct ShippingProgram;

impl Program for ShippingProgram {
    const NAME: &'static str = "shipping";
    const ABOUT: &'static str = "Parcels: rates, booking, tracking";
    type Config = ShippingConfig;
    type Admin = BackendCommand;

    fn common(config: &ShippingConfig) -> &CommonConfig {
        &config.server
    }

    async fn serve(config: ShippingConfig, runtime: Runtime) -> anyhow::Result<()> {
        let settings = Settings {
            database: config.database.clone(),
            messaging: config.messaging.clone(),
            schema: &MIGRATOR,
            request_ids_kept_hours: REQUEST_IDS_KEPT_HOURS,
        };
        let mut backend = Backend::open(Self::NAME, settings, &runtime).await?;
        let metrics = Metrics::register(&runtime.registry);
        let store: Shipments = Arc::new(PgShipments::new(backend.database(), backend.outbox()));
        let carrier: AnyCarrier = Arc::new(TableRate::new(config.carrier.clone()));
        let carrier: AnyCarrier = Arc::new(Mishaps::new(carrier, config.mishaps.clone()));
        let courier = Courier::new(carrier, patience(&config.patience), metrics.clone());
        let carry_out = CarryOut::new(store.clone(), courier.clone(), metrics.clone());
        backend.subscribe(amqp::subscription(
            carry_out,
            config.limits.command_batch_max,
        ));
        move_parcels(&config, &runtime, (store.clone(), courier.clone()), metrics);
        let api = ShippingApi::new(store, courier);
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(ShippingServiceServer::new(api), &RULES);
        backend.serve(runtime, server).await
    }

    async fn admin(config: ShippingConfig, command: BackendCommand) -> anyhow::Result<()> {
        tradepost_backend::run(command, Self::NAME, &config.database).await
    }
}

const fn patience(config: &PatienceConfig) -> Patience {
    Patience {
        call: Duration::from_millis(config.call_timeout_ms),
        tries_max: config.tries_max,
        pause_min: Duration::from_millis(config.pause_min_ms),
        pause_max: Duration::from_millis(config.pause_max_ms),
    }
}

fn move_parcels(
    config: &ShippingConfig,
    runtime: &Runtime,
    (store, courier): (Shipments, Courier),
    metrics: Metrics,
) {
    let limits = ClockLimits {
        poll: Duration::from_millis(config.limits.clock_poll_ms),
        gap: Duration::from_millis(config.limits.clock_gap_ms),
        batch_max: config.limits.clock_batch_max,
    };
    let clock = MoveParcels::new(store, courier, metrics, limits);
    let run = clock.run(runtime.shutdown.clone());
    runtime.tasks.spawn("carrier-clock", run);
}
