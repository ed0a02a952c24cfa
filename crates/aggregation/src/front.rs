//! What a thread counts before others see it: the values of a series within one second, until there
//! are enough of them or someone asks.
//!
//! Threads that count the same series would pass its memory back and forth with each event; this
//! way they do once in a dozen. A front belongs to one thread at a time, so its lock is free.

use tradepost_types::TenantId;

use crate::event::Moment;
use crate::name::Name;
use crate::stripe::Address;
use crate::sync;

/// Fronts there are. More threads than that share them.
pub(crate) const FRONTS: usize = if cfg!(feature = "model") { 2 } else { 8 };
/// Series a front holds at once. A series has two places by its hash; a third one there pushes one
/// of the two out.
const WAITS: usize = if cfg!(feature = "model") { 2 } else { 4_096 };
/// Values of a series that wait at most: then it is one call in some hundreds that counts
/// them.
const VALUES_MAX: usize = 256;
/// Series that are counted before a front is let go when somebody asks.
const RUN: usize = 64;

/// The most memory that all fronts take.
pub(crate) const BYTES_MAX: usize =
    FRONTS * WAITS * (size_of::<Option<Wait>>() + VALUES_MAX * size_of::<f64>());

/// Values of one series and second that are acknowledged, but not in its stripe yet.
#[derive(Debug)]
pub(crate) struct Wait {
    pub(crate) tenant: TenantId,
    pub(crate) address: Address,
    pub(crate) moment: Moment,
    pub(crate) event_type: Name,
    pub(crate) values: Vec<f64>,
}

/// Series by hash.
#[derive(Debug, Default)]
pub(crate) struct Front {
    /// Empty until the first event, else [`WAITS`] long.
    waits: Vec<Option<Wait>>,
}

impl Wait {
    /// Whether it is of this series.
    fn is_of(&self, hash: u64, tenant: TenantId, event_type: &[u8]) -> bool {
        self.address.hash == hash
            && self.tenant == tenant
            && self.event_type.as_bytes() == event_type
    }

    /// Adds a value. If it is of another second, or there is no room for it, what waited goes to
    /// `count` before.
    pub(crate) fn push(&mut self, moment: Moment, value: f64, count: impl FnOnce(&Self)) {
        if self.moment.second != moment.second || self.values.len() >= VALUES_MAX {
            self.leave(count);
            self.moment = moment;
        }
        self.values.push(value);
    }

    /// Gives what waits to `count`.
    pub(crate) fn leave(&mut self, count: impl FnOnce(&Self)) {
        if !self.values.is_empty() {
            count(self);
            self.values.clear();
        }
    }
}

impl Front {
    /// What waits of a series, if it has a place.
    pub(crate) fn find(
        &mut self,
        hash: u64,
        tenant: TenantId,
        event_type: &[u8],
    ) -> Option<&mut Wait> {
        let mut waits = self.places(hash).iter_mut().flatten();
        waits.find(|wait| wait.is_of(hash, tenant, event_type))
    }

    /// Gives a series a place; what had it is returned.
    pub(crate) fn insert(&mut self, wait: Wait) -> Option<Wait> {
        if self.waits.is_empty() {
            self.waits = std::iter::repeat_with(|| None).take(WAITS).collect();
        }
        let [one, other] = self.places(wait.address.hash) else {
            return Some(wait);
        };
        // The one that gathered less loses less.
        let gathered = |wait: &Option<Wait>| wait.as_ref().map_or(0, |wait| wait.values.len() + 1);
        if gathered(one) <= gathered(other) {
            one.replace(wait)
        } else {
            other.replace(wait)
        }
    }

    /// Some of what waits, from `start` on; empty past the end.
    pub(crate) fn some(&mut self, start: usize) -> impl Iterator<Item = &mut Wait> {
        self.waits.iter_mut().skip(start).take(RUN).flatten()
    }

    /// Where to call [`Front::some`] to see everything.
    pub(crate) fn starts() -> impl Iterator<Item = usize> {
        (0..WAITS).step_by(RUN)
    }

    fn places(&mut self, hash: u64) -> &mut [Option<Wait>] {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the mask leaves twelve bits"
        )]
        let first = hash as usize & (WAITS - 2);
        self.waits.get_mut(first..first + 2).unwrap_or_default()
    }
}

/// Which front the calling thread has.
pub(crate) fn of_this_thread() -> usize {
    sync::thread_number() % FRONTS
}
