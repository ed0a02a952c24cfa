//! The configuration: one struct, parsed and validated once.

use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tradepost_messaging::MessagingConfig;
use tradepost_postgres::DatabaseConfig;
use tradepost_service::CommonConfig;
use tradepost_service::config::secret::{mask, mask_option};
use url::Url;

/// Everything an operator can choose: `TRADEPOST_PAYMENT__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct PaymentConfig {
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
    /// The card provider.
    #[garde(dive)]
    pub provider: ProviderConfig,
    /// Limits of this process.
    #[garde(dive)]
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// How the card provider is reached.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Where its API is.
    #[garde(skip)]
    pub base_url: Url,
    /// The key of our account.
    #[garde(skip)]
    #[serde(serialize_with = "mask")]
    pub secret_key: SecretString,
    /// What its webhooks are signed with.
    #[garde(skip)]
    #[serde(serialize_with = "mask")]
    pub webhook_secret: SecretString,
    /// What they were signed with before; set it while the secret is rotated.
    #[garde(skip)]
    #[serde(default, serialize_with = "mask_option")]
    pub webhook_secret_previous: Option<SecretString>,
    /// How long connecting may take.
    #[garde(range(min = 10, max = 10_000))]
    #[serde(default = "connect_timeout_ms")]
    pub connect_timeout_ms: u64,
    /// How long a call may take before its outcome counts as unknown.
    #[garde(range(min = 50, max = 60_000))]
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
}

const fn connect_timeout_ms() -> u64 {
    1_000
}

const fn timeout_ms() -> u64 {
    10_000
}

/// Limits of this process.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Commands carried out in one transaction.
    #[garde(range(min = 1, max = 1_000))]
    pub command_batch_max: usize,
    /// Calls to the provider on their way at once.
    #[garde(range(min = 1, max = 1_000))]
    pub calls_in_flight_max: usize,
    /// Calls that wait in this process.
    #[garde(range(min = 1, max = 100_000))]
    pub calls_waiting_max: usize,
    /// Outcomes noted in one transaction.
    #[garde(range(min = 1, max = 1_000))]
    pub record_batch_max: usize,
    /// How long whoever took a call may be at it; above the longest call with its retries.
    #[garde(range(min = 100, max = 600_000))]
    pub lease_ms: u64,
    /// The wait after the first fruitless call; it doubles.
    #[garde(range(min = 10, max = 60_000))]
    pub backoff_min_ms: u64,
    /// The longest wait between two calls for the same thing.
    #[garde(range(min = 10, max = 3_600_000))]
    pub backoff_max_ms: u64,
    /// Fruitless searches before an intent is created again under the same key.
    #[garde(range(min = 1, max = 100))]
    pub absent_asks_min: u32,
    /// How often due calls are looked for.
    #[garde(range(min = 10, max = 60_000))]
    pub sweep_poll_ms: u64,
    /// How many of them one look takes.
    #[garde(range(min = 1, max = 1_000))]
    pub sweep_batch_max: i64,
    /// How long a request id is remembered; a repetition after that is a new request.
    #[garde(range(min = 1, max = 8_760))]
    pub idempotency_retention_hours: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            command_batch_max: 128,
            calls_in_flight_max: 64,
            calls_waiting_max: 4_096,
            record_batch_max: 64,
            lease_ms: 45_000,
            backoff_min_ms: 1_000,
            backoff_max_ms: 60_000,
            absent_asks_min: 3,
            sweep_poll_ms: 250,
            sweep_batch_max: 200,
            idempotency_retention_hours: 168,
        }
    }
}
