//! What a user is in a tenant, and who may change it.

use time::OffsetDateTime;
use tradepost_types::{TenantId, UserId};

use super::email::Email;
use super::rights::Role;

/// A user as a tenant sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The address they log in by.
    pub email: Email,
    /// What they are.
    pub role: Role,
    /// Since when they are a member.
    pub created_at: OffsetDateTime,
}

/// Why a membership is not given, changed or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoleFault {
    /// The role is of the platform, not of a tenant.
    #[error("operators belong to no tenant")]
    NotOfTenants,
    /// The role that is given, changed or ended stands above one's own.
    #[error("nobody gives, changes or takes a role above their own")]
    AboveOwn,
    /// Nobody changes what they are themselves.
    #[error("nobody changes their own role")]
    Own,
    /// Without an owner nobody could make one.
    #[error("the tenant would be left without an owner")]
    LastOwner,
}

/// Whether a member who is `actor` may make somebody `role`, who was `before`.
///
/// # Errors
/// [`RoleFault`].
pub fn may_give(actor: Role, before: Option<Role>, role: Role) -> Result<(), RoleFault> {
    if role == Role::Operator {
        return Err(RoleFault::NotOfTenants);
    }
    may_touch(actor, before.unwrap_or(role))?;
    may_touch(actor, role)
}

/// Whether a member who is `actor` may act on one who is `other`: only on who may no more than
/// they do, and on owners only as an owner.
///
/// # Errors
/// [`RoleFault::AboveOwn`].
pub fn may_touch(actor: Role, other: Role) -> Result<(), RoleFault> {
    let is_within = other.rights().within(actor.rights());
    match is_within && (other != Role::Owner || actor == Role::Owner) {
        true => Ok(()),
        false => Err(RoleFault::AboveOwn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owners_make_and_unmake_owners() {
        for actor in Role::ALL.iter().copied() {
            let is_owner = actor == Role::Owner;
            assert_eq!(
                may_give(actor, None, Role::Owner).is_ok(),
                is_owner,
                "{actor}"
            );
            assert_eq!(
                may_give(actor, Some(Role::Owner), Role::Support).is_ok(),
                is_owner,
                "{actor}"
            );
        }
    }

    #[test]
    fn no_role_reaches_above_itself() {
        for actor in Role::ALL.iter().copied() {
            for role in Role::ALL.iter().copied() {
                if may_give(actor, None, role).is_ok() {
                    assert!(role.rights().within(actor.rights()), "{actor} makes {role}");
                }
            }
        }
    }

    #[test]
    fn nobody_becomes_an_operator_in_a_tenant() {
        for actor in Role::ALL.iter().copied() {
            assert!(may_give(actor, None, Role::Operator).is_err(), "{actor}");
        }
    }
}
