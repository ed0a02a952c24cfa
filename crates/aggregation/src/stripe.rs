//! A part of all series, behind one lock: which part a series is in is said by the hash of its
//! tenant and event type.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use tradepost_types::TenantId;

use crate::event::Moment;
use crate::series::{Room, Series};

/// Where a series is: its hash, and its place within the stripe that the hash names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) hash: u64,
    pub(crate) place: u32,
}

/// Series, found by tenant and event type.
#[derive(Debug)]
pub(crate) struct Stripe {
    table: HashTable<Address>,
    series: Vec<Option<Series>>,
    free: Vec<u32>,
    room: Room,
    sketch_bytes_max: usize,
}

impl Stripe {
    pub(crate) fn new(sketch_bytes_max: usize) -> Self {
        Self {
            table: HashTable::new(),
            series: Vec::new(),
            free: Vec::new(),
            room: Room {
                taken: 0,
                floor: i64::MIN,
            },
            sketch_bytes_max,
        }
    }

    /// Where a series is, if it is there.
    pub(crate) fn find(&self, hash: u64, tenant: TenantId, event_type: &[u8]) -> Option<Address> {
        let same = |address: &Address| {
            address.hash == hash
                && self.get(*address).is_some_and(|series| {
                    series.event_type.as_bytes() == event_type && series.tenant == tenant
                })
        };
        self.table.find(hash, same).copied()
    }

    /// Adds a series that is not there. None past four thousand million of them.
    pub(crate) fn insert(&mut self, hash: u64, series: Series) -> Option<Address> {
        let address = self.insert_unlisted(hash, series)?;
        self.table
            .insert_unique(hash, address, |address| address.hash);
        Some(address)
    }

    /// Adds a series that only its address finds: no event may name it.
    pub(crate) fn insert_unlisted(&mut self, hash: u64, series: Series) -> Option<Address> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = u32::try_from(self.series.len()).ok()?;
                self.series.push(None);
                place
            }
        };
        *self.series.get_mut(place as usize)? = Some(series);
        Some(Address { hash, place })
    }

    /// Counts values of one second in a series. False where nothing was counted.
    pub(crate) fn add(&mut self, address: Address, moment: Moment, values: &[f64]) -> bool {
        let series = self
            .series
            .get_mut(address.place as usize)
            .and_then(Option::as_mut);
        let counted = series.is_some_and(|series| series.add(moment, values, &mut self.room));
        if self.room.taken > self.sketch_bytes_max {
            self.make_room();
        }
        counted
    }

    /// The series at an address.
    pub(crate) fn get(&self, address: Address) -> Option<&Series> {
        self.series.get(address.place as usize)?.as_ref()
    }

    /// The same, to change, and the room there is for its sketches.
    pub(crate) fn get_mut(&mut self, address: Address) -> Option<(&mut Series, &mut Room)> {
        let series = self.series.get_mut(address.place as usize)?.as_mut()?;
        Some((series, &mut self.room))
    }

    /// Drops what is older than a day at `minute`. Whether nothing was left and the series is gone.
    pub(crate) fn tidy(&mut self, address: Address, minute: i64) -> bool {
        let Some((series, room)) = self.get_mut(address) else {
            return true;
        };
        series.minutes.tidy(minute, room);
        series.seconds.forget_before((minute - 3) * 60);
        if !series.minutes.is_empty() {
            return false;
        }
        if let Some(series) = self.series.get_mut(address.place as usize) {
            *series = None;
        }
        self.free.push(address.place);
        if let Ok(entry) = self
            .table
            .find_entry(address.hash, |found| *found == address)
        {
            entry.remove();
        }
        true
    }

    /// Bytes that sketches take.
    pub(crate) fn sketch_bytes(&self) -> usize {
        self.room.taken
    }

    /// Forgets the sketches of the oldest minutes until a quarter of the room is free: percentiles
    /// then reach less far back, and nothing else changes. It looks at all series of the stripe,
    /// but no more often than a quarter of the room fills.
    pub(crate) fn make_room(&mut self) {
        if self.room.taken <= self.sketch_bytes_max {
            return;
        }
        let mut by_minute = BTreeMap::<i64, usize>::new();
        for (minute, bytes) in self
            .series
            .iter()
            .flatten()
            .flat_map(|series| series.minutes.sketch_bytes())
        {
            *by_minute.entry(minute).or_default() += bytes;
        }
        let mut left = self.room.taken;
        for (minute, bytes) in by_minute {
            if left <= self.sketch_bytes_max / 4 * 3 {
                break;
            }
            self.room.floor = self.room.floor.max(minute);
            left -= bytes;
        }
        for series in self.series.iter_mut().flatten() {
            series.minutes.forget_sketches(&mut self.room);
        }
    }
}
