//! The users of a tenant: made, changed and removed by those of its members who may.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use tradepost_types::{TenantId, UserId};
use zeroize::Zeroizing;

use super::passwords::{HashError, Passwords};
use super::revocations::Revocations;
use super::sealing::{Hashed, Sealer};
use crate::domain::caller::{Caller, Subject};
use crate::domain::email::Email;
use crate::domain::membership::{Member, RoleFault, may_give};
use crate::domain::password::{self, PasswordFault};
use crate::domain::rights::Role;
use crate::ports::identity::{
    Author, Made, MemberError, NewMember, PasswordChange, RequestKey, RoleChange, StoreError,
    UserStore,
};

/// 144 bits: nobody types it twice.
const GENERATED_LEN: usize = 18;

/// Someone to be made a member.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Their address.
    pub email: Email,
    /// What they are to be.
    pub role: Role,
    /// Their first password; left out, one is made.
    pub password: Option<SecretString>,
}

/// A member that was made.
#[derive(Debug)]
pub struct Invited {
    /// The member.
    pub member: Made<Member>,
    /// The password that was made for them. Only the first answer has it.
    pub password: Option<SecretString>,
}

/// Why nothing was done about a user.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The caller belongs to no tenant.
    #[error("operators have no users: log in to a tenant")]
    NoTenant,
    /// The password is not taken.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The current password is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// The caller is a program.
    #[error("only users have a password")]
    NoUser,
    /// The password was not hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store did not do it.
    #[error(transparent)]
    Member(#[from] MemberError),
}

impl From<RoleFault> for UserError {
    fn from(fault: RoleFault) -> Self {
        Self::Member(fault.into())
    }
}

impl From<StoreError> for UserError {
    fn from(error: StoreError) -> Self {
        Self::Member(error.into())
    }
}

/// Looks after users.
#[derive(Clone)]
pub struct Users {
    /// Where they are kept.
    pub store: Arc<dyn UserStore>,
    /// What hashes their passwords.
    pub passwords: Arc<Passwords>,
    /// What learns of revocations.
    pub revocations: Arc<Revocations>,
    /// What makes fingerprints.
    pub sealer: Arc<Sealer>,
}

impl Users {
    /// Makes a user and their membership.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn invite(
        &self,
        invitation: Invitation,
        request_id: String,
        caller: &Caller,
        author: &Author,
    ) -> Result<Invited, UserError> {
        let tenant = tenant_of(caller)?;
        may_give(caller.role, None, invitation.role)?;
        let given = invitation
            .password
            .as_ref()
            .map(ExposeSecret::expose_secret);
        let email = invitation.email.as_str();
        let parts = [email, invitation.role.as_str(), given.unwrap_or_default()];
        let fingerprint = fingerprint(&self.sealer, &parts);
        let (password, generated) = self.first_password(&invitation)?;
        let new = NewMember {
            user: UserId::new(),
            tenant,
            email: invitation.email,
            role: invitation.role,
            password_hash: self.passwords.hash(&password).await?,
        };
        let key = RequestKey {
            request_id,
            fingerprint,
        };
        let member = self.store.add(&new, &key, author).await?;
        let password = generated.filter(|_| !member.is_replayed);
        Ok(Invited { member, password })
    }

    fn first_password(
        &self,
        invitation: &Invitation,
    ) -> Result<(SecretString, Option<SecretString>), UserError> {
        if let Some(given) = &invitation.password {
            password::check(given.expose_secret(), &invitation.email)?;
            return Ok((given.clone(), None));
        }
        let made = generate_password()?;
        Ok((made.clone(), Some(made)))
    }

    /// One member of the caller's tenant.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn find(&self, user: UserId, caller: &Caller) -> Result<Member, UserError> {
        let found = self.store.member(tenant_of(caller)?, user).await?;
        Ok(found.ok_or(MemberError::NotFound)?)
    }

    /// The members of the caller's tenant behind `after`.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn list(
        &self,
        after: Option<UserId>,
        limit: i64,
        caller: &Caller,
    ) -> Result<Vec<Member>, UserError> {
        let tenant = tenant_of(caller)?;
        Ok(self.store.members(tenant, after, limit).await?)
    }

    /// Makes a member something else.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn set_role(
        &self,
        user: UserId,
        role: Role,
        caller: &Caller,
        author: &Author,
    ) -> Result<Member, UserError> {
        let tenant = tenant_of(caller)?;
        if caller.subject == Subject::User(user) {
            return Err(RoleFault::Own.into());
        }
        let change = RoleChange {
            tenant,
            user,
            role,
            actor_role: caller.role,
        };
        let (member, revoked) = self.store.set_role(&change, author).await?;
        self.revocations.add(revoked);
        Ok(member)
    }

    /// Ends a membership.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn remove(
        &self,
        user: UserId,
        caller: &Caller,
        author: &Author,
    ) -> Result<(), UserError> {
        let tenant = tenant_of(caller)?;
        let removed = self.store.remove(tenant, user, caller.role, author).await?;
        self.revocations.add([removed]);
        Ok(())
    }

    /// Ends the sessions of a member.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn revoke(
        &self,
        user: UserId,
        caller: &Caller,
        author: &Author,
    ) -> Result<(), UserError> {
        let tenant = tenant_of(caller)?;
        let store = &self.store;
        let revoked = store
            .revoke_member(tenant, user, caller.role, author)
            .await?;
        self.revocations.add([revoked]);
        Ok(())
    }

    /// Changes the caller's own password; their other sessions end.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn change_password(
        &self,
        current: &SecretString,
        new: &SecretString,
        caller: &Caller,
        author: &Author,
    ) -> Result<(), UserError> {
        let Subject::User(user) = caller.subject else {
            return Err(UserError::NoUser);
        };
        let account = self.store.find(user).await?.ok_or(MemberError::NotFound)?;
        let hash = account.password_hash.as_deref();
        if !self.passwords.verify(current, hash).await? {
            return Err(UserError::WrongPassword);
        }
        password::check(new.expose_secret(), &account.email)?;
        let change = PasswordChange {
            user,
            password_hash: self.passwords.hash(new).await?,
            kept: caller.session,
        };
        let revoked = self.store.set_password(&change, author).await?;
        self.revocations.add(revoked);
        Ok(())
    }
}

fn tenant_of(caller: &Caller) -> Result<TenantId, UserError> {
    caller.tenant.ok_or(UserError::NoTenant)
}

/// A password that nobody chose.
///
/// # Errors
/// [`HashError::Failed`] when the system has no randomness.
pub fn generate_password() -> Result<SecretString, HashError> {
    let mut secret = Zeroizing::new([0; GENERATED_LEN]);
    aws_lc_rs::rand::fill(secret.as_mut_slice()).map_err(|_unspecified| HashError::Failed)?;
    Ok(URL_SAFE_NO_PAD.encode(secret.as_slice()).into())
}

/// What must be the same when a key is used again. It is keyed, because a password among the parts
/// could be guessed from a plain hash.
pub(super) fn fingerprint(sealer: &Sealer, parts: &[&str]) -> [u8; 32] {
    let mut message = Zeroizing::new(Vec::new());
    for part in parts {
        message.extend_from_slice(&part.len().to_be_bytes());
        message.extend_from_slice(part.as_bytes());
    }
    sealer.hash(Hashed::Fingerprint, &message)
}
