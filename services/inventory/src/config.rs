//! The configuration: one struct, parsed and validated once.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_messaging::MessagingConfig;
use tradepost_postgres::DatabaseConfig;
use tradepost_service::CommonConfig;

/// Everything an operator can choose: `TRADEPOST_INVENTORY__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct InventoryConfig {
    /// Addresses, limits and telemetry.
    #[garde(dive)]
    #[serde(default)]
    pub server: CommonConfig,
    /// The service's own database.
    #[garde(dive)]
    pub database: DatabaseConfig,
    /// The broker.
    #[garde(dive)]
    #[serde(default)]
    pub messaging: MessagingConfig,
    /// Limits of this process.
    #[garde(dive)]
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// Limits of this process.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Commands carried out in one transaction.
    #[garde(range(min = 1, max = 1_000))]
    pub command_batch_max: usize,
    /// How often reservations whose time is up are looked for.
    #[garde(range(min = 10, max = 60_000))]
    pub expiry_poll_ms: u64,
    /// How many of them one look takes.
    #[garde(range(min = 1, max = 1_000))]
    pub expiry_batch_max: i64,
    /// How long a request id is remembered; a repetition after that is a new request.
    #[garde(range(min = 1, max = 8_760))]
    pub idempotency_retention_hours: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            command_batch_max: 128,
            expiry_poll_ms: 500,
            expiry_batch_max: 200,
            idempotency_retention_hours: 168,
        }
    }
}
