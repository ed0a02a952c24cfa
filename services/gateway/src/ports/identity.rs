//! Where tenants, users, sessions and signing keys are kept. One method is one transaction, the
//! entry in the audit trail included.

mod feed;
mod keys;
mod plans;
mod sessions;
mod tenants;
mod users;

use std::net::IpAddr;

use tradepost_postgres::DbError;
use tradepost_types::{SessionId, TenantId};

use crate::domain::caller::{Caller, Subject};

pub use feed::{Feed, IdentityFeed};
pub use keys::{KeyStore, NewSigningKey, Rotation, StoredKey};
pub use plans::{PlanStore, UntoldPlan};
pub use sessions::{
    Claim, LoginFailure, NewSession, OpenError, Opened, RefreshHash, Refreshed, SessionStore,
    Successor,
};
pub use tenants::{NewTenant, TenantChange, TenantError, TenantStore};
pub use users::{
    Account, MemberError, Membership, NewMember, NewOperator, PasswordChange, RoleChange, UserStore,
};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be had now, or the outcome is unknown: the same call may be made again.
    #[error("the store is unavailable")]
    Unavailable(#[source] DbError),
    /// It lost against concurrent ones, again and again.
    #[error("the store is contended")]
    Contended(#[source] DbError),
    /// A row that this binary cannot read, or a fault in a query.
    #[error("the store is faulty")]
    Faulty(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Who does something, for the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Author {
    /// Who; nobody for a login that failed, and for commands of the binary.
    pub subject: Option<Subject>,
    /// In which tenant.
    pub tenant: Option<TenantId>,
    /// By which login.
    pub session: Option<SessionId>,
    /// From where; nowhere for the process itself and for commands of the binary.
    pub address: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

impl Author {
    /// A caller of the API.
    #[must_use]
    pub const fn of(caller: &Caller, address: IpAddr, user_agent: Option<String>) -> Self {
        Self {
            subject: Some(caller.subject),
            tenant: caller.tenant,
            session: caller.session,
            address: Some(address),
            user_agent,
        }
    }

    /// Somebody who has not shown who they are.
    #[must_use]
    pub fn stranger(address: IpAddr, user_agent: Option<String>) -> Self {
        Self {
            address: Some(address),
            user_agent,
            ..Self::default()
        }
    }

    /// The process itself, or an operator at its command line.
    #[must_use]
    pub fn process() -> Self {
        Self::default()
    }
}

/// The key of a mutating call and what must be the same when it is used again.
#[derive(Debug, Clone)]
pub struct RequestKey {
    /// The caller's key.
    pub request_id: String,
    /// A keyed hash of the request: it may hold a password.
    pub fingerprint: [u8; 32],
}

/// Something that a call with a key made, or that an earlier call with the same key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made<T> {
    /// The thing, as it is now.
    pub made: T,
    /// Whether an earlier call made it.
    pub is_replayed: bool,
}
