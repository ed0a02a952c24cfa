//! The configuration: one struct, parsed and validated once.

mod access;
mod audit;
mod credentials;
mod edge;
mod identity;
mod rate_limits;
mod sockets;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_postgres::DatabaseConfig;
use tradepost_redis::RedisConfig;
use tradepost_service::CommonConfig;
use tradepost_service::proxies::ProxiesConfig;
use url::Url;

pub use access::AccessConfig;
pub use audit::AuditConfig;
pub use credentials::{CredentialsConfig, KeyMode};
pub use edge::{CorsConfig, LimitsConfig, TlsConfig};
pub use identity::{IdentityConfig, PasswordsConfig, TokenAlgorithm};
pub use rate_limits::RateLimitsConfig;
pub use sockets::SocketsConfig;

/// Everything an operator can choose: `TRADEPOST_GATEWAY__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Addresses, limits and telemetry. `listen_addr` is the REST port, `calls_max` the requests
    /// that run at once; the two deadlines are for gRPC servers and not used here.
    #[garde(dive)]
    #[serde(default)]
    pub server: CommonConfig,
    /// The gateway's own database.
    #[garde(dive)]
    pub database: DatabaseConfig,
    /// Who may come in, and how long.
    #[garde(dive)]
    pub identity: IdentityConfig,
    /// API keys and OAuth.
    #[garde(dive)]
    #[serde(default)]
    pub credentials: CredentialsConfig,
    /// The services behind the gateway.
    #[garde(dive)]
    pub upstreams: UpstreamsConfig,
    /// Limits of this process.
    #[garde(dive)]
    #[serde(default)]
    pub limits: LimitsConfig,
    /// The certificate of the REST port; without one it speaks plain HTTP.
    #[garde(dive)]
    #[serde(default)]
    pub tls: TlsConfig,
    /// The pages that may call the API from a browser.
    #[garde(dive)]
    #[serde(default)]
    pub cors: CorsConfig,
    /// The proxies that are believed.
    #[garde(dive)]
    #[serde(default)]
    pub proxies: ProxiesConfig,
    /// The Redis that all gateways share. Without it every gateway counts for itself.
    #[garde(dive)]
    #[serde(default)]
    pub redis: RedisConfig,
    /// How much callers may ask.
    #[garde(dive)]
    #[serde(default)]
    pub rate_limits: RateLimitsConfig,
    /// Limits of sockets.
    #[garde(dive)]
    #[serde(default)]
    pub sockets: SocketsConfig,
    /// The audit trail.
    #[garde(dive)]
    #[serde(default)]
    pub audit: AuditConfig,
    /// The port where services ask who may come in.
    #[garde(dive)]
    #[serde(default)]
    pub access: AccessConfig,
}

/// The services behind the gateway: their gRPC addresses, e.g. `http://127.0.0.1:7051`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct UpstreamsConfig {
    /// The order service.
    #[garde(skip)]
    pub order_url: Url,
    /// The inventory service.
    #[garde(skip)]
    pub inventory_url: Url,
    /// The payment service.
    #[garde(skip)]
    pub payment_url: Url,
    /// The shipping service.
    #[garde(skip)]
    pub shipping_url: Url,
    /// The notification service; without it what people were told answers 503.
    #[garde(skip)]
    #[serde(default)]
    pub notification_url: Option<Url>,
    /// Its live port, which speaks WebSocket; without it those routes answer 503.
    #[garde(skip)]
    #[serde(default)]
    pub notification_live_url: Option<Url>,
    /// The metrics service; without it events and what they come to answer 503.
    #[garde(skip)]
    #[serde(default)]
    pub metrics_url: Option<Url>,
    /// How long one call may take; the service is told, so that it gives up too.
    #[garde(range(min = 10, max = 60_000))]
    #[serde(default = "default_deadline_ms")]
    pub deadline_ms: u64,
    /// An answer that takes longer counts as slow; many slow ones open the service's breaker.
    #[garde(range(min = 1, max = 60_000))]
    #[serde(default = "default_slow_ms")]
    pub slow_ms: u64,
    /// How long nothing is asked of a service that fails, before single calls try it again.
    #[garde(range(min = 10, max = 600_000))]
    #[serde(default = "default_open_ms")]
    pub open_ms: u64,
    /// How many calls of one service may run at once.
    #[garde(range(min = 1, max = 100_000))]
    #[serde(default = "default_upstream_calls_max")]
    pub calls_max: usize,
    /// Over how many connections the calls to one service are spread.
    #[garde(range(min = 1, max = 64))]
    #[serde(default = "default_connections")]
    pub connections: usize,
}

const fn default_deadline_ms() -> u64 {
    10_000
}

const fn default_slow_ms() -> u64 {
    3_000
}

const fn default_open_ms() -> u64 {
    5_000
}

const fn default_upstream_calls_max() -> usize {
    256
}

const fn default_connections() -> usize {
    2
}
