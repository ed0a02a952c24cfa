//! What should come out: batches counted once each, event by event, into a map.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use tradepost_aggregation::{Aggregates, BatchId, Event, MetricsProcessor, PackedEvents, Sketch};

use crate::{NOW, tenant};

pub(crate) const TENANTS: u128 = 2;
pub(crate) const TYPES: [&str; 3] = ["order.placed", "page.viewed", "cart.dropped"];

/// An event: before the clock by so much, of which type, how much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) before_ms: i64,
    pub(crate) kind: usize,
    pub(crate) value: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) tenant: u128,
    pub(crate) producer: String,
    pub(crate) sequence: u64,
    pub(crate) packed: bool,
    pub(crate) events: Vec<Told>,
}

impl Batch {
    pub(crate) fn send(&self, to: &MetricsProcessor) -> bool {
        let id = BatchId {
            tenant: tenant(self.tenant),
            producer: &self.producer,
            sequence: self.sequence,
        };
        let receipt = if self.packed {
            let base = NOW - 90_000_000;
            let record = |told: &Told| {
                let after = u32::try_from(NOW - told.before_ms - base).unwrap();
                let kind = u32::try_from(told.kind).unwrap();
                let mut record = Vec::new();
                record.extend(after.to_le_bytes());
                record.extend(kind.to_le_bytes());
                record.extend(0_u32.to_le_bytes());
                record.extend(told.value.to_le_bytes());
                record
            };
            let events = PackedEvents {
                base_time_ms: base,
                event_types: &TYPES,
                user_ids: &[],
                records: &self.events.iter().flat_map(record).collect::<Vec<_>>(),
            };
            to.process_packed(id, events, NOW)
        } else {
            let events = self.events.iter().map(|told| Event {
                time_ms: NOW - told.before_ms,
                user_id: "someone",
                event_type: TYPES[told.kind],
                value: told.value,
            });
            to.process_batch(id, events, NOW)
        };
        let receipt = receipt.unwrap();
        let sum = receipt.accepted + receipt.rejected;
        assert_eq!(
            sum as usize,
            if receipt.duplicate {
                0
            } else {
                self.events.len()
            }
        );
        !receipt.duplicate
    }
}

fn told() -> impl Strategy<Value = Told> {
    let before_ms = prop_oneof![
        4 => 0..120_000_i64,
        1 => -6_000..0_i64,
        2 => 120_000..1_000_000_i64,
        1 => 86_000_000..88_000_000_i64,
    ];
    let value = prop_oneof![3 => 0.0..1_000.0, 1 => -10.0..10.0, 1 => Just(0.0)];
    (before_ms, 0..TYPES.len(), value).prop_map(|(before_ms, kind, value)| Told {
        before_ms,
        kind,
        value,
    })
}

/// Batches of two tenants and two producers, each with a number of its own.
pub(crate) fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let parts = (
        0..TENANTS,
        0..2_usize,
        any::<bool>(),
        prop::collection::vec(told(), 1..20),
    );
    prop::collection::vec(parts, 1..12).prop_map(|parts| {
        (1..)
            .zip(parts)
            .map(|(sequence, (tenant, producer, packed, events))| Batch {
                tenant,
                producer: format!("producer-{producer}"),
                sequence,
                packed,
                events,
            })
            .collect()
    })
}

/// The values of one event type in one piece of time.
pub(crate) type Values = BTreeMap<(String, i64), Vec<f64>>;

/// What a tenant's events of the last `minutes` are, each batch once, in pieces of `piece_ms`.
pub(crate) fn fold(batches: &[Batch], of: u128, minutes: i64, piece_ms: i64) -> Values {
    let mut seen = HashSet::new();
    let mut values = Values::new();
    let last = NOW.div_euclid(60_000);
    let first = last - minutes + 1;
    for batch in batches.iter().filter(|batch| batch.tenant == of) {
        if !seen.insert((&batch.producer, batch.sequence)) {
            continue;
        }
        for told in &batch.events {
            let time_ms = NOW - told.before_ms;
            let minute = time_ms.div_euclid(60_000);
            let kept = told.before_ms >= -5_000 && minute > last - 1_440;
            let in_seconds = piece_ms > 1_000
                || (told.before_ms >= 0 && told.before_ms <= 120_000)
                || (time_ms.div_euclid(1_000) == NOW.div_euclid(1_000));
            if kept && in_seconds && (first..=last).contains(&minute) {
                let start = if piece_ms > 60_000 {
                    first * 60_000
                } else {
                    time_ms.div_euclid(piece_ms) * piece_ms
                };
                values
                    .entry((TYPES[told.kind].to_owned(), start))
                    .or_default()
                    .push(told.value);
            }
        }
    }
    values
}

/// Counts and extremes are exact, sums but for the order of addition, percentiles within the error.
pub(crate) fn assert_equal(found: &Aggregates, expected: &Values) {
    let keys: Vec<_> = found
        .lines
        .iter()
        .map(|line| (line.event_type.clone(), line.start_ms))
        .collect();
    assert_eq!(keys, expected.keys().cloned().collect::<Vec<_>>());
    for (line, values) in found.lines.iter().zip(expected.values()) {
        let mut values = values.clone();
        values.sort_by(f64::total_cmp);
        assert_eq!(line.count, values.len() as u64);
        assert_eq!((line.min, line.max), (values[0], values[values.len() - 1]));
        let sum: f64 = values.iter().sum();
        let size: f64 = values.iter().map(|value| value.abs()).sum();
        assert!(
            (line.sum - sum).abs() <= size * 1e-12,
            "{} for {sum}",
            line.sum
        );
        let Some(sketch) = &line.sketch else {
            assert_eq!(found.piece_ms, 1_000, "only seconds have none");
            continue;
        };
        assert_eq!(sketch.count(), line.count);
        for q in [0.0, 0.5, 0.9, 0.99, 1.0] {
            let rank = (1..=values.len()).find(|rank| *rank as f64 >= q * values.len() as f64);
            let exact = values[rank.unwrap() - 1];
            let off = (line.quantile(q).unwrap() - exact).abs();
            assert!(
                off <= exact.abs() * Sketch::RELATIVE_ERROR * (1.0 + 1e-9),
                "{q}"
            );
        }
    }
}
