//! Who came straight, and when that ends: by the time their credentials run out, or by what is
//! revoked. One book for both, so that nobody slips in between.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tradepost_notifications::wire::close;
use tradepost_types::TenantId;

use crate::live::Way;
use crate::live::hub::Conn;
use crate::metrics::AccessMetrics;
use crate::ports::{Admitted, Reader, Revoked};

/// Longer than anybody is on the way from an answer to the book: the deadline of the answer and the
/// time for a hello together.
const ON_THE_WAY_MAX: Duration = Duration::from_secs(120);
/// How many revocations are remembered. Beyond that all are forgotten, and every answer with them.
const REVOKED_MAX: usize = 500_000;

/// An answer that somebody is let in, as small as it can be kept.
#[derive(Debug)]
pub(in crate::live) struct Admission {
    pub(in crate::live) reader: Reader,
    pub(in crate::live) expires_at: Option<OffsetDateTime>,
    issued_at: OffsetDateTime,
    /// Hashes: a part is only ever compared.
    parts: Box<[u64]>,
    pub(in crate::live) connections_max: u32,
    /// Of which book it is; another remembers other revocations.
    edition: u64,
}

/// The book.
pub(in crate::live) struct Guests {
    /// Of this process alone, so that nobody can look for parts that collide.
    hasher: RandomState,
    book: Mutex<Book>,
    /// How long a revocation is remembered: until no answer from before it can be used.
    remember: Duration,
    metrics: AccessMetrics,
}

#[derive(Default)]
struct Book {
    next_id: u64,
    edition: u64,
    guests: HashMap<u64, Guest>,
    by_part: BTreeSet<(u64, u64)>,
    by_expiry: BTreeSet<(OffsetDateTime, u64)>,
    tenants: HashMap<TenantId, u32>,
    revoked: HashMap<u64, Remembered>,
}

struct Guest {
    conn: Arc<Conn<Way>>,
    admission: Arc<Admission>,
}

/// A revocation.
struct Remembered {
    issued_before: Option<OffsetDateTime>,
    since: Instant,
}

/// A line of the book; struck out when dropped.
pub(in crate::live) struct Stay {
    guests: Arc<Guests>,
    id: u64,
}

/// A place among a tenant's connections; given back when dropped.
pub(in crate::live) struct TenantPlace {
    guests: Arc<Guests>,
    tenant: TenantId,
}

impl Guests {
    pub(super) fn new(kept: Duration, metrics: AccessMetrics) -> Self {
        Self {
            hasher: RandomState::new(),
            book: Mutex::default(),
            remember: kept + ON_THE_WAY_MAX,
            metrics,
        }
    }

    /// Which edition an answer that is asked for now will be of.
    pub(super) fn edition(&self) -> u64 {
        self.lock().edition
    }

    pub(super) fn admission(&self, admitted: Admitted, edition: u64) -> Admission {
        let parts = admitted.parts.iter();
        Admission {
            parts: parts.map(|part| self.hasher.hash_one(part)).collect(),
            reader: admitted.reader,
            expires_at: admitted.expires_at,
            issued_at: admitted.issued_at,
            connections_max: admitted.connections_max,
            edition,
        }
    }

    /// Whether an answer from before still holds.
    pub(super) fn holds(&self, admission: &Admission, now: OffsetDateTime) -> bool {
        admission.expires_at.is_none_or(|at| at > now) && !self.lock().has_revoked(admission)
    }

    /// A place among the tenant's, unless it has all it may have.
    pub(in crate::live) fn place(self: &Arc<Self>, admission: &Admission) -> Option<TenantPlace> {
        let tenant = admission.reader.tenant;
        let mut book = self.lock();
        let count = book.tenants.entry(tenant).or_default();
        if admission.connections_max > 0 && *count >= admission.connections_max {
            return None;
        }
        *count += 1;
        Some(TenantPlace {
            guests: Arc::clone(self),
            tenant,
        })
    }

    /// Writes a connection in. What has been revoked in the meantime closes it at once.
    pub(in crate::live) fn enter(
        self: &Arc<Self>,
        conn: &Arc<Conn<Way>>,
        admission: Arc<Admission>,
    ) -> Stay {
        let mut book = self.lock();
        let id = book.next_id;
        book.next_id += 1;
        let is_revoked = book.has_revoked(&admission);
        book.note(id, &admission);
        let conn_is = Arc::clone(conn);
        let guest = Guest {
            conn: conn_is,
            admission,
        };
        book.guests.insert(id, guest);
        self.metrics.open(book.guests.len());
        drop(book);
        if is_revoked {
            self.end(&[Arc::clone(conn)], close::REVOKED);
        }
        Stay {
            guests: Arc::clone(self),
            id,
        }
    }

    /// Ends what rests on a part that is revoked now.
    pub(super) fn revoke(&self, revoked: &Revoked) {
        let mut concerned = Vec::new();
        {
            let mut book = self.lock();
            for revocation in &revoked.revocations {
                let part = self.hasher.hash_one(&revocation.part);
                book.remember(part, revocation.issued_before);
                concerned.extend(book.concerned(part, revocation.issued_before));
            }
            if book.revoked.len() > REVOKED_MAX {
                book.revoked.clear();
                book.edition += 1;
            }
        }
        self.end(&concerned, close::REVOKED);
    }

    /// Ends what has run out, and forgets what nobody can ask about any more.
    pub(super) fn look(&self, now: OffsetDateTime) {
        let mut late = Vec::new();
        {
            let mut book = self.lock();
            while let Some((at, id)) = book.by_expiry.first().copied()
                && at <= now
            {
                book.by_expiry.pop_first();
                late.extend(book.guests.get(&id).map(|guest| Arc::clone(&guest.conn)));
            }
            let remember = self.remember;
            book.revoked
                .retain(|_, revocation| revocation.since.elapsed() < remember);
        }
        self.end(&late, close::EXPIRED);
    }

    fn end(&self, conns: &[Arc<Conn<Way>>], code: u16) {
        if conns.is_empty() {
            return;
        }
        let (label, reason) = if code == close::EXPIRED {
            ("expired", "the credentials have run out")
        } else {
            ("revoked", "the credentials were revoked")
        };
        self.metrics.ended(label, conns.len());
        for conn in conns {
            conn.close(code, reason);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // No step leaves half a line behind.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn has_revoked(&self, admission: &Admission) -> bool {
        let is_revoked = |part: &u64| {
            let revocation = self.revoked.get(part);
            revocation.is_some_and(|it| concerns(it.issued_before, admission))
        };
        admission.edition != self.edition || admission.parts.iter().any(is_revoked)
    }

    fn remember(&mut self, part: u64, issued_before: Option<OffsetDateTime>) {
        let since = Instant::now();
        let remembered = self.revoked.entry(part).or_insert(Remembered {
            issued_before,
            since,
        });
        remembered.since = since;
        remembered.issued_before = match (remembered.issued_before, issued_before) {
            (Some(one), Some(other)) => Some(one.max(other)),
            (None, _) | (_, None) => None,
        };
    }

    fn concerned(
        &self,
        part: u64,
        issued_before: Option<OffsetDateTime>,
    ) -> impl Iterator<Item = Arc<Conn<Way>>> {
        let guests = self.by_part.range((part, 0)..=(part, u64::MAX));
        guests.filter_map(move |(_, id)| {
            let guest = self.guests.get(id)?;
            concerns(issued_before, &guest.admission).then(|| Arc::clone(&guest.conn))
        })
    }

    fn note(&mut self, id: u64, admission: &Admission) {
        let parts = admission.parts.iter();
        self.by_part.extend(parts.map(|part| (*part, id)));
        self.by_expiry
            .extend(admission.expires_at.map(|at| (at, id)));
    }

    fn strike(&mut self, id: u64, admission: &Admission) {
        for part in &admission.parts {
            self.by_part.remove(&(*part, id));
        }
        if let Some(at) = admission.expires_at {
            self.by_expiry.remove(&(at, id));
        }
    }
}

/// Whether it is revoked by a revocation of one of its parts.
fn concerns(issued_before: Option<OffsetDateTime>, admission: &Admission) -> bool {
    issued_before.is_none_or(|before| admission.issued_at < before)
}

impl Stay {
    /// The credentials are others from now on; the person is the same.
    pub(in crate::live) fn renew(&self, admission: Arc<Admission>) {
        let mut book = self.guests.lock();
        let Some(guest) = book.guests.remove(&self.id) else {
            return;
        };
        book.strike(self.id, &guest.admission);
        let is_revoked = book.has_revoked(&admission);
        book.note(self.id, &admission);
        let conn = Arc::clone(&guest.conn);
        book.guests.insert(self.id, Guest { admission, ..guest });
        drop(book);
        if is_revoked {
            self.guests.end(&[conn], close::REVOKED);
        }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut book = self.guests.lock();
        if let Some(guest) = book.guests.remove(&self.id) {
            book.strike(self.id, &guest.admission);
        }
        self.guests.metrics.open(book.guests.len());
    }
}

impl Drop for TenantPlace {
    fn drop(&mut self) {
        let mut book = self.guests.lock();
        if let Some(count) = book.tenants.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                book.tenants.remove(&self.tenant);
            }
        }
    }
}
