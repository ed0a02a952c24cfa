//! The last day of a series, to the minute: tallies in pages that come when they are needed, and a
//! sketch a minute. Sketches of the minutes that events come for are open; those of others are
//! packed into bytes, a third of the size.
//!
//! A sketch may be missing where memory did not suffice, and a minute may have one of each kind:
//! they merge exactly. Whether all values are in them shows in the counts, which must add up to
//! the tally's.

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

/// A sketch that takes values.
#[derive(Debug)]
struct Open {
    minute: i64,
    sketch: Sketch,
}

/// What a minute has.
#[derive(Debug, Clone)]
pub(crate) struct Minute {
    pub(crate) minute: i64,
    pub(crate) tally: Tally,
    pub(crate) sketches: Sketches,
}

/// The sketches of a minute, as they were found: merging them can wait until no lock is held.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sketches {
    packed: Option<Box<[u8]>>,
    open: Option<Sketch>,
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
            sketch: Sketch::new(),
        };
        Self {
            pages: Box::default(),
            newest: i64::MIN,
            open: [open(), open(), open(), open(), open()],
        }
    }

    /// Counts a finite value. False where the minute is older than a day by what is there already.
    pub(crate) fn add(&mut self, minute: i64, value: f64, room: &mut Room) -> bool {
        let Some(slot) = slot(&mut self.pages, minute, room) else {
            return false;
        };
        slot.tally.add(value);
        if minute > room.floor {
            let sketch = self.open(minute, room);
            let before = sketch.heap_bytes();
            // Whoever calls has looked at the value: it is finite.
            let _finite = sketch.add(value);
            let after = sketch.heap_bytes();
            room.taken = room.taken + after - before;
        }
        true
    }

    /// Counts what another series, or this one in another process, has of a minute.
    pub(crate) fn merge(
        &mut self,
        minute: i64,
        tally: &Tally,
        sketch: Option<&Sketch>,
        room: &mut Room,
    ) {
        let Some(slot) = slot(&mut self.pages, minute, room) else {
            return;
        };
        slot.tally.merge(tally);
        if let Some(sketch) = sketch.filter(|_| minute > room.floor) {
            pack(slot, sketch, room);
        }
        self.newest = self.newest.max(minute);
    }

    /// The minutes of `from..=to` that have events, ascending.
    pub(crate) fn between(&self, from: i64, to: i64) -> Vec<Minute> {
        let mut minutes: Vec<_> = self
            .slots()
            .filter(|(minute, slot)| (from..=to).contains(minute) && !slot.tally.is_empty())
            .map(|(minute, slot)| {
                let sketches = Sketches {
                    packed: slot.packed.clone(),
                    open: self.opened(minute),
                };
                Minute {
                    minute,
                    tally: slot.tally,
                    sketches,
                }
            })
            .collect();
        minutes.sort_unstable_by_key(|found| found.minute);
        minutes
    }

    /// Whether there is nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.iter().all(Option::is_none)
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

    /// The sketch that takes values of a minute.
    fn open(&mut self, minute: i64, room: &mut Room) -> &mut Sketch {
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
        let (last, others) = split_last(&mut self.open);
        let open = others.get_mut(place).unwrap_or(last);
        open.minute = minute;
        &mut open.sketch
    }

    fn opened(&self, minute: i64) -> Option<Sketch> {
        let mut sketches = self
            .open
            .iter()
            .filter(|open| open.minute == minute && open.sketch.count() > 0)
            .map(|open| &open.sketch);
        let mut sketch = sketches.next()?.clone();
        sketches.for_each(|other| sketch.merge(other));
        Some(sketch)
    }

    /// Packs an open sketch into the slot of its minute.
    fn close(&mut self, place: usize, room: &mut Room) {
        let Some(open) = self.open.get_mut(place) else {
            return;
        };
        let minute = std::mem::replace(&mut open.minute, i64::MIN);
        let sketch = std::mem::take(&mut open.sketch);
        if sketch.count() == 0 {
            return;
        }
        room.taken -= sketch.heap_bytes();
        // Its page may have gone since, with the day.
        if let Some(slot) = slot(&mut self.pages, minute, room) {
            pack(slot, &sketch, room);
        }
    }
}

impl Sketches {
    /// Adds all of them to `sum`.
    pub(crate) fn merge_into(&self, sum: &mut Sketch) {
        // What was packed here can be read here.
        if let Some(Ok(sketch)) = self.packed.as_deref().map(Sketch::decode) {
            sum.merge(&sketch);
        }
        if let Some(sketch) = &self.open {
            sum.merge(sketch);
        }
    }

    /// All of them as one, in bytes; empty where there is none.
    pub(crate) fn encode(&self) -> Vec<u8> {
        match (&self.packed, &self.open) {
            (None, None) => Vec::new(),
            (Some(packed), None) => packed.to_vec(),
            (_, Some(_)) => {
                let mut sum = Sketch::new();
                self.merge_into(&mut sum);
                sum.encode()
            }
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

fn split_last(open: &mut [Open; RECENT + 1]) -> (&mut Open, &mut [Open]) {
    let [others @ .., last] = open;
    (last, others)
}

/// Small constants only.
const fn as_minutes(count: usize) -> i64 {
    count.cast_signed() as i64
}
