//! The configuration: one struct, parsed and validated once.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_postgres::DatabaseConfig;
use tradepost_service::CommonConfig;

/// Everything an operator can choose: `TRADEPOST_METRICS__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Addresses, limits and telemetry.
    #[garde(dive)]
    #[serde(default)]
    pub server: CommonConfig,
    /// The service's own database.
    #[garde(dive)]
    pub database: DatabaseConfig,
}
