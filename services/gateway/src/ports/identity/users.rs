//! Users and what they are in tenants.

use async_trait::async_trait;
use tradepost_types::{SessionId, TenantId, UserId};

use super::{Author, Made, RequestKey, StoreError};
use crate::domain::email::Email;
use crate::domain::membership::{Member, RoleFault};
use crate::domain::revocation::Revocation;
use crate::domain::rights::Role;
use crate::domain::tenant::Tenant;

/// A user as the login sees them.
#[derive(Debug, Clone)]
pub struct Account {
    /// Their id.
    pub user: UserId,
    /// Their address.
    pub email: Email,
    /// The hash of their password, if they can log in by one.
    pub password_hash: Option<String>,
    /// Whether they may log in at all.
    pub is_active: bool,
    /// Whether they run the platform.
    pub is_operator: bool,
    /// Where they are what, by tenant id.
    pub memberships: Vec<Membership>,
}

/// What a user is in one tenant.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The tenant.
    pub tenant: Tenant,
    /// What they are there.
    pub role: Role,
}

/// A member to be made.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// The id the user will have.
    pub user: UserId,
    /// Of which tenant.
    pub tenant: TenantId,
    /// By which address they log in.
    pub email: Email,
    /// What they are to be.
    pub role: Role,
    /// The hash of their first password.
    pub password_hash: String,
}

/// An operator to be made.
#[derive(Debug, Clone)]
pub struct NewOperator {
    /// The id the user will have.
    pub user: UserId,
    /// By which address they log in.
    pub email: Email,
    /// The hash of their first password.
    pub password_hash: String,
}

/// A change of what a member is.
#[derive(Debug, Clone, Copy)]
pub struct RoleChange {
    /// Where.
    pub tenant: TenantId,
    /// Who.
    pub user: UserId,
    /// What they are to be.
    pub role: Role,
    /// What the one is who wishes it.
    pub actor_role: Role,
}

/// A change of a password.
#[derive(Debug, Clone)]
pub struct PasswordChange {
    /// Whose.
    pub user: UserId,
    /// The hash of the new one.
    pub password_hash: String,
    /// The session that goes on; all others end.
    pub kept: Option<SessionId>,
}

/// Why nothing was done about a member.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The tenant has no such member.
    #[error("there is no such user")]
    NotFound,
    /// A user has the address: they cannot be made a second time, nor taken over.
    #[error("the address belongs to a user already")]
    EmailTaken,
    /// The key was used for another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// A rule forbids it.
    #[error(transparent)]
    Rule(#[from] RoleFault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps users and memberships.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// The user with that address.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError>;

    /// The user with that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find(&self, user: UserId) -> Result<Option<Account>, StoreError>;

    /// Makes a user and their membership.
    ///
    /// # Errors
    /// [`MemberError::EmailTaken`], also when the user belongs to another tenant;
    /// [`MemberError::KeyReused`]; [`MemberError::Store`].
    async fn add(
        &self,
        new: &NewMember,
        key: &RequestKey,
        author: &Author,
    ) -> Result<Made<Member>, MemberError>;

    /// A member of a tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn member(&self, tenant: TenantId, user: UserId) -> Result<Option<Member>, StoreError>;

    /// The members of a tenant behind `after`, by user id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn members(
        &self,
        tenant: TenantId,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Member>, StoreError>;

    /// Makes a member something else. Their tokens in the tenant are revoked, since they say what
    /// the member was; their sessions go on.
    ///
    /// # Errors
    /// [`MemberError::NotFound`], [`MemberError::Rule`] as of the rows under lock,
    /// [`MemberError::Store`].
    async fn set_role(
        &self,
        change: &RoleChange,
        author: &Author,
    ) -> Result<(Member, Option<Revocation>), MemberError>;

    /// Ends a membership, and the member's sessions in the tenant.
    ///
    /// # Errors
    /// As [`set_role`](Self::set_role).
    async fn remove(
        &self,
        tenant: TenantId,
        user: UserId,
        actor_role: Role,
        author: &Author,
    ) -> Result<Revocation, MemberError>;

    /// Ends the member's sessions in the tenant.
    ///
    /// # Errors
    /// As [`set_role`](Self::set_role).
    async fn revoke_member(
        &self,
        tenant: TenantId,
        user: UserId,
        actor_role: Role,
        author: &Author,
    ) -> Result<Revocation, MemberError>;

    /// Ends all sessions of a user; `None` when there is no such user.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn revoke_user(
        &self,
        user: UserId,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError>;

    /// Shuts a user out everywhere, sessions included, or lets them in again; whether there is such
    /// a user.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn set_active(
        &self,
        user: UserId,
        is_active: bool,
        author: &Author,
    ) -> Result<bool, StoreError>;

    /// Sets a password and ends the other sessions.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn set_password(
        &self,
        change: &PasswordChange,
        author: &Author,
    ) -> Result<Vec<Revocation>, StoreError>;

    /// Makes an operator.
    ///
    /// # Errors
    /// [`MemberError::EmailTaken`], [`MemberError::Store`].
    async fn add_operator(&self, new: &NewOperator, author: &Author) -> Result<(), MemberError>;
}
