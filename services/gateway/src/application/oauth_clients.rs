//! Making and removing OAuth clients: service accounts, and applications that act for users.

use std::fmt;
use std::sync::Arc;

use secrecy::ExposeSecret;
use time::OffsetDateTime;
use tradepost_types::ClientId;

use super::api_keys::{ManageFault, ShownOnce, check_name, person};
use super::revocations::Revocations;
use super::sealing::{Hashed, Sealer};
use crate::domain::api_key::check_scope;
use crate::domain::caller::Caller;
use crate::domain::oauth::{
    Client, ClientKind, NAME_LEN_MAX, REDIRECT_URIS_MAX, RedirectUri, client_secret,
};
use crate::domain::rights::Rights;
use crate::ports::credentials::{ClientStore, CredentialError, NewClient};
use crate::ports::identity::{Author, RequestKey};

/// What a new client is to be.
#[derive(Debug, Clone)]
pub struct ClientWish {
    /// What people call it.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<RedirectUri>,
    /// The most it may ask for.
    pub scope: Rights,
    /// The id of the request.
    pub request_id: String,
}

/// Manages OAuth clients.
pub struct OAuthClients {
    store: Arc<dyn ClientStore>,
    revocations: Arc<Revocations>,
    sealer: Arc<Sealer>,
}

impl OAuthClients {
    /// Clients in this store.
    #[must_use]
    pub fn new(
        store: Arc<dyn ClientStore>,
        revocations: Arc<Revocations>,
        sealer: Arc<Sealer>,
    ) -> Self {
        Self {
            store,
            revocations,
            sealer,
        }
    }

    /// Makes a client.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn create(
        &self,
        caller: &Caller,
        author: &Author,
        wish: ClientWish,
        now: OffsetDateTime,
    ) -> Result<ShownOnce<Client>, ManageFault> {
        let (tenant, user) = person(caller)?;
        check_name(&wish.name, NAME_LEN_MAX)?;
        check_scope(wish.scope, caller.rights)?;
        check_places(&wish)?;
        let places: Vec<&str> = wish.redirect_uris.iter().map(RedirectUri::as_str).collect();
        let places = places.join(" ");
        let (name, kind, scope) = (&wish.name, wish.kind.as_str(), wish.scope);
        let said = format!("client\0{tenant}\0{name}\0{kind}\0{scope}\0{places}");
        let request = RequestKey {
            request_id: wish.request_id,
            fingerprint: self.sealer.hash(Hashed::Fingerprint, said.as_bytes()),
        };
        let id = ClientId::new();
        let secret = match wish.kind {
            ClientKind::Confidential => Some(client_secret(&rand::random())),
            ClientKind::Public => None,
        };
        let secret_hash = secret
            .as_ref()
            .map(|secret| hash_secret(&self.sealer, id, secret.expose_secret()));
        let new = NewClient {
            client: Client {
                id,
                tenant,
                name: wish.name,
                kind: wish.kind,
                redirect_uris: wish.redirect_uris,
                scope: wish.scope,
                created_by: user,
                created_at: now,
            },
            secret_hash,
        };
        let made = self.store.add(&new, &request, author).await?;
        let secret = secret.filter(|_| !made.is_replayed);
        Ok(ShownOnce { made, secret })
    }

    /// A client of the caller's tenant.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn find(&self, caller: &Caller, id: ClientId) -> Result<Client, ManageFault> {
        let tenant = caller.tenant.ok_or(CredentialError::NotFound)?;
        let found = self.store.find(tenant, id).await?;
        Ok(found.ok_or(CredentialError::NotFound)?)
    }

    /// The clients of the caller's tenant behind `after`.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn list(
        &self,
        caller: &Caller,
        after: Option<ClientId>,
        limit: i64,
    ) -> Result<Vec<Client>, ManageFault> {
        let Some(tenant) = caller.tenant else {
            return Ok(Vec::new());
        };
        Ok(self.store.list(tenant, after, limit).await?)
    }

    /// Removes a client: its tokens are refused everywhere within a second.
    ///
    /// # Errors
    /// [`ManageFault`].
    pub async fn remove(
        &self,
        caller: &Caller,
        author: &Author,
        id: ClientId,
    ) -> Result<(), ManageFault> {
        let (tenant, _) = person(caller)?;
        let revocation = self.store.remove(tenant, id, author).await?;
        self.revocations.add([revocation]);
        Ok(())
    }
}

impl fmt::Debug for OAuthClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClients").finish_non_exhaustive()
    }
}

/// The hash of a client's secret: good for that client only.
pub(super) fn hash_secret(sealer: &Sealer, id: ClientId, secret: &str) -> [u8; 32] {
    let message = [id.as_uuid().as_bytes().as_slice(), secret.as_bytes()].concat();
    sealer.hash(Hashed::OAuth, &message)
}

fn check_places(wish: &ClientWish) -> Result<(), ManageFault> {
    if wish.redirect_uris.len() > REDIRECT_URIS_MAX {
        let fault = format!("must not have more than {REDIRECT_URIS_MAX} entries");
        return Err(ManageFault::field("redirect_uris", fault));
    }
    // Without a place to send users to, a client that keeps no secret could do nothing at all.
    if wish.kind == ClientKind::Public && wish.redirect_uris.is_empty() {
        let fault = "must have an entry: a public client acts for users only";
        return Err(ManageFault::field("redirect_uris", fault));
    }
    Ok(())
}
