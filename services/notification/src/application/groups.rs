//! Groups and their members.

use std::sync::Arc;

use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_types::TenantId;

use crate::ports::{Announcement, Announcer, Group, Groups, Joined, MemberChange, StoreError};

/// Why nobody has joined or left.
#[derive(Debug, thiserror::Error)]
pub enum NotJoined {
    /// There is no such group.
    #[error("there is no such group")]
    NoGroup,
    /// The user is in as many groups as one may be in.
    #[error("a user is in too many groups")]
    TooMany(UserName),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps groups. Cheap to clone.
#[derive(Clone)]
pub struct KeepGroups {
    store: Arc<dyn Groups>,
    announcer: Announcer,
}

impl KeepGroups {
    /// Keeps them in this store, and announces who is a member.
    #[must_use]
    pub const fn new(store: Arc<dyn Groups>, announcer: Announcer) -> Self {
        Self { store, announcer }
    }

    /// Makes a group, or gives it that name; none if the tenant has too many.
    ///
    /// # Errors
    /// The store's.
    pub async fn put(
        &self,
        tenant: TenantId,
        group: &GroupName,
        display_name: &str,
    ) -> Result<Option<Group>, StoreError> {
        self.store.put(tenant, group, display_name).await
    }

    /// The tenant's groups, or those of one of its users.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        tenant: TenantId,
        user: Option<&UserName>,
        after: Option<&GroupName>,
        limit: i64,
    ) -> Result<Vec<Group>, StoreError> {
        self.store.list(tenant, user, after, limit).await
    }

    /// Makes users members from now on; how many were none before.
    ///
    /// # Errors
    /// [`NotJoined`]; nobody has joined then.
    pub async fn join(
        &self,
        tenant: TenantId,
        group: &GroupName,
        users: &[UserName],
    ) -> Result<usize, NotJoined> {
        match self.store.join(tenant, group, users).await? {
            Joined::Done(changes) => Ok(self.announce(changes)),
            Joined::NoGroup => Err(NotJoined::NoGroup),
            Joined::TooMany(user) => Err(NotJoined::TooMany(user)),
        }
    }

    /// Ends memberships; how many were members before.
    ///
    /// # Errors
    /// [`NotJoined::NoGroup`], or the store's.
    pub async fn leave(
        &self,
        tenant: TenantId,
        group: &GroupName,
        users: &[UserName],
    ) -> Result<usize, NotJoined> {
        let changes = self.store.leave(tenant, group, users).await?;
        changes
            .map(|changes| self.announce(changes))
            .ok_or(NotJoined::NoGroup)
    }

    /// The members.
    ///
    /// # Errors
    /// [`NotJoined::NoGroup`], or the store's.
    pub async fn members(
        &self,
        tenant: TenantId,
        group: &GroupName,
        after: Option<&UserName>,
        limit: i64,
    ) -> Result<Vec<UserName>, NotJoined> {
        let members = self.store.members(tenant, group, after, limit).await?;
        members.ok_or(NotJoined::NoGroup)
    }

    fn announce(&self, changes: Vec<MemberChange>) -> usize {
        let count = changes.len();
        let changes = changes.into_iter().map(Announcement::Member).collect();
        self.announcer.announce(changes);
        count
    }
}
