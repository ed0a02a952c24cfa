//! Tells people: commit first, then announce (ADR 40).

use std::sync::Arc;

use tradepost_notifications::content::Content;
use tradepost_notifications::wire::{Signal as SignalBody, Told};
use tradepost_types::{NotificationId, TenantId};

use crate::ports::{
    Announcement, Announcer, Groups, Outcome, Receipt, Signal, StoreError, StreamKey, Telling,
    Tellings, Whom, Whose,
};

/// Why nobody was told.
#[derive(Debug, thiserror::Error)]
pub enum NotTold {
    /// The request id came with another request before.
    #[error("the request id was used for another request")]
    Reused,
    /// There is no such group.
    #[error("there is no such group")]
    NoGroup,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Something to tell only those who are connected.
#[derive(Debug, Clone)]
pub struct Passing {
    /// Whose tenant's.
    pub tenant: TenantId,
    /// Whom.
    pub whom: Whom,
    /// What.
    pub content: Content,
    /// See [`Signal::collapse`].
    pub collapse: Option<Box<str>>,
}

/// Tells people. Cheap to clone.
#[derive(Clone)]
pub struct Tell {
    store: Arc<dyn Tellings>,
    groups: Arc<dyn Groups>,
    announcer: Announcer,
}

impl Tell {
    /// Tells by this store, and announces there.
    #[must_use]
    pub const fn new(
        store: Arc<dyn Tellings>,
        groups: Arc<dyn Groups>,
        announcer: Announcer,
    ) -> Self {
        Self {
            store,
            groups,
            announcer,
        }
    }

    /// Tells for good: it is committed when this returns, and announced. A repetition gets the first
    /// one's receipt, and is not announced again.
    ///
    /// # Errors
    /// [`NotTold`]; nobody is told then.
    pub async fn durable(&self, telling: Telling) -> Result<Receipt, NotTold> {
        match self.store.tell(telling).await? {
            Outcome::Stored(receipt, entries) => {
                tradepost_crash::point("notification.after_commit");
                let entries = entries.into_iter().map(Announcement::Entry).collect();
                self.announcer.announce(entries);
                Ok(receipt)
            }
            Outcome::Replayed(receipt) => Ok(receipt),
            Outcome::Reused => Err(NotTold::Reused),
            Outcome::NoGroup => Err(NotTold::NoGroup),
        }
    }

    /// Tells who is connected, and nobody else ever.
    ///
    /// # Errors
    /// [`NotTold::NoGroup`], or the store's if it was asked for a group.
    pub async fn ephemeral(&self, passing: Passing) -> Result<NotificationId, NotTold> {
        let id = NotificationId::new();
        let Content {
            kind,
            title,
            message,
            data,
        } = passing.content;
        let body = SignalBody {
            id: id.to_string(),
            kind,
            title,
            message,
            data,
        };
        let text = Told::Signal(Box::new(body)).text();
        let whose: Vec<Whose> = match passing.whom {
            Whom::Users(users) => users.into_iter().map(Whose::User).collect(),
            Whom::Group(group) => {
                if !self.groups.exists(passing.tenant, &group).await? {
                    return Err(NotTold::NoGroup);
                }
                vec![Whose::Group(group)]
            }
        };
        let signals = whose.into_iter().map(|whose| {
            Announcement::Signal(Signal {
                key: StreamKey {
                    tenant: passing.tenant,
                    whose,
                },
                collapse: passing.collapse.clone(),
                text: text.clone(),
            })
        });
        self.announcer.announce(signals.collect());
        Ok(id)
    }
}
