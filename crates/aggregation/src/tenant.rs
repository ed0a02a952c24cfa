//! What is known of a tenant besides what its series hold.

use tradepost_types::TenantId;

use crate::event::Reason;
use crate::ledger::Ledger;
use crate::name::Name;
use crate::stripe::Address;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The most memory that a tenant's list takes for a series.
pub(crate) const SERIES_BYTES: usize = 3 * size_of::<(Name, Address)>();
/// The most memory that a tenant takes, series and producers apart.
pub(crate) const BYTES_MAX: usize = 4 * (size_of::<Tenant>() + size_of::<(TenantId, usize)>());

/// Events of a tenant that did not count as they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Irregularities {
    /// Counted after the late window: in minutes, no longer in seconds.
    pub late: u64,
    /// Counted in the overflow series.
    pub overflowed: u64,
    /// Refused: before everything that is kept.
    pub too_old: u64,
    /// Refused: in the future.
    pub in_future: u64,
    /// Refused for another reason.
    pub invalid: u64,
    /// In batches that had been counted before.
    pub duplicate: u64,
}

impl Irregularities {
    /// Adds those of another node, or of another batch.
    pub fn merge(&mut self, other: &Self) {
        self.late = self.late.saturating_add(other.late);
        self.overflowed = self.overflowed.saturating_add(other.overflowed);
        self.too_old = self.too_old.saturating_add(other.too_old);
        self.in_future = self.in_future.saturating_add(other.in_future);
        self.invalid = self.invalid.saturating_add(other.invalid);
        self.duplicate = self.duplicate.saturating_add(other.duplicate);
    }
}

impl Irregularities {
    pub(crate) fn reject(&mut self, reason: Reason) {
        match reason {
            Reason::TooOld => self.too_old += 1,
            Reason::InFuture => self.in_future += 1,
            Reason::EventTypeInvalid
            | Reason::UserIdInvalid
            | Reason::ValueNotFinite
            | Reason::ValueTooLarge
            | Reason::TimeInvalid
            | Reason::PlaceUnknown
            | Reason::TenantsFull => self.invalid += 1,
        }
    }
}

/// A tenant. The book is held as long as a batch of it is counted, so that no snapshot has a part
/// of a batch; single events do not need it, unless their event type is new.
#[derive(Debug)]
pub(crate) struct Tenant {
    book: Mutex<Book>,
    irregularities: Mutex<Irregularities>,
}

/// What batches of a tenant go through one after the other.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) tenant: TenantId,
    pub(crate) series: Vec<(Name, Address)>,
    pub(crate) overflow: Option<Address>,
    pub(crate) ledger: Ledger,
    /// Since when nothing of it was missed, in milliseconds since 1970.
    pub(crate) counted_since_ms: i64,
    /// The tenant was forgotten: who still holds it must look it up again.
    pub(crate) forgotten: bool,
}

impl Tenant {
    pub(crate) fn new(tenant: TenantId, counted_since_ms: i64) -> Self {
        let book = Book {
            tenant,
            series: Vec::new(),
            overflow: None,
            ledger: Ledger::default(),
            counted_since_ms,
            forgotten: false,
        };
        Self {
            book: Mutex::new(book),
            irregularities: Mutex::default(),
        }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn irregularities(&self) -> MutexGuard<'_, Irregularities> {
        self.irregularities
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// All its series, the overflow series with them.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Name, Address)> {
        let overflow = self.overflow.map(|address| (Name::overflow(), address));
        self.series.iter().copied().chain(overflow)
    }
}
