//! Every instrument of the gateway.

mod audit;
mod identity;
mod limits;

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

use crate::upstream::Standing;
pub use identity::IdentityMetrics;
pub use limits::{LimitMetrics, Outcome, Place, RedisFault};

pub use audit::AuditMetrics;

/// From a millisecond to the longest wait for an order.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    route: String,
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    service: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Loaded {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reached {
    service: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HeldBack {
    service: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Repeated {
    service: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Closed {
    code: u16,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: Family<Answered, Counter>,
    duration: Family<Asked, Histogram, fn() -> Histogram>,
    running: Gauge,
    waiting: Gauge,
    shed: Counter,
    connections: Gauge,
    connections_refused: Family<Reason, Counter>,
    clients_cut: Family<Reason, Counter>,
    heads_refused: Family<Reason, Counter>,
    certificates: Family<Loaded, Counter>,
    upstream_errors: Family<Failed, Counter>,
    /// Figures of identity.
    pub identity: IdentityMetrics,
    logins: Family<Ended, Counter>,
    refreshes: Family<Ended, Counter>,
    upstream_held: Family<HeldBack, Counter>,
    upstream_retries: Family<Repeated, Counter>,
    breakers: Family<Reached, Gauge>,
    sockets: Gauge,
    sockets_closed: Family<Closed, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

impl Metrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Family::new_with_constructor(histogram),
            running: Gauge::default(),
            waiting: Gauge::default(),
            shed: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Family::default(),
            clients_cut: Family::default(),
            heads_refused: Family::default(),
            certificates: Family::default(),
            upstream_errors: Family::default(),
            identity: IdentityMetrics::register(registry),
            logins: Family::default(),
            refreshes: Family::default(),
            upstream_held: Family::default(),
            upstream_retries: Family::default(),
            breakers: Family::default(),
            sockets: Gauge::default(),
            sockets_closed: Family::default(),
        };
        registry.register(
            "http_requests",
            "Requests by route, method and status; 499: the client left before the answer",
            metrics.requests.clone(),
        );
        registry.register_seconds(
            "http_request_duration",
            "Time until the answer, waits for orders included",
            metrics.duration.clone(),
        );
        let help = "Requests at work or waiting";
        registry.register("http_requests_running", help, metrics.running.clone());
        let help = "Requests that wait for their order";
        registry.register("http_requests_waiting", help, metrics.waiting.clone());
        let help = "Requests refused because too many were running";
        registry.register("http_requests_shed", help, metrics.shed.clone());
        metrics.register_port(registry);
        let help = "Calls of services that did not succeed, refusals among them";
        registry.register("upstream_errors", help, metrics.upstream_errors.clone());
        let help = "Logins by how they ended";
        registry.register("logins", help, metrics.logins.clone());
        let help = "Refresh tokens presented, by what became of them";
        registry.register("refreshes", help, metrics.refreshes.clone());
        let help = "Calls of services that were not made: the breaker is open, or too many run";
        registry.register("upstream_held", help, metrics.upstream_held.clone());
        let help = "Calls that were worth repeating: repeated, or over the budget";
        registry.register("upstream_retries", help, metrics.upstream_retries.clone());
        let help = "Where the breaker of a service stands: 0 closed, 1 half open, 2 open";
        registry.register("upstream_breaker", help, metrics.breakers.clone());
        let help = "WebSockets that are open";
        registry.register("websockets_open", help, metrics.sockets.clone());
        let help =
            "WebSockets that were closed, by the code their client was told; 0: none, it left";
        registry.register("websockets_closed", help, metrics.sockets_closed.clone());
        metrics
    }

    fn register_port(&self, registry: &Registry) {
        let help = "Connections of the REST port that are open";
        registry.register("connections_open", help, self.connections.clone());
        registry.register(
            "connections_refused",
            "Connections there was no place for (total, address), or without a TLS handshake",
            self.connections_refused.clone(),
        );
        registry.register(
            "clients_cut",
            "Clients that were too slow with: handshake, first_byte, head, body, write",
            self.clients_cut.clone(),
        );
        let help = "Heads of requests that were none";
        registry.register("http_heads_refused", help, self.heads_refused.clone());
        let help = "Changes of the certificate's files: taken up, or refused";
        registry.register("tls_certificates", help, self.certificates.clone());
    }

    /// Counts one more open connection until the count is dropped.
    #[must_use]
    pub fn connected(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// Counts a connection that was not taken.
    pub fn connection_refused(&self, reason: &'static str) {
        let reason = Reason { reason };
        self.connections_refused.get_or_create(&reason).inc();
    }

    /// Counts a client that was too slow.
    pub fn client_cut(&self, reason: &'static str) {
        self.clients_cut.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a change of the certificate's files.
    pub fn certificate(&self, outcome: &'static str) {
        self.certificates.get_or_create(&Loaded { outcome }).inc();
    }

    /// Counts a head that was none.
    pub fn head_refused(&self, reason: &'static str) {
        self.heads_refused.get_or_create(&Reason { reason }).inc();
    }

    /// Counts an answer and measures how long it took. `route` is a template, never a path.
    pub fn answered(&self, route: &str, method: &'static str, status: u16, duration: Duration) {
        let answered = Answered {
            route: route.to_owned(),
            method,
            status,
        };
        self.requests.get_or_create(&answered).inc();
        let asked = Asked {
            route: route.to_owned(),
            method,
        };
        self.duration
            .get_or_create(&asked)
            .observe(duration.as_secs_f64());
    }

    /// Counts one more running request until the count is dropped.
    #[must_use]
    pub fn running(&self) -> Counted {
        Counted::new(&self.running)
    }

    /// Counts one more waiting request until the count is dropped.
    #[must_use]
    pub fn waiting(&self) -> Counted {
        Counted::new(&self.waiting)
    }

    /// Counts a login.
    pub fn logged_in(&self, outcome: &'static str) {
        self.logins.get_or_create(&Ended { outcome }).inc();
    }

    /// Counts a refresh token that was presented.
    pub fn refreshed(&self, outcome: &'static str) {
        self.refreshes.get_or_create(&Ended { outcome }).inc();
    }

    /// Counts a request that was refused because too many were running.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// Counts a call of a service that did not succeed.
    pub fn upstream_error(&self, service: &'static str, code: &'static str) {
        let failed = Failed { service, code };
        self.upstream_errors.get_or_create(&failed).inc();
    }
}

impl Metrics {
    /// Counts a call of a service that was not made.
    pub fn upstream_held(&self, service: &'static str, reason: &'static str) {
        let held = HeldBack { service, reason };
        self.upstream_held.get_or_create(&held).inc();
    }

    /// Counts a call that was worth repeating.
    pub fn upstream_retry(&self, service: &'static str, repeated: bool) {
        let outcome = if repeated { "repeated" } else { "over_budget" };
        let repeated = Repeated { service, outcome };
        self.upstream_retries.get_or_create(&repeated).inc();
    }

    /// Counts one more open WebSocket until the count is dropped.
    #[must_use]
    pub fn socket(&self) -> Counted {
        Counted::new(&self.sockets)
    }

    /// Counts a WebSocket that was closed.
    pub fn socket_closed(&self, code: Option<u16>) {
        let code = code.unwrap_or_default();
        self.sockets_closed.get_or_create(&Closed { code }).inc();
    }

    /// Says where the breaker of a service stands.
    pub fn breaker(&self, service: &'static str, standing: Standing) {
        let value = match standing {
            Standing::Closed => 0,
            Standing::HalfOpen => 1,
            Standing::Open => 2,
        };
        self.breakers.get_or_create(&Reached { service }).set(value);
    }
}

/// One in a gauge, as long as it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
