//! The gRPC server, with all that stands between the wire and a handler.
//!
//! Message sizes are limited by tonic's own default of 4 MiB a message, which we keep.

mod accept;
mod bare;
mod call;
mod connection;
mod deadline;
mod metrics;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower::Service;

use crate::auth::{self, Guard, Rule, Rules, Trust};
use crate::config::CommonConfig;
use crate::health::Health;
use crate::program::Runtime;
use crate::tasks::Tasks;
use crate::tls::Tls;
use call::{CallLayer, Limits};
use metrics::Methods;

/// A client is asked for a sign of life when it was silent for so long.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);
/// When many clients of a proxy vanish at once, its resets must not trip h2's guard (20 by
/// default), whose GOAWAY would hit everyone on the connection.
const PENDING_RESETS_MAX: usize = 4096;
/// Streams of a connection for health, reflection and calls to be refused.
const STREAMS_SPARE: usize = 64;

/// Builds the gRPC server of a process: health and reflection, metrics and spans, deadlines, the
/// limit of concurrent calls, and handlers that a client's disconnect does not cut short.
#[must_use = "a server does nothing until it is served"]
pub struct GrpcServer {
    service: String,
    common: CommonConfig,
    tasks: Tasks,
    shutdown: CancellationToken,
    health: Health,
    methods: Methods,
    registry: tradepost_telemetry::Registry,
    descriptors: Vec<&'static [u8]>,
    routes: RoutesBuilder,
    names: Vec<&'static str>,
    rules: Rules,
    tls: Option<Tls>,
}

impl GrpcServer {
    /// A server with the limits of the configuration and no services yet.
    pub fn new(runtime: &Runtime) -> Self {
        Self {
            service: runtime.service.clone(),
            common: runtime.common.clone(),
            tasks: runtime.tasks.clone(),
            shutdown: runtime.shutdown.clone(),
            health: runtime.health.clone(),
            methods: Methods::default(),
            registry: runtime.registry.clone(),
            descriptors: Vec::new(),
            routes: RoutesBuilder::default(),
            names: Vec::new(),
            rules: Rules::new(),
            tls: runtime.tls.clone(),
        }
    }

    /// Adds an encoded `FileDescriptorSet`: reflection shows it, metrics are labelled by its
    /// methods, and its streaming methods are freed of the deadline. Without it every call is
    /// counted as method `unknown`, and taken for unary.
    pub fn descriptor(mut self, encoded: &'static [u8]) -> Self {
        self.descriptors.push(encoded);
        self
    }

    /// Adds a generated service, and what opens its methods: what has no rule stays shut.
    pub fn service<S>(mut self, service: S, rules: &[Rule]) -> Self
    where
        S: Service<http::Request<Body>, Error = std::convert::Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self.names.push(S::NAME);
        let by_path = |rule: &Rule| (rule.path(S::NAME), *rule);
        self.rules.extend(rules.iter().map(by_path));
        self
    }

    /// Takes calls from now on until shutdown, then finishes those that run.
    ///
    /// # Errors
    /// Fails when nobody is trusted (`server.auth.trust_path`), a method has no rule, a descriptor
    /// is malformed or the listener is lost.
    pub async fn serve(mut self, listener: TcpListener) -> anyhow::Result<()> {
        let guard = self.guard()?;
        let reporter = HealthReporter::new();
        let health = HealthService::from_health_reporter(reporter.clone());
        self.routes.add_service(HealthServer::new(health));
        if !self.descriptors.is_empty() {
            let mut reflection = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
            for descriptor in &self.descriptors {
                reflection = reflection.register_encoded_file_descriptor_set(descriptor);
                self.methods
                    .learn(descriptor)
                    .context("a descriptor set is malformed")?;
            }
            let reflection = reflection
                .build_v1()
                .context("reflection cannot be built")?;
            self.routes.add_service(reflection);
        }
        auth::check(&self.names, self.methods.paths(), &self.rules)?;
        let calls = CallLayer::new(
            self.tasks.clone(),
            self.methods.register(&self.registry, &self.rules),
            guard,
            Limits {
                permits: Arc::new(Semaphore::new(self.common.calls_max)),
                deadline_default: Duration::from_millis(self.common.deadline_default_ms),
                deadline_max: Duration::from_millis(self.common.deadline_max_ms),
            },
        );
        calls.register(&self.registry);

        self.tasks.spawn(
            "grpc-health",
            report_health(
                reporter,
                self.names,
                self.health.clone(),
                self.shutdown.clone(),
            ),
        );
        self.health.set_serving();
        Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
            .http2_max_local_error_reset_streams(Some(PENDING_RESETS_MAX))
            .max_concurrent_streams(streams_max(self.common.calls_max))
            .layer(calls)
            .add_routes(self.routes.routes())
            .serve_with_incoming_shutdown(
                accept::connections(listener, self.tls, self.shutdown.clone()),
                self.shutdown.cancelled_owned(),
            )
            .await
            .context("the gRPC server failed")
    }

    /// Reads whom to trust, and follows it.
    fn guard(&self) -> anyhow::Result<Guard> {
        if self.names.is_empty() {
            return Ok(Guard::new(None, &self.registry));
        }
        let auth = &self.common.auth;
        let path = auth.trust_path.as_deref().context(
            "server.auth.trust_path is not set: without a trust file no call can be believed",
        )?;
        let trust = Trust::load(path, &self.service)?;
        let poll = Duration::from_millis(auth.poll_ms);
        let follow = Arc::clone(&trust).follow(poll, self.shutdown.clone());
        self.tasks.spawn("auth-trust", follow);
        Ok(Guard::new(Some(trust), &self.registry))
    }
}

impl std::fmt::Debug for GrpcServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GrpcServer")
            .field("services", &self.names)
            .finish_non_exhaustive()
    }
}

/// A connection takes more calls than may run, so that those beyond the limit are told so, and
/// health is answered, instead of waiting at the client for a free stream.
fn streams_max(calls_max: usize) -> u32 {
    let streams = calls_max.saturating_mul(2).saturating_add(STREAMS_SPARE);
    u32::try_from(streams).unwrap_or(u32::MAX)
}

/// Repeats the health of the process in the gRPC health protocol, for the process as a whole and
/// for each service.
async fn report_health(
    reporter: HealthReporter,
    names: Vec<&'static str>,
    health: Health,
    shutdown: CancellationToken,
) {
    let mut serving = health.serving();
    loop {
        let status = if *serving.borrow_and_update() && !shutdown.is_cancelled() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in std::iter::once("").chain(names.iter().copied()) {
            reporter.set_service_status(name, status).await;
        }
        if shutdown.is_cancelled() {
            return;
        }
        tokio::select! {
            _ = serving.changed() => {}
            () = shutdown.cancelled() => {}
        }
    }
}
