//! Events that another store has taken, and since when none of them was missed.
//!
//! Their sender was told that they are stored, so what cannot count here is no refusal: it is missing,
//! and answers whose window has its moment in it say so.

use std::cell::Cell;

use tradepost_types::TenantId;

use super::MetricsProcessor;
use super::batches::Tally;
use crate::batch::Receipt;
use crate::event::{Event, Moment, Reason};
use crate::sync::{MutexGuard, PoisonError};

/// Events that were not counted.
#[derive(Debug, Default)]
struct Missed {
    events: Cell<u32>,
    latest_ms: Cell<i64>,
}

impl Missed {
    fn note(&self, event: &Event<'_>) {
        self.events.set(self.events.get().saturating_add(1));
        self.latest_ms.set(self.latest_ms.get().max(event.time_ms));
    }
}

impl MetricsProcessor {
    /// Counts events that another store has taken, and has taken once: no ledger is asked, there is
    /// no bound to how many they are, and what is too old to be live is no fault of their sender. The
    /// clock says `now_ms`, in milliseconds since 1970. The receipt tells of those that are live, and
    /// how many were missed: events ahead of the clock, and those of a tenant for whom there is no
    /// place. Answers about their moments say that they are not complete.
    pub fn process_stored<'a>(
        &self,
        tenant: TenantId,
        events: impl Iterator<Item = Event<'a>>,
        now_ms: i64,
    ) -> Receipt {
        let missed = Missed::default();
        let is_live = |event: &Event<'a>| match Moment::of(event.time_ms, now_ms) {
            Ok(_) => true,
            Err(reason) => {
                if reason == Reason::InFuture {
                    missed.note(event);
                }
                false
            }
        };
        let mut live = events.filter(is_live).peekable();
        // A tenant of whom nothing is live takes no place.
        let mut receipt = Receipt::default();
        if live.peek().is_some() {
            let counted = self.with_book(tenant, |tenant, book| {
                let mut tally = Tally::default();
                self.count_all(book, &mut live, now_ms, &mut tally);
                tenant.irregularities().merge(&tally.noted);
                tally.receipt
            });
            receipt = counted.unwrap_or_else(|| {
                live.for_each(|event| missed.note(&event));
                Receipt::default()
            });
        }
        receipt.missed = missed.events.get();
        if receipt.missed > 0 {
            self.miss(tenant, missed.latest_ms.get());
        }
        receipt
    }

    /// Since when nothing was missed of a tenant, in milliseconds since 1970.
    pub(super) fn counted_since_ms(&self, tenant: TenantId) -> i64 {
        let known = self.known(tenant);
        let of_tenant = known.map(|tenant| tenant.book().counted_since_ms);
        of_tenant.unwrap_or_else(|| *self.others_since_ms())
    }

    /// The same of those tenants that have no book of their own: whoever gets one takes it over.
    pub(super) fn others_since_ms(&self) -> MutexGuard<'_, i64> {
        self.others_since_ms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when nothing was missed of any tenant.
    pub(super) fn all_since_ms(&self) -> i64 {
        let tenants = self.all_tenants();
        // No book is taken while this is held.
        let others = *self.others_since_ms();
        let since = tenants.iter().map(|tenant| tenant.book().counted_since_ms);
        since.fold(others, i64::max)
    }

    /// Notes that an event of this moment was not counted.
    fn miss(&self, tenant: TenantId, at_ms: i64) {
        let since_ms = at_ms.saturating_add(1);
        if self.known(tenant).is_none() {
            self.miss_of_others(since_ms);
        }
        // Looked up again: it may have got its book meanwhile, and that from before the note.
        let Some(tenant) = self.known(tenant) else {
            return;
        };
        let mut book = tenant.book();
        if book.forgotten {
            self.miss_of_others(since_ms);
        }
        book.counted_since_ms = book.counted_since_ms.max(since_ms);
    }

    pub(super) fn miss_of_others(&self, since_ms: i64) {
        let mut others = self.others_since_ms();
        *others = since_ms.max(*others);
    }
}
