//! Tenants, for those who run the platform.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tradepost_types::{TenantId, UserId};

use super::directory::Directory;
use super::passwords::{HashError, Passwords};
use super::revocations::Revocations;
use super::sealing::Sealer;
use super::users::fingerprint;
use crate::domain::caller::Plan;
use crate::domain::email::Email;
use crate::domain::password::{self, PasswordFault};
use crate::domain::tenant::{Tenant, TenantName, TenantState};
use crate::ports::identity::{
    Author, Made, NewTenant, RequestKey, StoreError, TenantChange, TenantError, TenantStore,
};

/// A tenant to be made.
#[derive(Debug, Clone)]
pub struct Founding {
    /// What it is called.
    pub name: TenantName,
    /// What it has paid for.
    pub plan: Plan,
    /// The address of its first owner.
    pub owner_email: Email,
    /// The first password of an owner who is no user yet.
    pub owner_password: Option<SecretString>,
}

/// Why nothing was done about a tenant.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// The owner's password is not taken.
    #[error(transparent)]
    Password(#[from] PasswordFault),
    /// The password was not hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store did not do it.
    #[error(transparent)]
    Tenant(#[from] TenantError),
}

impl From<StoreError> for ManageError {
    fn from(error: StoreError) -> Self {
        Self::Tenant(error.into())
    }
}

/// Looks after tenants.
#[derive(Clone)]
pub struct Tenants {
    /// Where they are kept.
    pub store: Arc<dyn TenantStore>,
    /// What hashes passwords.
    pub passwords: Arc<Passwords>,
    /// What learns of tenants.
    pub directory: Arc<Directory>,
    /// What learns of revocations.
    pub revocations: Arc<Revocations>,
    /// What makes fingerprints.
    pub sealer: Arc<Sealer>,
}

impl Tenants {
    /// Makes a tenant and its first owner.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn found(
        &self,
        founding: Founding,
        request_id: String,
        author: &Author,
    ) -> Result<Made<Tenant>, ManageError> {
        let given = founding.owner_password.as_ref();
        let parts = [
            founding.name.as_str(),
            founding.plan.as_str(),
            founding.owner_email.as_str(),
            given.map(ExposeSecret::expose_secret).unwrap_or_default(),
        ];
        let fingerprint = fingerprint(&self.sealer, &parts);
        let owner_password_hash = match given {
            Some(given) => {
                password::check(given.expose_secret(), &founding.owner_email)?;
                Some(self.passwords.hash(given).await?)
            }
            None => None,
        };
        let new = NewTenant {
            tenant: TenantId::new(),
            name: founding.name,
            plan: founding.plan,
            owner_email: founding.owner_email,
            owner: UserId::new(),
            owner_password_hash,
        };
        let key = RequestKey {
            request_id,
            fingerprint,
        };
        let made = self.store.add(&new, &key, author).await?;
        self.directory.learn([made.made.clone()]);
        Ok(made)
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn find(&self, tenant: TenantId) -> Result<Tenant, ManageError> {
        let found = self.store.find(tenant).await?;
        Ok(found.ok_or(TenantError::NotFound)?)
    }

    /// The tenants behind `after`.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list(
        &self,
        after: Option<TenantId>,
        limit: i64,
    ) -> Result<Vec<Tenant>, ManageError> {
        Ok(self.store.list(after, limit).await?)
    }

    /// Changes a tenant.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn change(
        &self,
        tenant: TenantId,
        change: &TenantChange,
        author: &Author,
    ) -> Result<Tenant, ManageError> {
        let changed = self.store.change(tenant, change, author).await?;
        self.directory.learn([changed.clone()]);
        Ok(changed)
    }

    /// Suspends or resumes a tenant.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn set_state(
        &self,
        tenant: TenantId,
        state: TenantState,
        author: &Author,
    ) -> Result<Tenant, ManageError> {
        let changed = self.store.set_state(tenant, state, author).await?;
        self.directory.learn([changed.clone()]);
        Ok(changed)
    }

    /// Ends all sessions in a tenant.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn revoke(&self, tenant: TenantId, author: &Author) -> Result<(), ManageError> {
        let revoked = self.store.revoke(tenant, author).await?;
        self.revocations.add([revoked]);
        Ok(())
    }
}
