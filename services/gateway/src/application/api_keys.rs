//! Making, rotating and ending API keys. Only people do that, and none gives a key more than they
//! have themselves.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;
use time::OffsetDateTime;
use tradepost_types::{ApiKeyId, TenantId, UserId};

use super::key_callers::KeyCallers;
use super::revocations::Revocations;
use super::sealing::{Hashed, Sealer};
use crate::domain::api_key::{
    ApiKey, KeyText, LIFETIME_DEFAULT, LIFETIME_MAX, Mode, NAME_LEN_MAX, NETWORKS_MAX,
    OVERLAP_DEFAULT, OVERLAP_MAX, ScopeFault, check_scope,
};
use crate::domain::caller::Caller;
use crate::domain::network::Network;
use crate::domain::rights::Rights;
use crate::ports::credentials::{ApiKeyStore, CredentialError, NewApiKey, Replacement};
use crate::ports::identity::{Author, Made, RequestKey, StoreError};

/// What a new key is to be.
#[derive(Debug, Clone)]
pub struct KeyWish {
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub scope: Rights,
    /// From where it may be used; none: from everywhere.
    pub networks: Vec<Network>,
    /// When it runs out; 90 days from now if nobody says.
    pub expires_at: Option<OffsetDateTime>,
    /// The id of the request.
    pub request_id: String,
}

/// Something that was made, and its secret. There is no secret when the same request made it
/// before: a secret is shown once.
#[derive(Debug, Clone)]
pub struct ShownOnce<T> {
    /// The thing.
    pub made: Made<T>,
    /// Its secret.
    pub secret: Option<SecretString>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ManageFault {
    /// Credentials are managed by people, in a tenant.
    #[error("credentials are managed by people, not by programs")]
    NotAPerson,
    /// The scope is not to be given.
    #[error(transparent)]
    Scope(#[from] ScopeFault),
    /// A field cannot be as it is.
    #[error("{field} {fault}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it must be.
        fault: String,
    },
    /// The store says no.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

impl From<StoreError> for ManageFault {
    fn from(error: StoreError) -> Self {
        Self::Credential(error.into())
    }
}

impl ManageFault {
    pub(super) fn field(field: &'static str, fault: impl Into<String>) -> Self {
        Self::Field {
            field,
            fault: fault.into(),
        }
    }
}

/// Manages API keys.
pub struct ApiKeys {
    store: Arc<dyn ApiKeyStore>,
    callers: Arc<KeyCallers>,
    revocations: Arc<Revocations>,
    sealer: Arc<Sealer>,
    mode: Mode,
}

impl ApiKeys {
    /// Makes keys of this kind of installation.
    #[must_use]
    pub fn new(
        store: Arc<dyn ApiKeyStore>,
        callers: Arc<KeyCallers>,
        revocations: Arc<Revocations>,
        sealer: Arc<Sealer>,
        mode: Mode,
    ) -> Self {
        Self {
            store,
            callers,
            revocations,
            sealer,
            mode,
        }
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn create(
        &self,
        caller: &Caller,
        author: &Author,
        wish: KeyWish,
        now: OffsetDateTime,
    ) -> Result<ShownOnce<ApiKey>, ManageFault> {
        let (tenant, user) = person(caller)?;
        check_name(&wish.name, NAME_LEN_MAX)?;
        check_scope(wish.scope, caller.rights)?;
        if wish.networks.len() > NETWORKS_MAX {
            let fault = format!("must not have more than {NETWORKS_MAX} entries");
            return Err(ManageFault::field("networks", fault));
        }
        let expires_at = wish.expires_at.unwrap_or(now + LIFETIME_DEFAULT);
        if expires_at <= now || expires_at > now + LIFETIME_MAX {
            let fault = "must lie in the future, and within a year";
            return Err(ManageFault::field("expires_at", fault));
        }
        let fingerprint = fingerprint(tenant, &wish);
        let request = self.request(wish.request_id, &fingerprint);
        let id = ApiKeyId::new();
        let text = KeyText::new(self.mode, id, &rand::random());
        let new = NewApiKey {
            key: ApiKey {
                id,
                tenant,
                name: wish.name,
                mode: self.mode,
                scope: wish.scope,
                networks: wish.networks,
                created_by: user,
                created_at: now,
                expires_at,
                last_used_at: None,
                previous_until: None,
                revoked_at: None,
            },
            secret_hash: self.sealer.hash(Hashed::ApiKey, text.signed()),
        };
        let made = self.store.add(&new, &request, author).await?;
        Ok(shown_once(made, text.render()))
    }

    /// A key of the caller's tenant.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn find(&self, caller: &Caller, id: ApiKeyId) -> Result<ApiKey, ManageFault> {
        let tenant = caller.tenant.ok_or(CredentialError::NotFound)?;
        let found = self.store.find(tenant, id).await?;
        Ok(found.ok_or(CredentialError::NotFound)?)
    }

    /// A key of a tenant, for whoever has to know.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn known(
        &self,
        tenant: TenantId,
        id: ApiKeyId,
    ) -> Result<Option<ApiKey>, StoreError> {
        self.store.find(tenant, id).await
    }

    /// The keys of the caller's tenant behind `after`.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn list(
        &self,
        caller: &Caller,
        after: Option<ApiKeyId>,
        limit: i64,
    ) -> Result<Vec<ApiKey>, ManageFault> {
        let Some(tenant) = caller.tenant else {
            return Ok(Vec::new());
        };
        Ok(self.store.list(tenant, after, limit).await?)
    }

    /// Gives a key a new secret; the one it replaces goes on until `previous_until`, a day from now
    /// if nobody says. In other processes it may go on for as long as they remember keys.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn rotate(
        &self,
        caller: &Caller,
        author: &Author,
        rotation: KeyRotation,
        now: OffsetDateTime,
    ) -> Result<ShownOnce<ApiKey>, ManageFault> {
        let (tenant, _) = person(caller)?;
        let id = rotation.id;
        // Whoever rotates a key holds its secret then: they must be allowed what it allows.
        let key = self.store.find(tenant, id).await?;
        let key = key.ok_or(CredentialError::NotFound)?;
        check_scope(key.scope, caller.rights)?;
        let until = rotation.previous_until.unwrap_or(now + OVERLAP_DEFAULT);
        if until > now + OVERLAP_MAX {
            let fault = "must not be more than seven days from now";
            return Err(ManageFault::field("previous_until", fault));
        }
        let until_text = rotation.previous_until.map(OffsetDateTime::unix_timestamp);
        let said = format!("rotate\0{tenant}\0{id}\0{until_text:?}");
        let request = self.request(rotation.request_id, said.as_bytes());
        let text = KeyText::new(key.mode, id, &rand::random());
        let replacement = Replacement {
            tenant,
            id,
            secret_hash: self.sealer.hash(Hashed::ApiKey, text.signed()),
            previous_until: until.max(now),
        };
        let replaced = self.store.replace_secret(&replacement, &request, author);
        let made = replaced.await?;
        self.callers.forget(id);
        Ok(shown_once(made, text.render()))
    }

    /// Ends a key, here at once and everywhere within a second.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn revoke(
        &self,
        caller: &Caller,
        author: &Author,
        id: ApiKeyId,
    ) -> Result<(), ManageFault> {
        let (tenant, _) = person(caller)?;
        let revocation = self.store.revoke(tenant, id, author).await?;
        self.revocations.add([revocation]);
        self.callers.forget(id);
        Ok(())
    }

    fn request(&self, request_id: String, said: &[u8]) -> RequestKey {
        RequestKey {
            request_id,
            fingerprint: self.sealer.hash(Hashed::Fingerprint, said),
        }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").finish_non_exhaustive()
    }
}

/// Which key gets a new secret.
#[derive(Debug, Clone)]
pub struct KeyRotation {
    /// The key.
    pub id: ApiKeyId,
    /// Until when the secret it has goes on.
    pub previous_until: Option<OffsetDateTime>,
    /// The id of the request.
    pub request_id: String,
}

fn fingerprint(tenant: TenantId, wish: &KeyWish) -> Vec<u8> {
    let networks: Vec<String> = wish.networks.iter().map(ToString::to_string).collect();
    let expires_at = wish.expires_at.map(OffsetDateTime::unix_timestamp);
    let (name, scope, networks) = (&wish.name, wish.scope, networks.join(" "));
    format!("create\0{tenant}\0{name}\0{scope}\0{networks}\0{expires_at:?}").into_bytes()
}

/// The tenant and the user, if it is a person in a login of their own in a tenant who calls.
pub(super) fn person(caller: &Caller) -> Result<(TenantId, UserId), ManageFault> {
    match (caller.tenant, caller.person()) {
        (Some(tenant), Some((user, _))) => Ok((tenant, user)),
        (None, _) | (_, None) => Err(ManageFault::NotAPerson),
    }
}

/// A name that people can tell from others.
pub(super) fn check_name(name: &str, len_max: usize) -> Result<(), ManageFault> {
    let is_shown = !name.trim().is_empty()
        && name.chars().count() <= len_max
        && !name.chars().any(char::is_control);
    if is_shown {
        return Ok(());
    }
    let fault = format!("must have 1 to {len_max} characters, and none that does not show");
    Err(ManageFault::field("name", fault))
}

pub(super) fn shown_once<T>(made: Made<T>, secret: SecretString) -> ShownOnce<T> {
    let secret = (!made.is_replayed).then_some(secret);
    ShownOnce { made, secret }
}
