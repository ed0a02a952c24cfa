//! The metrics service without a process of its own, with a database, tokens and an admin port.

use axum::Router;
use axum::routing::get;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tradepost_load::bench::{Calls, Target};
use tradepost_metrics::adapters::grpc::{analytics, live};
use tradepost_metrics::adapters::postgres::MIGRATOR;
use tradepost_metrics::bootstrap;
use tradepost_metrics::config::{AnalyticsConfig, LiveConfig};
use tradepost_postgres::{Database, idempotency};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::metrics::v1::analytics_service_server::AnalyticsServiceServer;
use tradepost_proto::metrics::v1::metrics_service_server::MetricsServiceServer;
use tradepost_service::{CommonConfig, GrpcServer, Runtime};
use tradepost_testkit::{TestDatabase, Trust};

pub(crate) struct Service {
    pub(crate) target: Target,
    pub(crate) admin_url: String,
    shutdown: CancellationToken,
    _trust: Trust,
    _database: TestDatabase,
}

impl Service {
    /// With partitions for so many days.
    pub(crate) async fn start(days_behind: u16) -> Self {
        let extra = [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
        let test_database = tradepost_testkit::database(&MIGRATOR, &extra).await;
        let database = Database::connect_lazy(&test_database.config(), "bench-test").unwrap();
        let trust = Trust::new();
        let common = CommonConfig {
            listen_addr: ([127, 0, 0, 1], 0).into(),
            auth: trust.config("metrics"),
            ..CommonConfig::default()
        };
        let runtime = Runtime::bind("metrics", common).await.unwrap();
        let addr = runtime.listener.local_addr().unwrap();
        let (api, counting) = bootstrap::live(&LiveConfig::default(), &runtime)
            .await
            .unwrap();
        let config = AnalyticsConfig {
            days_behind,
            ..AnalyticsConfig::default()
        };
        let stored = bootstrap::analytics(&config, &runtime, (database, counting)).await;
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(AnalyticsServiceServer::new(stored), &analytics::RULES)
            .service(MetricsServiceServer::new(api), &live::RULES);
        let admin = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let target = Target {
            addr,
            admin: admin.local_addr().unwrap(),
            pid: std::process::id(),
            calls: Calls::new(trust.gateway().clone()),
            connections: 2,
        };
        let registry = runtime.registry.clone();
        let figures = get(move || std::future::ready(registry.render().unwrap()));
        let admin = axum::serve(admin, Router::new().route("/metrics", figures));
        drop(runtime.tasks.detach(admin.into_future()));
        let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
        drop(tasks.detach(server.serve(runtime.listener)));
        Self {
            target,
            admin_url: test_database.admin_url().expose_secret().to_owned(),
            shutdown,
            _trust: trust,
            _database: test_database,
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
