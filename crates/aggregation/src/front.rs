//! What a thread counts before others see it: the values of a series within one second, until there
//! are enough of them or someone asks.
//!
//! Threads that count the same series would pass its memory back and forth with each event; this
//! way they do once in a dozen. A front belongs to one thread at a time, so its lock is free.

use std::sync::atomic::{AtomicUsize, Ordering};

use tradepost_types::TenantId;

use crate::event::Moment;
use crate::name::Name;
use crate::stripe::Address;

/// Fronts there are. More threads than that share them.
pub(crate) const FRONTS: usize = 8;
/// Series a front holds at once, each in the place of its hash: another one there pushes it out.
const WAITS: usize = 4_096;
/// Values that wait at most.
const VALUES: usize = 12;

/// The most memory that all fronts take.
pub(crate) const BYTES_MAX: usize = FRONTS * WAITS * size_of::<Wait>();

/// Values of one series and second that are counted, but not in its stripe yet.
#[derive(Debug, Clone)]
pub(crate) struct Wait {
    pub(crate) tenant: TenantId,
    pub(crate) address: Address,
    pub(crate) moment: Moment,
    pub(crate) event_type: Name,
    len: usize,
    values: [f64; VALUES],
}

/// Series by hash.
#[derive(Debug, Default)]
pub(crate) struct Front {
    /// Empty until the first event, else [`WAITS`] long.
    waits: Vec<Option<Wait>>,
}

impl Wait {
    pub(crate) fn new(
        (tenant, event_type): (TenantId, Name),
        address: Address,
        moment: Moment,
    ) -> Self {
        Self {
            tenant,
            address,
            moment,
            event_type,
            len: 0,
            values: [0.0; VALUES],
        }
    }

    /// Whether it is of this series.
    pub(crate) fn is_of(&self, hash: u64, tenant: TenantId, event_type: &[u8]) -> bool {
        self.address.hash == hash
            && self.tenant == tenant
            && self.event_type.as_bytes() == event_type
    }

    /// Adds a value of the same second, if there is room for it.
    pub(crate) fn push(&mut self, moment: Moment, value: f64) -> bool {
        match self.values.get_mut(self.len) {
            Some(place) if moment.second == self.moment.second => {
                *place = value;
                self.len += 1;
                true
            }
            Some(_) | None => false,
        }
    }

    pub(crate) fn values(&self) -> &[f64] {
        self.values.get(..self.len).unwrap_or_default()
    }

    /// Starts over with a value of another moment; what waited has been counted.
    pub(crate) fn restart(&mut self, moment: Moment, value: f64) {
        self.moment = moment;
        self.len = 0;
        self.push(moment, value);
    }
}

impl Front {
    /// The place of a hash.
    pub(crate) fn wait(&mut self, hash: u64) -> Option<&mut Option<Wait>> {
        if self.waits.is_empty() {
            self.waits = vec![None; WAITS];
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the mask leaves twelve bits"
        )]
        let place = hash as usize & (WAITS - 1);
        self.waits.get_mut(place)
    }

    /// Everything that waits, with or without values.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Wait> {
        self.waits.iter_mut().filter_map(Option::take)
    }
}

/// Which front the calling thread has.
pub(crate) fn of_this_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static FRONT: usize = THREADS.fetch_add(1, Ordering::Relaxed) % FRONTS;
    }
    FRONT.with(|front| *front)
}
