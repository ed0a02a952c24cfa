//! The configuration: one struct, parsed and validated once.

use garde::Validate;
use serde::{Deserialize, Serialize};
use tradepost_messaging::MessagingConfig;
use tradepost_postgres::DatabaseConfig;
use tradepost_service::CommonConfig;

/// Everything an operator can choose: `TRADEPOST_SHIPPING__SECTION__KEY`.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ShippingConfig {
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
    /// The clock of the table-rate carrier.
    #[garde(dive)]
    #[serde(default)]
    pub carrier: CarrierConfig,
    /// How long the carrier is waited for.
    #[garde(dive)]
    #[serde(default)]
    pub patience: PatienceConfig,
    /// What goes wrong on the way, for rehearsals.
    #[garde(dive)]
    #[serde(default)]
    pub mishaps: MishapsConfig,
    /// Limits of this process.
    #[garde(dive)]
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// How fast the table-rate carrier moves a parcel; each wait starts when the one before ends.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CarrierConfig {
    /// From the label to the hand-over.
    #[garde(range(max = 31_536_000_000))]
    pub hand_over_after_ms: u64,
    /// From the hand-over to the road.
    #[garde(range(max = 31_536_000_000))]
    pub in_transit_after_ms: u64,
    /// From the road to the last van.
    #[garde(range(max = 31_536_000_000))]
    pub out_for_delivery_after_ms: u64,
    /// From the last van to the door, or back to the sender.
    #[garde(range(max = 31_536_000_000))]
    pub deliver_after_ms: u64,
}

impl Default for CarrierConfig {
    fn default() -> Self {
        Self {
            hand_over_after_ms: 5_000,
            in_transit_after_ms: 5_000,
            out_for_delivery_after_ms: 5_000,
            deliver_after_ms: 5_000,
        }
    }
}

/// How long the carrier is waited for.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PatienceConfig {
    /// For one call.
    #[garde(range(min = 1, max = 30_000))]
    pub call_timeout_ms: u64,
    /// How many tries follow each other at once; what is left is asked again later.
    #[garde(range(min = 1, max = 5))]
    pub tries_max: u32,
    /// The pause before it is asked again; it doubles with every attempt, for ever.
    #[garde(range(min = 10, max = 60_000))]
    pub pause_min_ms: u64,
    /// The longest pause.
    #[garde(range(min = 10, max = 3_600_000))]
    pub pause_max_ms: u64,
}

impl Default for PatienceConfig {
    fn default() -> Self {
        Self {
            call_timeout_ms: 1_000,
            tries_max: 2,
            pause_min_ms: 1_000,
            pause_max_ms: 60_000,
        }
    }
}

/// How many of a thousand parcels meet which mishap. Which ones follows from their ids.
#[derive(Debug, Clone, Default, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct MishapsConfig {
    /// An exception before the door, and then another attempt.
    #[garde(range(max = 1_000))]
    pub exceptions_per_mille: u32,
    /// Back to the sender.
    #[garde(range(max = 1_000))]
    pub returns_per_mille: u32,
    /// Lost, out of those that are not returned.
    #[garde(range(max = 1_000))]
    pub losses_per_mille: u32,
}

/// Limits of this process.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Commands carried out in one transaction.
    #[garde(range(min = 1, max = 1_000))]
    pub command_batch_max: usize,
    /// How often the carrier's clock looks for parcels that nobody told it of: those of another
    /// process. It wakes by itself for all others.
    #[garde(range(min = 10, max = 60_000))]
    pub clock_poll_ms: u64,
    /// How far apart it looks under load, so that each look moves several parcels. One that is due
    /// alone never waits.
    #[garde(range(max = 1_000))]
    pub clock_gap_ms: u64,
    /// How many parcels one look moves.
    #[garde(range(min = 1, max = 1_000))]
    pub clock_batch_max: i64,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            command_batch_max: 128,
            clock_poll_ms: 250,
            clock_gap_ms: 20,
            clock_batch_max: 200,
        }
    }
}
