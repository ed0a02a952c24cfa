//! What is kept of many events: sums, extremes, users, percentiles. Pure; not in the domain because
//! measurements are floats.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use tradepost_aggregation::{Distinct, Sketch};
use tradepost_types::TenantId;

use crate::domain::Grain;

/// How far the rounding of sums may go, as a share of the magnitudes that are added.
const ROUNDING: f64 = 1e-9;

/// The number of an event type within its tenant.
pub type TypeId = i16;

/// The number of the overflow type, in every tenant.
pub const OVERFLOW_ID: TypeId = 0;

/// Which events a rollup is of. The order of keys is the order in which rows are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Whose.
    pub tenant: TenantId,
    /// Where the piece of time starts, in milliseconds since 1970.
    pub start_ms: i64,
    /// Of which type.
    pub type_id: TypeId,
}

/// What is kept of at least one event. Merging is exact but for the rounding of the two sums.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollup {
    /// Events.
    pub n: u64,
    /// The sum of their values.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_of_squares: f64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// Their users.
    pub users: Distinct,
    /// Their values.
    pub sketch: Sketch,
}

impl Rollup {
    /// What is kept before anything came: the neutral element of [`merge`](Rollup::merge).
    fn empty() -> Self {
        Self {
            n: 0,
            sum: 0.0,
            sum_of_squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            users: Distinct::new(),
            sketch: Sketch::new(),
        }
    }

    fn add(&mut self, value: f64, user: Option<u64>) {
        // A value that is not finite never gets here; if one did, it must not count in parts.
        if self.sketch.add(value).is_err() {
            return;
        }
        self.n += 1;
        self.sum += value;
        self.sum_of_squares += value * value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if let Some(user) = user {
            self.users.add_hash(user);
        }
    }

    /// Whether both are of the same events. Sums depend on the order of their addends in the last
    /// digits; all else must be the same.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        // The sum of the magnitudes is at most this (Cauchy and Schwarz).
        #[expect(clippy::cast_precision_loss, reason = "it is a bound, not a count")]
        let magnitude = (self.n as f64 * self.sum_of_squares).sqrt();
        self.n == other.n
            && close(self.sum, other.sum, magnitude)
            && close(
                self.sum_of_squares,
                other.sum_of_squares,
                self.sum_of_squares,
            )
            && (self.min, self.max) == (other.min, other.max)
            && self.users == other.users
            && self.sketch == other.sketch
    }

    /// Counts all that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.users.merge(&other.users);
        self.sketch.merge(&other.sketch);
    }
}

/// Whether two sums of the same addends, whose magnitudes add up to `magnitude`, may be that far
/// apart. Sums that have left the range of floats say nothing any more.
#[expect(clippy::float_cmp, reason = "infinities are equal or not")]
fn close(one: f64, other: f64, magnitude: f64) -> bool {
    one == other
        || !one.is_finite()
        || !other.is_finite()
        || (one - other).abs() <= ROUNDING * magnitude
}

/// Rollups in the making.
#[derive(Debug, Default)]
pub struct Folding(HashMap<Key, Rollup>);

impl Folding {
    /// Counts one event: its type within the tenant, its moment, its value, and the hash of its
    /// user if it has one.
    pub fn add(&mut self, tenant: TenantId, type_id: TypeId, at_ms: i64, seen: (f64, Option<u64>)) {
        let start_ms = Grain::Minute.start_ms(at_ms);
        let key = Key {
            tenant,
            start_ms,
            type_id,
        };
        let (value, user) = seen;
        let rollup = self.0.entry(key).or_insert_with(Rollup::empty);
        rollup.add(value, user);
    }

    /// The minutes, hours and days, each in the order of their keys.
    #[must_use]
    pub fn finish(self) -> Rollups {
        let hours = coarser(&self.0, Grain::Hour);
        Rollups {
            days: sorted(coarser(&hours, Grain::Day)),
            hours: sorted(hours),
            minutes: sorted(self.0),
        }
    }
}

/// Rollups of each grain, each in the order of their keys.
#[derive(Debug, Default, PartialEq)]
pub struct Rollups {
    /// By minute.
    pub minutes: Vec<(Key, Rollup)>,
    /// By hour.
    pub hours: Vec<(Key, Rollup)>,
    /// By day.
    pub days: Vec<(Key, Rollup)>,
}

impl Rollups {
    /// Those of one grain.
    #[must_use]
    pub fn of(&self, grain: Grain) -> &[(Key, Rollup)] {
        match grain {
            Grain::Minute => &self.minutes,
            Grain::Hour => &self.hours,
            Grain::Day => &self.days,
        }
    }

    /// Those of one grain, to be changed.
    #[must_use]
    pub fn of_mut(&mut self, grain: Grain) -> &mut Vec<(Key, Rollup)> {
        match grain {
            Grain::Minute => &mut self.minutes,
            Grain::Hour => &mut self.hours,
            Grain::Day => &mut self.days,
        }
    }
}

fn coarser(finer: &HashMap<Key, Rollup>, grain: Grain) -> HashMap<Key, Rollup> {
    let mut merged = HashMap::with_capacity(finer.len() / 8);
    for (key, rollup) in finer {
        let start_ms = grain.start_ms(key.start_ms);
        match merged.entry(Key { start_ms, ..*key }) {
            Entry::Vacant(vacant) => {
                vacant.insert(rollup.clone());
            }
            Entry::Occupied(mut occupied) => occupied.get_mut().merge(rollup),
        }
    }
    merged
}

fn sorted(rollups: HashMap<Key, Rollup>) -> Vec<(Key, Rollup)> {
    let mut rollups: Vec<_> = rollups.into_iter().collect();
    rollups.sort_unstable_by_key(|(key, _)| *key);
    rollups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_grain_holds_all_events_once() {
        let tenant = TenantId::new();
        let mut folding = Folding::default();

        for at_ms in [0, 59_999, 60_000, 3_600_000, 86_400_000] {
            folding.add(tenant, 1, at_ms, (2.0, Some(7)));
        }
        let rollups = folding.finish();

        let count = |grain| -> Vec<(i64, u64)> {
            let rollups: &[(Key, Rollup)] = rollups.of(grain);
            let pair = |(key, rollup): &(Key, Rollup)| (key.start_ms, rollup.n);
            rollups.iter().map(pair).collect()
        };
        assert_eq!(count(Grain::Day), [(0, 4), (86_400_000, 1)]);
        assert_eq!(
            count(Grain::Hour),
            [(0, 3), (3_600_000, 1), (86_400_000, 1)]
        );
        assert_eq!(count(Grain::Minute)[..2], [(0, 2), (60_000, 1)]);
        assert_eq!(rollups.days[0].1.users.estimate(), 1);
        assert_eq!(rollups.days[0].1.sum_of_squares, 16.0);
    }

    proptest! {
        #[test]
        fn any_cut_and_order_merges_to_the_same(
            mut events in prop::collection::vec((0_i64..200_000_000, -1_000_i32..1_000, 0_u64..50), 1..80),
            cut in 0_usize..80,
        ) {
            let tenant = TenantId::new();
            let fold = |events: &[(i64, i32, u64)]| {
                let mut folding = Folding::default();
                for &(at_ms, value, user) in events {
                    folding.add(tenant, 1, at_ms, (f64::from(value), Some(user)));
                }
                folding.finish()
            };
            let whole = fold(&events);
            events.reverse();
            let (one, other) = events.split_at(cut.min(events.len()));
            let (one, other) = (fold(one), fold(other));

            for grain in Grain::COARSEST_FIRST {
                let mut merged: HashMap<Key, Rollup> = one.of(grain).iter().cloned().collect();
                for (key, rollup) in other.of(grain) {
                    merged.entry(*key).or_insert_with(Rollup::empty).merge(rollup);
                }
                prop_assert_eq!(sorted(merged), whole.of(grain));
            }
        }
    }
}
