//! Who is connected.

use std::sync::Arc;

use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_types::TenantId;

use crate::ports::{Groups, OtherNodes, People, Present, Reader, StoreError};

/// Whether users are connected, in the order of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presences {
    /// Who, and whether.
    pub users: Vec<(UserName, Option<Present>)>,
    /// Whether all nodes are in it.
    pub is_complete: bool,
}

/// Knows who is connected. Cheap to clone.
#[derive(Clone)]
pub struct KnowPresence {
    here: People,
    others: Option<OtherNodes>,
    groups: Arc<dyn Groups>,
}

impl KnowPresence {
    /// Of this node and, where something is known of them, the others.
    #[must_use]
    pub const fn new(here: People, others: Option<OtherNodes>, groups: Arc<dyn Groups>) -> Self {
        Self {
            here,
            others,
            groups,
        }
    }

    /// Whether users are connected.
    pub async fn of(&self, tenant: TenantId, users: Vec<UserName>) -> Presences {
        let others = match &self.others {
            Some(others) => others.elsewhere(tenant, &users).await,
            None => None,
        };
        let is_complete = others.is_some();
        let others = others.unwrap_or_default().into_iter();
        let others = others.chain(std::iter::repeat(None));
        let users = users.into_iter().zip(others).map(|(user, there)| {
            let reader = Reader { tenant, user };
            let here = self.here.here(&reader);
            let present = match (here, there) {
                (Some(here), Some(there)) => Some(here.and(there)),
                (one, other) => one.or(other),
            };
            (reader.user, present)
        });
        Presences {
            users: users.collect(),
            is_complete,
        }
    }

    /// The members of a group, by id after that one; none: there is no such group.
    ///
    /// # Errors
    /// The store's.
    pub async fn members(
        &self,
        tenant: TenantId,
        group: &GroupName,
        after: Option<&UserName>,
        limit: i64,
    ) -> Result<Option<Vec<UserName>>, StoreError> {
        self.groups.members(tenant, group, after, limit).await
    }
}
