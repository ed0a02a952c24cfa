//! The engine against a plain fold, from outside.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "a test fails by panicking, and what is exact is compared exactly"
)]

mod bounds;
mod fold;
mod order;
mod refusals;
mod stored;
mod survival;
mod threads;

use tradepost_aggregation::{Aggregates, Config, Grouping, MetricsProcessor, Query};
use tradepost_types::TenantId;

/// When the tests take place, some seconds into a minute.
const NOW: i64 = 1_700_000_023_456;

fn config() -> Config {
    Config {
        clock: || NOW,
        ..Config::default()
    }
}

fn processor() -> MetricsProcessor {
    MetricsProcessor::new(config()).unwrap()
}

fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(uuid::Uuid::from_u128(number))
}

fn ask(processor: &MetricsProcessor, of: TenantId, minutes: u32, grouping: Grouping) -> Aggregates {
    let query = Query {
        minutes,
        event_types: &[],
        grouping,
    };
    processor.aggregates(of, query, NOW).unwrap()
}
