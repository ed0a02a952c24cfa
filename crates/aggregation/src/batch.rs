//! What a producer sends at once, and what it is told.

use tradepost_types::TenantId;

use crate::event::Reason;

/// The most events of a batch.
pub(crate) const EVENTS_MAX: usize = 10_000;
/// The most records of a packed batch.
pub(crate) const RECORDS_MAX: usize = 50_000;
/// Bytes of a record.
pub(crate) const RECORD_BYTES: usize = 20;
/// The most event types a packed batch may list.
pub(crate) const TYPES_MAX: usize = 1_000;
/// The rejections that a receipt lists; the others are only counted.
const REJECTIONS_MAX: usize = 100;

/// Which batch of whom: what makes it count once however often it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchId<'a> {
    /// Whose events they are.
    pub tenant: TenantId,
    /// Who sends it, 1 to 64 of `a-z A-Z 0-9 . _ -`: the same over its restarts.
    pub producer: &'a str,
    /// Its number within producer and tenant, from 1.
    pub sequence: u64,
}

/// Events in the form that costs least to read.
#[derive(Debug, Clone, Copy)]
pub struct PackedEvents<'a, S> {
    /// The moment that records count from, in milliseconds since 1970.
    pub base_time_ms: i64,
    /// Event types that records name by their place, from 0; at most 1,000.
    pub event_types: &'a [S],
    /// Users that records name by their place, from 1; 0 is nobody.
    pub user_ids: &'a [S],
    /// 1 to 50,000 records of 20 bytes, little endian: milliseconds after the base (u32), place of
    /// the event type (u32), place of the user (u32), value (IEEE 754 binary64).
    pub records: &'a [u8],
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Whether it had been counted before; then nothing was counted now, and the counts are 0.
    pub duplicate: bool,
    /// Events counted.
    pub accepted: u32,
    /// Of those, how many came after the late window.
    pub late: u32,
    /// Of those accepted, how many went to the overflow series.
    pub overflowed: u32,
    /// Events not counted.
    pub rejected: u32,
    /// The first 100 of them: place in the batch, from 0, and why.
    pub rejections: Vec<(u32, Reason)>,
    /// Of events that another store has taken: those that would be live and were not counted.
    pub missed: u32,
    /// All batches of the producer up to this sequence are in a snapshot that was stored.
    pub durable_sequence: u64,
}

/// Why nothing of a batch was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The producer's name is not one.
    #[error("the producer is not 1 to 64 of a-z A-Z 0-9 . _ -")]
    ProducerInvalid,
    /// Sequences start at 1.
    #[error("the sequence is 0")]
    SequenceInvalid,
    /// No events, or more than 10,000; no records, or more than 50,000; or more event types than
    /// 1,000, or more users than records.
    #[error("the batch is empty or too large")]
    SizeInvalid,
    /// The records are not a multiple of 20 bytes.
    #[error("the records are not a multiple of 20 bytes")]
    RecordsMalformed,
    /// There are as many tenants as there may be.
    #[error("there are as many tenants as there may be")]
    TenantsFull,
    /// There are as many producers as there may be, and none was silent for a day.
    #[error("there are as many producers as there may be")]
    ProducersFull,
}

impl Receipt {
    pub(crate) fn reject(&mut self, index: usize, reason: Reason) {
        self.rejected += 1;
        if self.rejections.len() < REJECTIONS_MAX {
            self.rejections
                .push((u32::try_from(index).unwrap_or(u32::MAX), reason));
        }
    }
}
