//! The last two minutes of a series, to the second.

use crate::tally::Tally;

/// Seconds that are kept: the late window and what may lie ahead of the clock are 126; a power of
/// two makes the place of a second a mask.
const CELLS: usize = 128;

#[derive(Debug, Clone, Copy)]
struct Cell {
    second: i64,
    tally: Tally,
}

/// Tallies by second, each in the cell of its number; an older second gives way to a newer one.
#[derive(Debug, Default)]
pub(crate) struct Seconds {
    /// Empty until the first event, else [`CELLS`] long.
    cells: Box<[Cell]>,
}

/// Bytes on the heap once there was an event.
pub(crate) const HEAP_BYTES: usize = CELLS * size_of::<Cell>();

impl Seconds {
    /// Adds to a second, unless its cell has a later one already: then the clock was ahead, and the
    /// second is over for us.
    pub(crate) fn merge(&mut self, second: i64, tally: &Tally) {
        if self.cells.is_empty() {
            self.cells = vec![
                Cell {
                    second: i64::MIN,
                    tally: Tally::EMPTY
                };
                CELLS
            ]
            .into();
        }
        let Some(cell) = self.cells.get_mut(place(second)) else {
            return;
        };
        if cell.second < second {
            *cell = Cell {
                second,
                tally: *tally,
            };
        } else if cell.second == second {
            cell.tally.merge(tally);
        }
    }

    /// The tallies of `from..=to` that have events, in no order.
    pub(crate) fn between(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, Tally)> {
        self.cells
            .iter()
            .filter(move |cell| (from..=to).contains(&cell.second) && !cell.tally.is_empty())
            .map(|cell| (cell.second, cell.tally))
    }

    /// Gives the memory back if there is nothing at or after `second`.
    pub(crate) fn forget_before(&mut self, second: i64) {
        if self.cells.iter().all(|cell| cell.second < second) {
            self.cells = Box::default();
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the mask leaves seven bits"
)]
fn place(second: i64) -> usize {
    second.cast_unsigned() as usize & (CELLS - 1)
}
