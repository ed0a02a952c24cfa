//! What is revoked, in memory: every request asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::domain::revocation::{Basis, Revocation, Revoked};

/// Revocations by what they revoke.
pub(super) type Entries = HashMap<Revoked, Revocation>;

/// All revocations that are in force.
#[derive(Debug)]
pub struct Revocations {
    entries: ArcSwap<Entries>,
    /// Held while entries change: two writers at once would lose one's.
    writing: Mutex<()>,
    changed: watch::Sender<u64>,
    /// Everything that was revoked before this is known here.
    current_at: ArcSwapOption<OffsetDateTime>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            entries: ArcSwap::default(),
            writing: Mutex::default(),
            changed: watch::Sender::new(0),
            current_at: ArcSwapOption::empty(),
        }
    }
}

impl Revocations {
    /// Whether credentials that rest on this are revoked, and by which part of it.
    #[must_use]
    pub fn find(&self, basis: &Basis) -> Option<Revoked> {
        let entries = self.entries.load();
        if entries.is_empty() {
            return None;
        }
        basis.parts().find(|part| {
            let entry = entries.get(part);
            entry.is_some_and(|revocation| revocation.concerns(basis.issued_at))
        })
    }

    /// Wakes whenever there is a new one: for connections that outlive their request.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Those that are in force.
    #[must_use]
    pub fn entries(&self) -> Arc<Entries> {
        self.entries.load_full()
    }

    /// Everything that was revoked before this time, by the database's clock, is known here; none
    /// before the first look.
    #[must_use]
    pub fn current_at(&self) -> Option<OffsetDateTime> {
        self.current_at.load().as_deref().copied()
    }

    /// Says that everything that was revoked before is known now.
    pub fn set_current(&self, at: OffsetDateTime) {
        self.current_at.store(Some(Arc::new(at)));
    }

    /// How many are in force.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.load().len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes up new ones: those of this process at once, those of others from the feed.
    pub fn add(&self, new: impl IntoIterator<Item = Revocation>) {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.entries.load();
        let news: Vec<Revocation> = new
            .into_iter()
            .filter(|one| {
                let known = known.get(&one.what);
                known.is_none_or(|known| known.issued_before < one.issued_before)
            })
            .collect();
        if news.is_empty() {
            return;
        }
        let mut entries = HashMap::clone(&known);
        for one in news {
            entries.insert(one.what, one);
        }
        self.entries.store(Arc::new(entries));
        self.changed.send_modify(|count| *count += 1);
    }

    /// Forgets those that concern nothing any more.
    pub fn forget(&self, now: OffsetDateTime) {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.entries.load();
        if known.values().all(|one| one.expires_at > now) {
            return;
        }
        let mut entries = HashMap::clone(&known);
        entries.retain(|_, one| one.expires_at > now);
        self.entries.store(Arc::new(entries));
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use tradepost_types::{SessionId, TenantId, UserId};

    use super::*;
    use crate::domain::caller::Subject;

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn revoked(what: Revoked) -> Revocation {
        Revocation {
            what,
            issued_before: AT + Duration::MICROSECOND,
            expires_at: AT + Duration::MINUTE,
        }
    }

    #[test]
    fn credentials_fall_with_any_part_they_rest_on() {
        let (tenant, user, session) = (TenantId::new(), UserId::new(), SessionId::new());
        let basis = Basis {
            issued_at: AT,
            subject: Subject::User(user),
            tenant: Some(tenant),
            session: Some(session),
            token: None,
            client: None,
        };
        let parts = [
            Revoked::All,
            Revoked::Tenant(tenant),
            Revoked::User(user),
            Revoked::Member(tenant, user),
            Revoked::Session(session),
        ];
        for part in parts {
            let revocations = Revocations::default();
            assert_eq!(revocations.find(&basis), None);
            revocations.add([revoked(part)]);
            assert_eq!(revocations.find(&basis), Some(part));
        }
        let revocations = Revocations::default();
        revocations.add([
            revoked(Revoked::User(UserId::new())),
            revoked(Revoked::Member(TenantId::new(), user)),
        ]);
        assert_eq!(revocations.find(&basis), None, "others fall without them");
    }

    #[test]
    fn the_same_one_twice_wakes_nobody() {
        let revocations = Revocations::default();
        let changes = revocations.changes();
        revocations.add([revoked(Revoked::All)]);
        assert!(changes.has_changed().unwrap());

        let later = revocations.changes();
        revocations.add([revoked(Revoked::All)]);

        assert!(!later.has_changed().unwrap());
    }

    #[test]
    fn one_that_concerns_nothing_any_more_is_forgotten() {
        let revocations = Revocations::default();
        revocations.add([revoked(Revoked::All)]);

        revocations.forget(AT);
        assert_eq!(revocations.len(), 1);
        revocations.forget(AT + Duration::MINUTE);

        assert!(revocations.is_empty());
    }
}
