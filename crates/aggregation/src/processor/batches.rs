//! Batches: the good events of one count together, once, however often it is sent.

use crate::batch::{
    BatchError, BatchId, EVENTS_MAX, PackedEvents, RECORD_BYTES, RECORDS_MAX, Receipt, TYPES_MAX,
};
use crate::event::{self, Counted, Event, Moment, Reason, USER_ID_LEN_MAX};
use crate::ledger::Entry;
use crate::name::Name;
use crate::processor::MetricsProcessor;
use crate::stripe::Address;
use crate::tenant::{Book, Irregularities};

/// Records that are counted before a stripe is let go: a single event waits for some 10 us at most.
const RUN: usize = 512;
/// Event types of a batch whose places are remembered: as many as are found faster than by hash.
const LOCATED_MAX: usize = 16;
/// The end of a chain of records.
const END: u32 = u32::MAX;

type Record = [u8; RECORD_BYTES];

impl MetricsProcessor {
    /// Counts the good events of a batch, once: a batch that is sent again is answered as a
    /// duplicate. The clock says `now_ms`, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`BatchError`]: nothing of it was counted, nor is its sequence taken.
    pub fn process_batch<'a>(
        &self,
        id: BatchId<'_>,
        events: impl ExactSizeIterator<Item = Event<'a>>,
        now_ms: i64,
    ) -> Result<Receipt, BatchError> {
        if !(1..=EVENTS_MAX).contains(&events.len()) {
            return Err(BatchError::SizeInvalid);
        }
        self.once(id, events.len(), now_ms, |book, tally| {
            self.count_all(book, events, now_ms, tally);
        })
    }

    /// The same for events in the packed form, whose event types are looked up once a batch.
    ///
    /// # Errors
    /// As [`MetricsProcessor::process_batch`].
    pub fn process_packed<S: AsRef<str>>(
        &self,
        id: BatchId<'_>,
        events: PackedEvents<'_, S>,
        now_ms: i64,
    ) -> Result<Receipt, BatchError> {
        let (records, rest) = events.records.as_chunks::<RECORD_BYTES>();
        if !rest.is_empty() {
            return Err(BatchError::RecordsMalformed);
        }
        let fits = (1..=RECORDS_MAX).contains(&records.len())
            && events.event_types.len() <= TYPES_MAX
            && events.user_ids.len() <= RECORDS_MAX;
        if !fits {
            return Err(BatchError::SizeInvalid);
        }
        let reading = Reading::new(&events, records, now_ms);
        self.once(id, records.len(), now_ms, |book, tally| {
            let chains = reading.chains(tally);
            for (event_type, &first) in events.event_types.iter().zip(&chains.first) {
                if first != END {
                    self.count_chain(book, event_type.as_ref(), (&reading, &chains, first), tally);
                }
            }
            tally.receipt.rejections.sort_unstable();
        })
    }

    /// Counts events of the book's tenant. A batch has few event types, and where they count does not
    /// change while the book is held: each is looked up once.
    pub(super) fn count_all<'a>(
        &self,
        book: &mut Book,
        events: impl Iterator<Item = Event<'a>>,
        now_ms: i64,
        tally: &mut Tally,
    ) {
        let mut located: Vec<(&str, (Address, bool))> = Vec::new();
        for (index, event) in events.enumerate() {
            let known = located.iter().find(|(name, _)| *name == event.event_type);
            let known = known.map(|(_, place)| *place);
            let outcome = self.count_in(book, &event, now_ms, known);
            if let (Ok(counted), None) = (&outcome, known)
                && located.len() < LOCATED_MAX
            {
                located.push((event.event_type, counted.place));
            }
            tally.note(index, outcome.map(|counted| counted.outcome()));
        }
    }

    /// Does what counts the events of a batch, unless that was done before.
    fn once(
        &self,
        id: BatchId<'_>,
        events: usize,
        now_ms: i64,
        count: impl FnOnce(&mut Book, &mut Tally),
    ) -> Result<Receipt, BatchError> {
        let producer = Name::producer(id.producer).ok_or(BatchError::ProducerInvalid)?;
        if id.sequence == 0 {
            return Err(BatchError::SequenceInvalid);
        }
        let counted = self.with_book(id.tenant, |tenant, book| {
            let mut tally = Tally::default();
            let room = |known| self.take_producer(known);
            match book.ledger.note(producer, id.sequence, now_ms, room) {
                Entry::Full => return Err(BatchError::ProducersFull),
                Entry::Seen => {
                    tally.receipt.duplicate = true;
                    tally.noted.duplicate = events as u64;
                }
                Entry::New => count(book, &mut tally),
            }
            tenant.irregularities().merge(&tally.noted);
            tally.receipt.durable_sequence = book.ledger.durable(&producer);
            Ok(tally.receipt)
        });
        counted.unwrap_or(Err(BatchError::TenantsFull))
    }

    /// Whether there may be one more producer; then it is counted already.
    pub(super) fn take_producer(&self, known: usize) -> bool {
        let mut totals = self.totals();
        let room = known < self.config.producers_per_tenant_max
            && totals.producers < self.config.producers_max;
        totals.producers += usize::from(room);
        room
    }

    /// Counts the records of one event type.
    fn count_chain<S: AsRef<str>>(
        &self,
        book: &mut Book,
        event_type: &str,
        (reading, chains, first): (&Reading<'_, S>, &Chains, u32),
        tally: &mut Tally,
    ) {
        let located = self.locate(book, event_type);
        let mut next = first;
        while next != END {
            let Ok((address, overflowed)) = located else {
                tally.note(
                    next as usize,
                    Err(located.err().unwrap_or(Reason::EventTypeInvalid)),
                );
                next = chains.after(next);
                continue;
            };
            let mut stripe = self.stripe(address.hash);
            for _ in 0..RUN {
                let Some((moment, value)) = reading.again(next) else {
                    break;
                };
                let counted = stripe.add(address, moment, &[value]);
                let outcome = (moment.counted(), overflowed);
                tally.note(
                    next as usize,
                    if counted {
                        Ok(outcome)
                    } else {
                        Err(Reason::TooOld)
                    },
                );
                next = chains.after(next);
            }
        }
    }
}

/// What becomes of a batch, for its sender and for the tenant.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) receipt: Receipt,
    pub(super) noted: Irregularities,
}

impl Tally {
    fn note(&mut self, index: usize, outcome: Result<(Counted, bool), Reason>) {
        match outcome {
            Ok((counted, overflowed)) => {
                let late = counted == Counted::Late;
                self.receipt.accepted += 1;
                self.receipt.late += u32::from(late);
                self.receipt.overflowed += u32::from(overflowed);
                self.noted.late += u64::from(late);
                self.noted.overflowed += u64::from(overflowed);
            }
            Err(reason) => {
                self.receipt.reject(index, reason);
                self.noted.reject(reason);
            }
        }
    }
}

/// A packed batch as it is read.
struct Reading<'a, S> {
    events: &'a PackedEvents<'a, S>,
    records: &'a [Record],
    /// Whether each listed event type may be one.
    types: Vec<bool>,
    /// Whether no listed user is too long, so that they need not be looked at one by one.
    users_fit: bool,
    now_ms: i64,
}

/// The good records of each event type: the first of them, and by record the next one.
struct Chains {
    first: Vec<u32>,
    next: Vec<u32>,
}

impl Chains {
    fn after(&self, record: u32) -> u32 {
        self.next.get(record as usize).copied().unwrap_or(END)
    }
}

impl<'a, S: AsRef<str>> Reading<'a, S> {
    fn new(events: &'a PackedEvents<'a, S>, records: &'a [Record], now_ms: i64) -> Self {
        let fits = |user: &S| user.as_ref().len() <= USER_ID_LEN_MAX;
        Self {
            events,
            records,
            types: events
                .event_types
                .iter()
                .map(|name| event::event_type(name.as_ref()).is_ok())
                .collect(),
            users_fit: events.user_ids.iter().all(fits),
            now_ms,
        }
    }

    /// Sorts the good records by event type, and notes the others.
    fn chains(&self, tally: &mut Tally) -> Chains {
        let mut chains = Chains {
            first: vec![END; self.types.len()],
            next: vec![END; self.records.len()],
        };
        for ((index, record), next) in (0_u32..).zip(self.records).zip(&mut chains.next) {
            match self.event_type(record) {
                Ok(place) => {
                    if let Some(first) = chains.first.get_mut(place) {
                        *next = std::mem::replace(first, index);
                    }
                }
                Err(reason) => tally.note(index as usize, Err(reason)),
            }
        }
        chains
    }

    /// The place of a good record's event type.
    fn event_type(&self, record: &Record) -> Result<usize, Reason> {
        let Parts {
            after_ms,
            event_type,
            user,
            value,
        } = Parts::of(record);
        let (event_type, user) = (event_type as usize, user as usize);
        let valid = *self.types.get(event_type).ok_or(Reason::PlaceUnknown)?;
        if user > self.events.user_ids.len() {
            return Err(Reason::PlaceUnknown);
        }
        if !self.users_fit && user > 0 {
            let user_id = self.events.user_ids.get(user - 1).map_or("", AsRef::as_ref);
            event::check(user_id, 0.0)?;
        }
        event::check("", value)?;
        Moment::of(self.time(after_ms), self.now_ms)?;
        if valid {
            Ok(event_type)
        } else {
            Err(Reason::EventTypeInvalid)
        }
    }

    /// When and how much, of a record that was found good.
    fn again(&self, index: u32) -> Option<(Moment, f64)> {
        let parts = Parts::of(self.records.get(index as usize)?);
        let moment = Moment::of(self.time(parts.after_ms), self.now_ms).ok()?;
        Some((moment, parts.value))
    }

    fn time(&self, after_ms: u32) -> i64 {
        self.events.base_time_ms.saturating_add(i64::from(after_ms))
    }
}

/// A record, taken apart.
struct Parts {
    after_ms: u32,
    event_type: u32,
    user: u32,
    value: f64,
}

impl Parts {
    fn of(record: &Record) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, value @ ..] = *record;
        Self {
            after_ms: u32::from_le_bytes([a, b, c, d]),
            event_type: u32::from_le_bytes([e, f, g, h]),
            user: u32::from_le_bytes([i, j, k, l]),
            value: f64::from_le_bytes(value),
        }
    }
}
