//! The configuration: one struct, parsed and validated once.

use garde::Validate;
use serde::{Deserialize, Serialize};
use time::Duration;
use tradepost_messaging::MessagingConfig;
use tradepost_postgres::DatabaseConfig;
use tradepost_service::CommonConfig;
use url::Url;

use crate::domain::saga::Policy;

/// Everything an operator can choose: `TRADEPOST_ORDER__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct OrderConfig {
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
    /// Where prices come from.
    #[garde(dive)]
    pub inventory: InventoryConfig,
    /// How long the steps of an order may take.
    #[garde(dive)]
    #[serde(default)]
    pub saga: SagaConfig,
    /// Limits of this process.
    #[garde(dive)]
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// The inventory service.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct InventoryConfig {
    /// Its gRPC address, e.g. `http://127.0.0.1:50052`.
    #[garde(skip)]
    pub url: Url,
    /// How long a question may take.
    #[garde(range(min = 10, max = 60_000))]
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// How old a known price may get; 0 asks every time.
    #[garde(range(max = 2_000))]
    #[serde(default = "default_price_cache_ttl_ms")]
    pub price_cache_ttl_ms: u64,
    /// How many prices are known at most.
    #[garde(range(max = 1_000_000))]
    #[serde(default = "default_price_cache_items_max")]
    pub price_cache_items_max: usize,
}

const fn default_timeout_ms() -> u64 {
    2_000
}

const fn default_price_cache_ttl_ms() -> u64 {
    1_000
}

const fn default_price_cache_items_max() -> usize {
    50_000
}

/// How long the steps of an order may take.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct SagaConfig {
    /// How long stock is held.
    #[garde(range(min = 1, max = 86_400))]
    pub hold_seconds: u32,
    /// Wait before a command is sent again; it doubles.
    #[garde(range(min = 10, max = 3_600_000))]
    pub step_timeout_ms: u32,
    /// The longest wait between two sendings.
    #[garde(range(min = 10, max = 86_400_000))]
    pub step_timeout_max_ms: u32,
    /// How old an order may get before it has stock and money.
    #[garde(range(min = 1, max = 2_592_000))]
    pub age_max_seconds: u32,
    /// How long a payment may stay unknown.
    #[garde(range(min = 1, max = 86_400))]
    pub payment_max_seconds: u32,
    /// How long the customer may take to confirm the payment.
    #[garde(range(min = 1, max = 86_400))]
    pub action_max_seconds: u32,
    /// How long the carrier may take to fetch the parcel.
    #[garde(range(min = 1, max = 31_536_000))]
    pub hand_over_max_seconds: u32,
    /// How long the carrier may take to deliver it.
    #[garde(range(min = 1, max = 31_536_000))]
    pub delivery_max_seconds: u32,
    /// How often an undo or a capture is tried before an operator is called.
    #[garde(range(min = 1, max = 1_000))]
    pub tries_max: u32,
    /// How often passed deadlines are looked for.
    #[garde(range(min = 10, max = 60_000))]
    pub deadline_poll_ms: u64,
    /// How many orders one look takes.
    #[garde(range(min = 1, max = 1_000))]
    pub deadline_batch_max: u32,
}

impl Default for SagaConfig {
    fn default() -> Self {
        Self {
            hold_seconds: 900,
            step_timeout_ms: 30_000,
            step_timeout_max_ms: 300_000,
            age_max_seconds: 86_400,
            payment_max_seconds: 900,
            action_max_seconds: 900,
            hand_over_max_seconds: 30 * 86_400,
            delivery_max_seconds: 60 * 86_400,
            tries_max: 20,
            deadline_poll_ms: 500,
            deadline_batch_max: 100,
        }
    }
}

impl SagaConfig {
    /// The same for the domain.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let seconds = |seconds: u32| Duration::seconds(i64::from(seconds));
        let millis = |millis: u32| Duration::milliseconds(i64::from(millis));
        Policy {
            hold_seconds: i64::from(self.hold_seconds),
            step: millis(self.step_timeout_ms),
            step_max: millis(self.step_timeout_max_ms),
            age_max: seconds(self.age_max_seconds),
            payment_max: seconds(self.payment_max_seconds),
            action_max: seconds(self.action_max_seconds),
            hand_over_max: seconds(self.hand_over_max_seconds),
            delivery_max: seconds(self.delivery_max_seconds),
            tries_max: self.tries_max,
        }
    }
}

/// Limits of this process.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Answers applied in one transaction.
    #[garde(range(min = 1, max = 1_000))]
    pub reply_batch_max: usize,
    /// Orders watched at once.
    #[garde(range(min = 1, max = 100_000))]
    pub watchers_max: usize,
    /// How often watched orders are looked at for what other processes commit.
    #[garde(range(min = 10, max = 60_000))]
    pub watch_poll_ms: u64,
    /// How long a request id is remembered; a repetition after that is a new request.
    #[garde(range(min = 1, max = 8_760))]
    pub idempotency_retention_hours: u32,
    /// How often live orders are counted for the metrics.
    #[garde(range(min = 100, max = 600_000))]
    pub gauge_poll_ms: u64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            reply_batch_max: 100,
            watchers_max: 5_000,
            watch_poll_ms: 250,
            idempotency_retention_hours: 168,
            gauge_poll_ms: 15_000,
        }
    }
}
