//! The configuration: one struct, parsed and validated once.

mod access;
mod email;
mod feed;
mod live;
mod redis;
mod webhooks;

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_messaging::MessagingConfig;
use tradepost_postgres::DatabaseConfig;
use tradepost_service::CommonConfig;

pub use access::AccessConfig;
pub use email::{EmailConfig, EmailTls};
pub use feed::{FeedConfig, FeedLocale};
pub use live::LiveConfig;
pub use redis::RedisConfig;
pub use webhooks::WebhooksConfig;

/// Everything an operator can choose: `TRADEPOST_NOTIFICATION__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NotificationConfig {
    /// Addresses, limits and telemetry.
    #[garde(dive)]
    #[serde(default)]
    pub server: CommonConfig,
    /// The service's own database.
    #[garde(dive)]
    pub database: DatabaseConfig,
    /// The broker, whose facts of orders are told. Without this section they are not.
    #[garde(dive)]
    #[serde(default)]
    pub messaging: Option<MessagingConfig>,
    /// The Redis that carries what is told between nodes. Without it each node finds what others
    /// have told in the database, a little later.
    #[garde(dive)]
    #[serde(default)]
    pub redis: RedisConfig,
    /// Connections.
    #[garde(dive)]
    #[serde(default)]
    pub live: LiveConfig,
    /// Straight connections: those that come without the gateway in between.
    #[garde(dive)]
    #[serde(default)]
    pub access: AccessConfig,
    /// What is kept.
    #[garde(dive)]
    #[serde(default)]
    pub history: HistoryConfig,
    /// What is told of orders.
    #[garde(dive)]
    #[serde(default)]
    pub feed: FeedConfig,
    /// What tenants' own systems are told.
    #[garde(dive)]
    #[serde(default)]
    pub webhooks: WebhooksConfig,
    /// E-mail. Without this section nothing is mailed.
    #[garde(dive)]
    #[serde(default)]
    pub email: Option<EmailConfig>,
}

/// What is kept for how long.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryConfig {
    /// For how many months, besides the one that runs.
    #[garde(range(min = 1, max = 1_200))]
    pub keep_months: u16,
    /// How often partitions are made and dropped.
    #[garde(range(min = 1, max = 86_400))]
    pub upkeep_seconds: u64,
    /// For how long a request id is known: a repetition after that is a new request.
    #[garde(range(min = 1, max = 8_760))]
    pub request_ids_kept_hours: u32,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            keep_months: 24,
            upkeep_seconds: 3_600,
            request_ids_kept_hours: 168,
        }
    }
}
