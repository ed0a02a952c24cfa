//! A user lets a client act for them.

use secrecy::SecretString;
use tradepost_types::TenantId;

use super::super::sealing::{Hashed, Sealer};
use super::super::second_factors::person_in_session;
use super::{OAuth, OAuthFault};
use crate::domain::base62;
use crate::domain::caller::{Caller, Proof};
use crate::domain::oauth::{Client, OAuthError};
use crate::domain::pkce::Challenge;
use crate::domain::rights::Rights;
use crate::ports::credentials::NewCode;
use crate::ports::identity::Author;

/// What a client asks a user for, as it came.
#[derive(Debug, Clone)]
pub struct AuthorizationWish {
    /// Which client.
    pub client_id: String,
    /// Where the user is to be sent back to.
    pub redirect_uri: String,
    /// What it wants back.
    pub response_type: Option<String>,
    /// What it wants to do; everything it may, if nobody says.
    pub scope: Option<String>,
    /// The proof it will give.
    pub code_challenge: Option<String>,
    /// By which method.
    pub code_challenge_method: Option<String>,
}

/// What a client may ask a user for.
#[derive(Debug, Clone)]
pub struct Approved {
    /// The client.
    pub client: Client,
    /// What it may do.
    pub scope: Rights,
    /// The proof it will give.
    pub challenge: Challenge,
}

impl OAuth {
    /// The client of a wish, if the user may be sent back where it says. Without that, the user
    /// must not be sent anywhere: the place would be an attacker's.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`], [`OAuthError::InvalidRequest`].
    pub async fn client_of(&self, wish: &AuthorizationWish) -> Result<Client, OAuthFault> {
        let unknown = || OAuthFault::new(OAuthError::InvalidClient, "the client is not known");
        let id = wish.client_id.parse().map_err(|_malformed| unknown())?;
        let stored = self.clients.look_up(id).await?.ok_or_else(unknown)?;
        if !self.is_active(stored.client.tenant).await? {
            return Err(unknown());
        }
        if !stored.client.admits(&wish.redirect_uri) {
            let detail = "redirect_uri is not one that the client has registered";
            return Err(OAuthFault::new(OAuthError::InvalidRequest, detail));
        }
        Ok(stored.client)
    }

    /// What the client of a wish may ask a user for. What is wrong with it is for the client to
    /// know: the user is sent back with it.
    ///
    /// # Errors
    /// [`OAuthFault`].
    pub fn approve(
        &self,
        client: Client,
        wish: &AuthorizationWish,
    ) -> Result<Approved, OAuthFault> {
        if wish.response_type.as_deref() != Some("code") {
            return Err(OAuthError::UnsupportedResponseType.into());
        }
        let challenge = Challenge::parse(
            wish.code_challenge.as_deref(),
            wish.code_challenge_method.as_deref(),
        )
        .map_err(|fault| OAuthFault::new(OAuthError::InvalidRequest, fault.to_string()))?;
        let scope = client.narrow(wish.scope.as_deref())?;
        Ok(Approved {
            client,
            scope,
            challenge,
        })
    }

    /// The code that the client redeems, for a user who agrees. It never allows more than the user
    /// has; an application that acts for the user cannot agree in their name.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`] for a client of another tenant, as for one that is not there;
    /// [`OAuthError::UnauthorizedClient`] when no person in a login of their own calls;
    /// [`OAuthError::InvalidScope`] when nothing is left of the scope.
    pub async fn agree(
        &self,
        caller: &Caller,
        approved: &Approved,
        redirect_uri: &str,
        author: &Author,
    ) -> Result<SecretString, OAuthFault> {
        let client = &approved.client;
        if caller.tenant != Some(client.tenant) {
            let detail = "the client is not known";
            return Err(OAuthFault::new(OAuthError::InvalidClient, detail));
        }
        let (user, session) = person_in_session(caller)
            .map_err(|error| OAuthFault::new(OAuthError::UnauthorizedClient, error.to_string()))?;
        let scope = approved.scope.and(caller.rights);
        if scope == Rights::NONE {
            let detail = "the user has none of the rights that the client asks for";
            return Err(OAuthFault::new(OAuthError::InvalidScope, detail));
        }
        let code = base62::encode(&rand::random());
        let new = NewCode {
            hash: hash_code(&self.sessions.sealer, client.tenant, &code),
            tenant: client.tenant,
            client: client.id,
            user,
            session,
            redirect_uri: redirect_uri.to_owned(),
            challenge: approved.challenge,
            scope,
            proof_at: match caller.proof {
                Proof::Secret => None,
                Proof::SecondFactor { at } => Some(at),
            },
        };
        self.codes.add(&new, author).await?;
        Ok(code.into())
    }
}

/// The hash of a code: good in its tenant only.
pub(super) fn hash_code(sealer: &Sealer, tenant: TenantId, code: &str) -> [u8; 32] {
    let message = [tenant.as_uuid().as_bytes().as_slice(), code.as_bytes()].concat();
    sealer.hash(Hashed::OAuth, &message)
}
