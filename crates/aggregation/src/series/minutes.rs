//! The last day of a series, to the minute: the few minutes that events come for lie open, the others
//! in pages that come when they are needed, their sketches packed into bytes.
//!
//! A sketch may be missing where memory did not suffice. Whether all values are in it shows in its
//! count, which must be the tally's.

use crate::event::DAY_MINUTES;
use crate::sketch::Sketch;
use crate::tally::Tally;

const PAGE_MINUTES: usize = 15;
/// A day that starts and ends within pages, and the page that lies ahead of the clock.
const PAGES: usize = 98;
/// Minutes whose sketches are open at once: the late window, the running one, what lies ahead.
const RECENT: usize = 4;
/// What an allocation costs beyond what was asked for.
const ALLOCATION: usize = 16;

/// Bytes on the heap of a series that had events in every minute of a day, sketches apart.
pub(crate) const HEAP_BYTES: usize =
    PAGES * (size_of::<Option<Box<Page>>>() + size_of::<Page>() + ALLOCATION);

#[derive(Debug, Clone)]
struct Slot {
    tally: Tally,
    packed: Option<Box<[u8]>>,
}

#[derive(Debug)]
struct Page {
    number: i64,
    slots: [Slot; PAGE_MINUTES],
}

/// A minute that events come for: what is counted here is added to its slot when it is closed, so
/// that an event touches one place.
#[derive(Debug)]
struct Open {
    minute: i64,
    tally: Tally,
    sketch: Sketch,
}

/// What a minute has, or a part of it.
#[derive(Debug, Clone)]
pub(crate) struct Minute {
    pub(crate) minute: i64,
    pub(crate) tally: Tally,
    pub(crate) sketch: MinuteSketch,
}

/// The sketch of a minute as it was found: unpacking it can wait until no lock is held.
#[derive(Debug, Clone)]
pub(crate) enum MinuteSketch {
    None,
    Packed(Box<[u8]>),
    Open(Sketch),
}

/// Tallies and sketches by minute.
#[derive(Debug)]
pub(crate) struct Minutes {
    /// Empty until the first event, else [`PAGES`] long; a page is in the place of its number.
    pages: Box<[Option<Box<Page>>]>,
    /// The latest minute there was an event for.
    newest: i64,
    /// By minute, and a last one for what comes late.
    open: [Open; RECENT + 1],
}

/// How memory for sketches is shared: what is taken, and up to which minute none are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) taken: usize,
    pub(crate) floor: i64,
}

impl Minutes {
    pub(crate) fn new() -> Self {
        let open = || Open {
            minute: i64::MIN,
            tally: Tally::EMPTY,
            sketch: Sketch::new(),
        };
        Self {
            pages: Box::default(),
            newest: i64::MIN,
            open: [open(), open(), open(), open(), open()],
        }
    }

    /// Counts finite values. False where the minute is older than a day by what is there already.
    pub(crate) fn add(
        &mut self,
        minute: i64,
        tally: &Tally,
        values: &[f64],
        room: &mut Room,
    ) -> bool {
        if minute < self.newest.saturating_sub(DAY_MINUTES) {
            return false;
        }
        let floor = room.floor;
        let open = self.open(minute, room);
        open.tally.merge(tally);
        if minute > floor {
            let before = open.sketch.heap_bytes();
            for &value in values {
                // Whoever calls has looked at the values: they are finite.
                let _finite = open.sketch.add(value);
            }
            let after = open.sketch.heap_bytes();
            if before != after {
                room.taken = room.taken + after - before;
            }
        }
        true
    }

    /// Adds to the slot of a minute. What is a day older than what is there already is over.
    pub(crate) fn merge(
        &mut self,
        minute: i64,
        tally: &Tally,
        sketch: Option<&Sketch>,
        room: &mut Room,
    ) {
        self.newest = self.newest.max(minute);
        let Some(slot) = slot(&mut self.pages, minute, room) else {
            return;
        };
        slot.tally.merge(tally);
        if let Some(sketch) = sketch.filter(|sketch| sketch.count() > 0 && minute > room.floor) {
            pack(slot, sketch, room);
        }
    }

    /// What there is of the minutes of `from..=to`, ascending. A minute that was closed and opened
    /// again is there more than once: its parts merge.
    pub(crate) fn between(&self, from: i64, to: i64) -> Vec<Minute> {
        let wanted = |minute, tally: &Tally| (from..=to).contains(&minute) && !tally.is_empty();
        let closed = self
            .slots()
            .filter(|(minute, slot)| wanted(*minute, &slot.tally));
        let open = self
            .open
            .iter()
            .filter(|open| wanted(open.minute, &open.tally));
        let mut found: Vec<_> = closed
            .map(|(minute, slot)| {
                let sketch = slot
                    .packed
                    .clone()
                    .map_or(MinuteSketch::None, MinuteSketch::Packed);
                Minute {
                    minute,
                    tally: slot.tally,
                    sketch,
                }
            })
            .chain(open.map(|open| {
                let sketch = MinuteSketch::Open(open.sketch.clone());
                Minute {
                    minute: open.minute,
                    tally: open.tally,
                    sketch,
                }
            }))
            .collect();
        found.sort_by_key(|found| found.minute);
        found
    }

    /// Whether there is nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.iter().all(Option::is_none) && self.open.iter().all(|open| open.tally.is_empty())
    }

    /// Drops the pages that are older than a day at `minute`, and packs the sketches that no event
    /// in time will come for any more.
    pub(crate) fn tidy(&mut self, minute: i64, room: &mut Room) {
        for place in 0..self.open.len() {
            let recent = minute.saturating_sub(3);
            if self
                .open
                .get(place)
                .is_some_and(|open| open.minute < recent)
            {
                self.close(place, room);
            }
        }
        for page in &mut self.pages {
            let last = |page: &Page| (page.number + 1) * as_minutes(PAGE_MINUTES) - 1;
            if page
                .as_ref()
                .is_some_and(|page| last(page) <= minute - DAY_MINUTES)
            {
                drop_page(page.take(), room);
            }
        }
    }

    /// Bytes of sketches by minute.
    pub(crate) fn sketch_bytes(&self) -> impl Iterator<Item = (i64, usize)> {
        let packed = self
            .slots()
            .filter_map(|(minute, slot)| slot.packed.as_ref().map(|packed| (minute, packed.len())));
        packed.chain(
            self.open
                .iter()
                .map(|open| (open.minute, open.sketch.heap_bytes())),
        )
    }

    /// Forgets the sketches of the minutes that have none any more.
    pub(crate) fn forget_sketches(&mut self, room: &mut Room) {
        for open in self
            .open
            .iter_mut()
            .filter(|open| open.minute <= room.floor)
        {
            room.taken -= open.sketch.heap_bytes();
            open.sketch = Sketch::new();
        }
        for page in self.pages.iter_mut().flatten() {
            let first = page.number * as_minutes(PAGE_MINUTES);
            for (minute, slot) in (first..).zip(&mut page.slots) {
                if minute <= room.floor {
                    room.taken -= slot.packed.take().map_or(0, |packed| packed.len());
                }
            }
        }
    }

    fn slots(&self) -> impl Iterator<Item = (i64, &Slot)> {
        self.pages.iter().flatten().flat_map(|page| {
            let first = page.number * as_minutes(PAGE_MINUTES);
            (first..).zip(&page.slots)
        })
    }

    /// What takes the values of a minute.
    fn open(&mut self, minute: i64, room: &mut Room) -> &mut Open {
        self.newest = self.newest.max(minute);
        let place = if minute + as_minutes(RECENT) > self.newest {
            place(minute, RECENT)
        } else {
            RECENT
        };
        if self
            .open
            .get(place)
            .is_some_and(|open| open.minute != minute)
        {
            self.close(place, room);
        }
        // The place is at most RECENT, so that the last one is it if no other is.
        let [others @ .., last] = &mut self.open;
        let open = others.get_mut(place).unwrap_or(last);
        open.minute = minute;
        open
    }

    /// Adds an open minute to its slot.
    fn close(&mut self, place: usize, room: &mut Room) {
        let Some(open) = self.open.get_mut(place) else {
            return;
        };
        let minute = std::mem::replace(&mut open.minute, i64::MIN);
        let tally = std::mem::replace(&mut open.tally, Tally::EMPTY);
        let sketch = std::mem::take(&mut open.sketch);
        room.taken -= sketch.heap_bytes();
        if !tally.is_empty() {
            self.merge(minute, &tally, Some(&sketch), room);
        }
    }
}

impl MinuteSketch {
    /// Adds it to `sum`.
    pub(crate) fn merge_into(&self, sum: &mut Sketch) {
        match self {
            Self::None => {}
            Self::Open(sketch) => sum.merge(sketch),
            Self::Packed(packed) => {
                // What was packed here can be read here.
                if let Ok(sketch) = Sketch::decode(packed) {
                    sum.merge(&sketch);
                }
            }
        }
    }

    /// In bytes; empty where there is none.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Packed(packed) => packed.to_vec(),
            Self::Open(sketch) => sketch.encode(),
        }
    }
}

/// The slot of a minute, made if there is none. None where its place has a later page already.
fn slot<'a>(
    pages: &'a mut Box<[Option<Box<Page>>]>,
    minute: i64,
    room: &mut Room,
) -> Option<&'a mut Slot> {
    if pages.is_empty() {
        *pages = std::iter::repeat_with(|| None).take(PAGES).collect();
    }
    let number = minute.div_euclid(as_minutes(PAGE_MINUTES));
    let page = pages.get_mut(place(number, PAGES))?;
    if page.as_ref().is_none_or(|page| page.number < number) {
        let slots = std::array::from_fn(|_| Slot {
            tally: Tally::EMPTY,
            packed: None,
        });
        drop_page(page.replace(Box::new(Page { number, slots })), room);
    }
    let page = page.as_mut().filter(|page| page.number == number)?;
    page.slots.get_mut(place(minute, PAGE_MINUTES))
}

fn drop_page(page: Option<Box<Page>>, room: &mut Room) {
    let slots = page.iter().flat_map(|page| &page.slots);
    room.taken -= slots
        .filter_map(|slot| slot.packed.as_ref())
        .map(|packed| packed.len())
        .sum::<usize>();
}

/// Adds a sketch to what a slot has packed.
fn pack(slot: &mut Slot, sketch: &Sketch, room: &mut Room) {
    let before = slot.packed.take();
    room.taken -= before.as_ref().map_or(0, |packed| packed.len());
    let merged = match before.as_deref().map(Sketch::decode) {
        Some(Ok(mut merged)) => {
            merged.merge(sketch);
            merged.encode()
        }
        Some(Err(_)) | None => sketch.encode(),
    };
    room.taken += merged.len();
    slot.packed = Some(merged.into());
}

/// The place of a number in a ring.
fn place(number: i64, ring: usize) -> usize {
    usize::try_from(number.rem_euclid(as_minutes(ring))).unwrap_or(0)
}

/// Small constants only.
const fn as_minutes(count: usize) -> i64 {
    count.cast_signed() as i64
}
