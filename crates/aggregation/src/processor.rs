//! The engine: who holds what, and the way of a single event. Batches are in `batches`, questions
//! in `questions`, where things are in `places`, what survives the process in `snapshots`, what
//! another store has taken in `stored`.
//!
//! Locks are taken in one order: a front, the map of tenants, a tenant's book, a stripe;
//! irregularities, totals, and since when nothing was missed last. Stripes are held for one event, or
//! for a bounded run of them.

mod batches;
mod places;
mod questions;
mod snapshots;
mod stored;

use std::collections::HashMap;

use hashbrown::DefaultHashBuilder;
use tradepost_types::TenantId;

pub use snapshots::{SnapshotError, SnapshotKind};

use crate::config::{Config, ConfigError};
use crate::event::{self, Counted, Event, LATE_WINDOW_MS, Moment, Reason, minute_of};
use crate::front::{self, FRONTS, Front, Wait};
use crate::name::Name;
use crate::series::Series;
use crate::stripe::{Address, Stripe};
use crate::sync::{Arc, Mutex, PoisonError, RwLock};
use crate::tenant::{Book, Irregularities, Tenant};

/// Parts that series are spread over. Two threads meet at one in 256 events of different types.
const STRIPES: usize = 256;

/// Counts events of many tenants, and answers what it counted. All of it is memory, bounded by its
/// [`Config`]; it is shared between threads by reference.
#[derive(Debug)]
pub struct MetricsProcessor {
    config: Config,
    hasher: DefaultHashBuilder,
    fronts: Box<[FrontPart; FRONTS]>,
    stripes: Box<[Part; STRIPES]>,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>>>,
    totals: Mutex<Totals>,
    /// Since when nothing was missed of tenants that are not known, in milliseconds since 1970.
    others_since_ms: Mutex<i64>,
}

/// A stripe with cache lines of its own, so that threads at neighbours do not disturb each other.
#[derive(Debug)]
#[repr(align(128))]
struct Part(Mutex<Stripe>);

/// A front with cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct FrontPart(Mutex<Front>);

/// What there is of things whose number is bounded over all tenants.
#[derive(Debug, Default)]
struct Totals {
    series: usize,
    producers: usize,
}

/// An event that was counted.
#[derive(Debug, Clone, Copy)]
struct Placed {
    /// Where events of its type count, and whether that is the overflow series.
    place: (Address, bool),
    counted: Counted,
}

impl Placed {
    /// How it counted, and whether its type overflowed.
    fn outcome(self) -> (Counted, bool) {
        (self.counted, self.place.1)
    }
}

/// What a processor holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Tenants.
    pub tenants: usize,
    /// Series, the overflow series apart.
    pub series: usize,
    /// Producers whose sequences are remembered.
    pub producers: usize,
    /// Bytes that sketches take.
    pub sketch_bytes: usize,
}

impl MetricsProcessor {
    /// A processor that has counted nothing yet.
    ///
    /// # Errors
    /// [`ConfigError`]: a bound is out of its range, or at the worst all bounds together take more
    /// memory than the configuration declares.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let room = config.sketch_bytes_max / STRIPES;
        let others_since_ms = Mutex::new((config.clock)());
        Ok(Self {
            fronts: Box::new(std::array::from_fn(|_| FrontPart(Mutex::default()))),
            stripes: Box::new(std::array::from_fn(|_| Part(Mutex::new(Stripe::new(room))))),
            others_since_ms,
            config,
            hasher: DefaultHashBuilder::default(),
            tenants: RwLock::default(),
            totals: Mutex::default(),
        })
    }

    /// Counts one event, now by the configuration's clock.
    ///
    /// # Errors
    /// As [`MetricsProcessor::process_event_at`].
    pub fn process_event(&self, tenant: TenantId, event: &Event<'_>) -> Result<Counted, Reason> {
        self.process_event_at(tenant, event, (self.config.clock)())
    }

    /// Counts one event when the clock says `now_ms`, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`Reason`]: why it was not counted.
    pub fn process_event_at(
        &self,
        tenant: TenantId,
        event: &Event<'_>,
        now_ms: i64,
    ) -> Result<Counted, Reason> {
        let counted = self.count_known(tenant, event, now_ms);
        match counted {
            Ok(Some(Counted::InTime)) => Ok(Counted::InTime),
            Ok(Some(Counted::Late)) => {
                self.note(tenant, |noted| noted.late += 1);
                Ok(Counted::Late)
            }
            Ok(None) => self.count_new(tenant, event, now_ms),
            Err(reason) => {
                self.note(tenant, |noted| noted.reject(reason));
                Err(reason)
            }
        }
    }

    /// Every event before this moment, in milliseconds since 1970, that came within the late window
    /// is in the answers: what is acknowledged is in them at once, so it is the window's start.
    #[must_use]
    pub fn watermark_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(LATE_WINDOW_MS)
    }

    /// What did not count as it came, of a tenant, since it is counted.
    #[must_use]
    pub fn irregularities(&self, tenant: TenantId) -> Irregularities {
        self.known(tenant)
            .map(|tenant| *tenant.irregularities())
            .unwrap_or_default()
    }

    /// What is held now.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let sketch_bytes = (0..STRIPES as u64)
            .map(|stripe| self.stripe(stripe << 32).sketch_bytes())
            .sum();
        let tenants = self
            .tenants
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len();
        let totals = self.totals();
        Usage {
            tenants,
            series: totals.series,
            producers: totals.producers,
            sketch_bytes,
        }
    }

    /// Gives back what is older than a day: minutes, event types without events, producers that
    /// were silent, tenants of whom nothing is left. To be called about once a minute; without it
    /// answers stay right, but what was taken by the past is missing for what comes.
    pub fn forget_old(&self, now_ms: i64) {
        self.count_waiting(None);
        for tenant in self.all_tenants() {
            let mut book = tenant.book();
            let before = book.series.len();
            let minute = minute_of(now_ms);
            book.series
                .retain(|(_, address)| !self.stripe(address.hash).tidy(*address, minute));
            book.overflow = book
                .overflow
                .filter(|address| !self.stripe(address.hash).tidy(*address, minute));
            let producers = book.ledger.tidy(now_ms);
            let mut totals = self.totals();
            totals.series -= before - book.series.len();
            totals.producers -= producers;
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.retain(|_, tenant| {
            let mut book = tenant.book();
            book.forgotten =
                book.series.is_empty() && book.overflow.is_none() && book.ledger.len() == 0;
            if book.forgotten {
                self.miss_of_others(book.counted_since_ms);
            }
            !book.forgotten
        });
    }

    /// Counts an event whose event type is known; `None` where it is not.
    fn count_known(
        &self,
        tenant: TenantId,
        event: &Event<'_>,
        now_ms: i64,
    ) -> Result<Option<Counted>, Reason> {
        event::check(event.user_id, event.value)?;
        let moment = Moment::of(event.time_ms, now_ms)?;
        let event_type = event.event_type.as_bytes();
        let hash = self.hash(tenant, event_type);
        if moment.late {
            let mut stripe = self.stripe(hash);
            let Some(address) = stripe.find(hash, tenant, event_type) else {
                return Ok(None);
            };
            let counted = stripe.add(address, moment, &[event.value]);
            return if counted {
                Ok(Some(Counted::Late))
            } else {
                Err(Reason::TooOld)
            };
        }
        let mut front = self.front(front::of_this_thread());
        if let Some(wait) = front.find(hash, tenant, event_type) {
            wait.push(moment, event.value, |wait| self.count_wait(wait));
            return Ok(Some(Counted::InTime));
        }
        let Some(address) = self.stripe(hash).find(hash, tenant, event_type) else {
            return Ok(None);
        };
        // What is found by its name has a name.
        let Some(event_type) = Name::new(event.event_type) else {
            return Ok(None);
        };
        let values = vec![event.value];
        if let Some(mut other) = front.insert(Wait {
            tenant,
            address,
            moment,
            event_type,
            values,
        }) {
            other.leave(|wait| self.count_wait(wait));
        }
        Ok(Some(Counted::InTime))
    }

    /// Counts values that waited. Their series may have been forgotten since, for want of events.
    fn count_wait(&self, wait: &Wait) {
        let Wait {
            tenant,
            address,
            event_type,
            moment,
            ..
        } = wait;
        let mut stripe = self.stripe(address.hash);
        let same = |series: &Series| series.tenant == *tenant && series.event_type == *event_type;
        if stripe.get(*address).is_some_and(same) {
            stripe.add(*address, *moment, &wait.values);
            return;
        }
        drop(stripe);
        self.with_book(*tenant, |_, book| {
            if let Ok((address, _)) = self.locate(book, event_type.as_str()) {
                self.stripe(address.hash)
                    .add(address, *moment, &wait.values);
            }
        });
    }

    /// Counts all that waits, of one tenant or of all, so that whoever looks finds what was
    /// acknowledged.
    fn count_waiting(&self, of: Option<TenantId>) {
        for number in 0..FRONTS {
            for start in Front::starts() {
                let mut front = self.front(number);
                let waits = front.some(start);
                waits
                    .filter(|wait| of.is_none_or(|tenant| wait.tenant == tenant))
                    .for_each(|wait| wait.leave(|wait| self.count_wait(wait)));
            }
        }
    }

    /// Counts an event whose event type may be new.
    fn count_new(
        &self,
        tenant: TenantId,
        event: &Event<'_>,
        now_ms: i64,
    ) -> Result<Counted, Reason> {
        let outcome = self
            .with_book(tenant, |_, book| {
                self.count_in(book, event, now_ms, None)
                    .map(|counted| counted.outcome())
            })
            .unwrap_or(Err(Reason::TenantsFull));
        self.note(tenant, |noted| match outcome {
            Ok((counted, overflowed)) => {
                noted.late += u64::from(counted == Counted::Late);
                noted.overflowed += u64::from(overflowed);
            }
            Err(reason) => noted.reject(reason),
        });
        outcome.map(|(counted, _)| counted)
    }

    /// Counts an event of the book's tenant, whose type counts at `known` if that was found before.
    fn count_in(
        &self,
        book: &mut Book,
        event: &Event<'_>,
        now_ms: i64,
        known: Option<(Address, bool)>,
    ) -> Result<Placed, Reason> {
        event::check(event.user_id, event.value)?;
        let moment = Moment::of(event.time_ms, now_ms)?;
        let place = match known {
            Some(place) => place,
            None => self.locate(book, event.event_type)?,
        };
        let (address, _) = place;
        let counted = self
            .stripe(address.hash)
            .add(address, moment, &[event.value]);
        if counted {
            let counted = moment.counted();
            Ok(Placed { place, counted })
        } else {
            Err(Reason::TooOld)
        }
    }
}
