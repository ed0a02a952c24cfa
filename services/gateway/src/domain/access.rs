//! Whether a caller may use a route, and if not, what stands in the way. Whose things a call then
//! reaches is checked where the things are: in the services.

use std::time::Duration;

use time::OffsetDateTime;
use tradepost_types::UserId;

use super::caller::{Caller, Proof, Subject};
use super::rights::{Permission, Reach, Role};
use super::routes::{Rule, Who};

/// How long a second factor counts as shown lately.
pub const STEP_UP_AGE_MAX: Duration = Duration::from_secs(600);
/// By how much a clock may lag behind the one that noted the second factor.
const SKEW: Duration = Duration::from_secs(30);

/// What held a permission back. Rights only shrink on their way to a call; this is the first place
/// where the permission is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The role in the tenant does not have it.
    Role,
    /// The role has it, the scope of the token does not.
    TokenScope,
    /// The role has it, the scope of the key does not.
    KeyScope,
}

/// Why a call is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The route is for people in a login of their own.
    NotAPerson,
    /// A permission is missing.
    Missing {
        /// Which.
        permission: Permission,
        /// Where it got lost.
        layer: Layer,
    },
    /// The route shows things of the whole tenant, the caller reaches only their own.
    OnlyOwn,
    /// The caller's second factor was shown too long ago.
    StepUp,
}

/// What is known besides the caller and the rule.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: OffsetDateTime,
    /// Whether the caller has a second factor, if the rule asks for one ([`asks_for_factor`]).
    pub has_factor: bool,
}

/// Whether it has to be known if the caller has a second factor: they have shown none.
#[must_use]
pub const fn asks_for_factor(caller: &Caller, rule: &Rule) -> Option<UserId> {
    match (caller.subject, caller.proof) {
        (Subject::User(user), Proof::Secret) if rule.step_up => Some(user),
        (Subject::User(_) | Subject::Key(_) | Subject::Client(_), _) => None,
    }
}

/// Decides. The first denial counts: what the caller is goes before what they have, and a second
/// factor is asked for only when it would help.
///
/// # Errors
/// What stands in the way.
pub fn decide(caller: &Caller, rule: &Rule, moment: Moment) -> Result<(), Denial> {
    if rule.person {
        is_person(caller)?;
    }
    match rule.who {
        Who::Public | Who::Authenticated => {}
        Who::User => is_person(caller)?,
        Who::Needs(_) | Who::NeedsOne(_) => has_one(caller, rule.who.permissions())?,
    }
    if caller.reach() == Reach::Own && !rule.own && !rule.who.permissions().is_empty() {
        return Err(Denial::OnlyOwn);
    }
    if rule.step_up && is_stale(caller.proof, moment) {
        return Err(Denial::StepUp);
    }
    Ok(())
}

fn is_person(caller: &Caller) -> Result<(), Denial> {
    caller.person().map(drop).ok_or(Denial::NotAPerson)
}

/// Whether the caller has one of the permissions; what is missing is the first.
fn has_one(caller: &Caller, permissions: &[Permission]) -> Result<(), Denial> {
    let mut decided = permissions
        .iter()
        .map(|permission| has(caller, *permission));
    let first = decided.next().unwrap_or(Ok(()));
    first.or_else(|missing| decided.find(Result::is_ok).unwrap_or(Err(missing)))
}

/// Whether the caller has a permission.
///
/// # Errors
/// Where it got lost.
pub fn has(caller: &Caller, permission: Permission) -> Result<(), Denial> {
    if caller.rights.contain(permission) && caller.role.rights().contain(permission) {
        return Ok(());
    }
    Err(Denial::Missing {
        permission,
        layer: layer(caller.role, caller.subject, permission),
    })
}

fn layer(role: Role, subject: Subject, permission: Permission) -> Layer {
    match subject {
        _ if !role.rights().contain(permission) => Layer::Role,
        Subject::Key(_) => Layer::KeyScope,
        Subject::User(_) | Subject::Client(_) => Layer::TokenScope,
    }
}

/// Who has no second factor cannot show it; who has one must have shown it lately.
fn is_stale(proof: Proof, Moment { now, has_factor }: Moment) -> bool {
    match proof {
        Proof::Secret => has_factor,
        Proof::SecondFactor { at } => now > at + STEP_UP_AGE_MAX || at > now + SKEW,
    }
}

#[cfg(test)]
mod tests;
