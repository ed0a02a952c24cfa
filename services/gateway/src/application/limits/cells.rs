//! What this process remembers of the buckets: a table of fixed size.
//!
//! It is cut into sets of a few cells, each under a lock of its own. A bucket has its place in one
//! set; where the set is full, the emptiest cell makes room. So idle buckets go first, somebody who
//! sprays addresses displaces little but their own, and nothing ever has to be swept or grown.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

const WAYS: usize = 8;

/// Which bucket a cell is for: a keyed hash, so that nobody can aim at the cell of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellId(u64);

/// What is remembered of a bucket.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    id: u64,
    /// When all will have been given back, in microseconds of this process's clock.
    pub(super) tat_us: u64,
    /// The same as the shared bucket said it, on its own clock; 0 if it has said nothing.
    pub(super) told_us: u64,
    /// Whether there were charges that the shared bucket does not know of.
    pub(super) is_behind: bool,
}

impl Cell {
    pub(super) const fn backlog_us(&self, now_us: u64) -> u64 {
        self.tat_us.saturating_sub(now_us)
    }
}

#[derive(Debug)]
pub(super) struct Cells {
    sets: Box<[Mutex<[Cell; WAYS]>]>,
    hasher: RandomState,
}

impl Cells {
    /// A table with room for at least so many buckets.
    pub(super) fn new(entries: usize) -> Self {
        Self {
            sets: (0..entries.div_ceil(WAYS).max(1))
                .map(|_| Mutex::default())
                .collect(),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn id(&self, key: &impl Hash) -> CellId {
        // 0 is the id of an empty cell.
        CellId(self.hasher.hash_one(key).max(1))
    }

    /// The cell of a bucket; an empty one if there is none.
    pub(super) fn look(&self, id: CellId) -> Cell {
        let found = self
            .set(id)
            .and_then(|set| set.iter().copied().find(|cell| cell.id == id.0));
        found.unwrap_or_default()
    }

    /// Works on the cell of a bucket, which is made if need be.
    pub(super) fn with<T>(&self, id: CellId, work: impl FnOnce(&mut Cell) -> T) -> T {
        let mut set = self.set(id);
        let cells = set.as_deref_mut().map_or(&mut [][..], |set| &mut set[..]);
        let place = cells
            .iter()
            .position(|cell| cell.id == id.0)
            .or_else(|| emptiest(cells));
        let Some(cell) = place.and_then(|place| cells.get_mut(place)) else {
            return work(&mut Cell::default());
        };
        if cell.id != id.0 {
            *cell = Cell {
                id: id.0,
                ..Cell::default()
            };
        }
        work(cell)
    }

    /// How many buckets are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lock = |set: &Mutex<[Cell; WAYS]>| *set.lock().unwrap();
        let cells = self.sets.iter().flat_map(lock);
        cells.filter(|cell| cell.id != 0).count()
    }

    fn set(&self, id: CellId) -> Option<MutexGuard<'_, [Cell; WAYS]>> {
        let place = id.0.checked_rem(u64::try_from(self.sets.len()).ok()?)?;
        let set = self.sets.get(usize::try_from(place).ok()?)?;
        Some(set.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn emptiest(cells: &[Cell]) -> Option<usize> {
    let places = cells.iter().enumerate();
    let emptiest = places.min_by_key(|(_, cell)| (cell.tat_us, cell.id));
    emptiest.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    #[test]
    fn a_spray_of_keys_stays_within_the_table_and_spares_who_is_busy() {
        let cells = Cells::new(1_000);
        let busy = cells.id(&"busy");
        cells.with(busy, |cell| cell.tat_us = NOW + 60_000_000);

        for key in 0..1_000_000 {
            let id = cells.id(&key);
            cells.with(id, |cell| cell.tat_us = NOW + 60_000);
        }

        assert!(cells.len() <= 1_000, "{}", cells.len());
        assert_eq!(cells.look(busy).backlog_us(NOW), 60_000_000);
    }

    #[test]
    fn looking_remembers_nothing() {
        let cells = Cells::new(8);

        let cell = cells.look(cells.id(&"nobody"));

        assert_eq!(cell.backlog_us(0), 0);
        assert_eq!(cells.len(), 0);
    }
}
