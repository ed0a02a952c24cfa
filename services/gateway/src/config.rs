//! The configuration: one struct, parsed and validated once.

mod identity;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_postgres::DatabaseConfig;
use tradepost_service::CommonConfig;
use tradepost_types::TenantId;
use url::Url;

pub use identity::{IdentityConfig, PasswordsConfig, TokenAlgorithm};

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
    /// The services behind the gateway.
    #[garde(dive)]
    pub upstreams: UpstreamsConfig,
    /// Limits of this process.
    #[garde(dive)]
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Whom requests are served for, as long as nobody has to say who they are.
    #[garde(dive)]
    #[serde(default)]
    pub demo: DemoConfig,
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
    /// How long one call may take; the service is told, so that it gives up too.
    #[garde(range(min = 10, max = 60_000))]
    #[serde(default = "default_deadline_ms")]
    pub deadline_ms: u64,
    /// Over how many connections the calls to one service are spread.
    #[garde(range(min = 1, max = 64))]
    #[serde(default = "default_connections")]
    pub connections: usize,
}

const fn default_deadline_ms() -> u64 {
    10_000
}

const fn default_connections() -> usize {
    2
}

/// Limits of this process. The sizes of bodies are no choice: they are part of the API.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// How many connections may be open; more wait in the backlog of the port.
    #[garde(range(min = 1, max = 100_000))]
    pub connections_max: usize,
    /// How long a connection may take to send the head of its next request: it limits slow
    /// senders and idle connections alike.
    #[garde(range(min = 10, max = 600_000))]
    pub head_read_ms: u64,
    /// How long the body of a request may take to arrive.
    #[garde(range(min = 10, max = 600_000))]
    pub body_read_ms: u64,
    /// How many requests may wait for their order at once (`Prefer: wait`); they do not count as
    /// running, and one more is answered without a wait.
    #[garde(range(min = 1, max = 100_000))]
    pub waits_max: usize,
    /// How long connections are still taken after the signal to stop, so that callers learn of it
    /// by an answer and not by a refused connection.
    #[garde(range(max = 60_000))]
    pub linger_ms: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            connections_max: 8_192,
            head_read_ms: 30_000,
            body_read_ms: 10_000,
            waits_max: 4_096,
            linger_ms: 500,
        }
    }
}

/// Whom requests are served for, as long as nobody has to say who they are.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct DemoConfig {
    /// The tenant's id.
    #[garde(custom(is_tenant))]
    pub tenant: String,
}

impl Default for DemoConfig {
    fn default() -> Self {
        Self {
            tenant: "tenant_01jd0000000000000000000000".to_owned(),
        }
    }
}

fn is_tenant(text: &str, (): &()) -> garde::Result {
    text.parse::<TenantId>()
        .map(|_tenant| ())
        .map_err(garde::Error::new)
}
