//! Which batches of which producers were counted, and which of them a snapshot holds.

use std::collections::HashMap;

use crate::event::DAY_MINUTES;
use crate::name::Name;

/// How far below a producer's highest sequence others are told apart. What is further below counts
/// as seen: it is a repetition, or so old that its sender gave up on it.
pub(crate) const WINDOW: u64 = 1_024;
const WORDS: usize = (WINDOW / 64) as usize;
/// A producer that was silent so long may be forgotten: what it sends again is too old by then.
const FORGET_AFTER_MS: i64 = DAY_MINUTES * 60_000 + 60_000;

/// The most memory a producer takes: a table of them may be half empty while it grows, and both its
/// old and its new place are there while it does.
pub(crate) const PRODUCER_BYTES_MAX: usize = 4 * size_of::<(Name, Producer)>();

/// What is known of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Producer {
    /// The highest sequence that was counted; 0 is none.
    pub(crate) highest: u64,
    /// Bit `s % WINDOW` says whether `s` was counted, for the `WINDOW` sequences up to the highest.
    pub(crate) seen: [u64; WORDS],
    /// When it last sent something, in milliseconds since 1970.
    pub(crate) last_ms: i64,
    durable: Durable,
}

/// Up to which sequence all is in a snapshot that was stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Durable {
    /// The highest sequence in the last stored snapshot.
    stored: u64,
    /// The highest sequence in the snapshot that was taken last.
    taken: u64,
    /// The least sequence counted since the last stored snapshot was taken, and in a later one.
    least_taken: Option<u64>,
    /// The least sequence counted since the last snapshot was taken.
    least_since: Option<u64>,
}

impl Producer {
    /// A producer that was never heard of.
    fn new() -> Self {
        Self {
            highest: 0,
            seen: [0; WORDS],
            last_ms: i64::MIN,
            durable: Durable::default(),
        }
    }

    /// A producer as a snapshot knew it: all it says was counted is in that snapshot.
    pub(crate) fn restored(highest: u64, seen: [u64; WORDS], last_ms: i64) -> Self {
        let durable = Durable {
            stored: highest,
            taken: highest,
            ..Durable::default()
        };
        Self {
            highest,
            seen,
            last_ms,
            durable,
        }
    }

    /// Notes a sequence. Whether it is new.
    fn note(&mut self, sequence: u64) -> bool {
        if sequence > self.highest {
            // What leaves the window must not be taken for its successor in the same bit.
            let passed = (sequence - self.highest).min(WINDOW);
            for passed in 0..passed {
                self.set(sequence - passed, false);
            }
            self.highest = sequence;
        } else if self.highest - sequence >= WINDOW || self.has(sequence) {
            return false;
        }
        self.set(sequence, true);
        let least = &mut self.durable.least_since;
        *least = Some(least.map_or(sequence, |least| least.min(sequence)));
        true
    }

    fn has(&self, sequence: u64) -> bool {
        let (word, bit) = place(sequence);
        self.seen.get(word).is_some_and(|word| word & bit != 0)
    }

    fn set(&mut self, sequence: u64, seen: bool) {
        let (word, bit) = place(sequence);
        if let Some(word) = self.seen.get_mut(word) {
            *word = if seen { *word | bit } else { *word & !bit };
        }
    }

    /// Up to this sequence, all that was counted would survive the process.
    fn durable(&self) -> u64 {
        let Durable {
            stored,
            least_taken,
            least_since,
            ..
        } = self.durable;
        [least_taken, least_since]
            .into_iter()
            .flatten()
            .fold(stored, |stored, least| stored.min(least.saturating_sub(1)))
    }

    fn take(&mut self) {
        let Durable {
            least_taken,
            least_since,
            taken,
            ..
        } = &mut self.durable;
        *least_taken = match (*least_taken, least_since.take()) {
            (Some(before), Some(since)) => Some(before.min(since)),
            (one, other) => one.or(other),
        };
        *taken = self.highest;
    }

    fn stored(&mut self) {
        self.durable.stored = self.durable.taken;
        self.durable.least_taken = None;
    }
}

fn place(sequence: u64) -> (usize, u64) {
    let bit = sequence % WINDOW;
    let word = (bit / 64) as usize;
    (word, 1 << (bit % 64))
}

/// The producers of a tenant.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    producers: HashMap<Name, Producer>,
}

/// What a ledger says to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is new, and noted now.
    New,
    /// It was counted before.
    Seen,
    /// The producer is new, and there are as many as there may be.
    Full,
}

impl Ledger {
    /// Notes a batch. `room` says whether one more producer may be known.
    pub(crate) fn note(
        &mut self,
        producer: Name,
        sequence: u64,
        now_ms: i64,
        room: impl FnOnce(usize) -> bool,
    ) -> Entry {
        let known = self.producers.len();
        let entry = match self.producers.entry(producer) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(_) if !room(known) => return Entry::Full,
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Producer::new()),
        };
        entry.last_ms = entry.last_ms.max(now_ms);
        if entry.note(sequence) {
            Entry::New
        } else {
            Entry::Seen
        }
    }

    /// Up to which sequence all that was counted of a producer is in a stored snapshot.
    pub(crate) fn durable(&self, producer: &Name) -> u64 {
        self.producers.get(producer).map_or(0, Producer::durable)
    }

    /// What is known now goes into a snapshot.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (&Name, &Producer)> {
        self.producers.iter_mut().map(|(name, producer)| {
            producer.take();
            (name, &*producer)
        })
    }

    /// The snapshot that was taken last is stored.
    pub(crate) fn stored(&mut self) {
        self.producers.values_mut().for_each(Producer::stored);
    }

    pub(crate) fn insert(&mut self, name: Name, producer: Producer) {
        self.producers.insert(name, producer);
    }

    pub(crate) fn len(&self) -> usize {
        self.producers.len()
    }

    /// Forgets the producers that were silent for a day. How many they were.
    pub(crate) fn tidy(&mut self, now_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers
            .retain(|_, producer| producer.last_ms.saturating_add(FORGET_AFTER_MS) > now_ms);
        before - self.producers.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn ledger() -> (Ledger, Name) {
        (Ledger::default(), Name::producer("p").unwrap())
    }

    proptest! {
        #[test]
        fn a_sequence_counts_once_within_the_window(
            sequences in proptest::collection::vec(1..900_u64, 0..300),
        ) {
            let (mut ledger, name) = ledger();
            let mut counted = HashSet::new();
            for sequence in sequences {
                let entry = ledger.note(name, sequence, 0, |_| true);
                prop_assert_eq!(entry == Entry::New, counted.insert(sequence));
            }
        }

        #[test]
        fn a_sequence_never_counts_twice_however_far_it_jumps(
            sequences in proptest::collection::vec(
                prop_oneof![1..3_000_u64, any::<u64>().prop_map(|any| any.max(1))],
                0..300,
            ),
        ) {
            let (mut ledger, name) = ledger();
            let mut counted = HashSet::new();
            for sequence in sequences {
                if ledger.note(name, sequence, 0, |_| true) == Entry::New {
                    prop_assert!(counted.insert(sequence));
                }
            }
        }

        #[test]
        fn what_is_said_to_be_durable_is_in_a_stored_snapshot(
            steps in proptest::collection::vec(
                prop_oneof![6 => 1..60_u64, 1 => Just(1_000), 1 => Just(2_000)],
                0..200,
            ),
        ) {
            let (mut ledger, name) = ledger();
            let (mut counted, mut taken, mut stored) = (HashSet::new(), HashSet::new(), HashSet::new());
            for step in steps {
                match step {
                    1_000 => {
                        ledger.take().for_each(drop);
                        taken = counted.clone();
                    }
                    2_000 => {
                        ledger.stored();
                        stored = taken.clone();
                    }
                    sequence => {
                        ledger.note(name, sequence, 0, |_| true);
                        counted.insert(sequence);
                    }
                }
                let durable = ledger.durable(&name);
                prop_assert!(counted.iter().all(|one| *one > durable || stored.contains(one)));
            }
        }
    }

    #[test]
    fn what_is_below_the_window_counts_as_seen() {
        let (mut ledger, name) = ledger();

        assert_eq!(ledger.note(name, 5_000, 0, |_| true), Entry::New);
        assert_eq!(ledger.note(name, 5_000 - WINDOW, 0, |_| true), Entry::Seen);
        assert_eq!(ledger.note(name, 5_001 - WINDOW, 0, |_| true), Entry::New);
        assert_eq!(ledger.note(name, 0, 0, |_| true), Entry::Seen);
    }

    #[test]
    fn a_producer_is_forgotten_after_a_day_of_silence_only() {
        let (mut ledger, name) = ledger();
        ledger.note(name, 1, 0, |_| true);

        assert_eq!(ledger.tidy(FORGET_AFTER_MS - 1), 0);
        assert_eq!(ledger.tidy(FORGET_AFTER_MS), 1);
        let full = ledger.note(name, 1, 0, |known| known > 0);
        assert_eq!(full, Entry::Full);
    }
}
