//! The token endpoint: a code, a client's own secret or a refresh token becomes an access token.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::Duration;
use tradepost_types::SessionId;

use super::super::access_tokens::Grant;
use super::super::sealing::Purpose;
use super::authorize::hash_code;
use super::{OAuth, OAuthFault, author};
use crate::domain::base62;
use crate::domain::caller::Subject;
use crate::domain::oauth::{Client, ClientKind, OAuthError};
use crate::domain::rights::{Rights, Role};
use crate::domain::session::Standing;
use crate::ports::credentials::{RedeemError, Redeeming};
use crate::ports::identity::{Author, Claim, OpenError, Opened, RefreshHash, Refreshed, Successor};

/// What a client wishes a token for.
#[derive(Debug, Clone)]
pub enum TokenWish {
    /// For a code that a user has got for it.
    Code {
        /// The code.
        code: SecretString,
        /// Where the user was sent with it.
        redirect_uri: String,
        /// What was hashed for the challenge.
        verifier: SecretString,
    },
    /// For itself.
    Own {
        /// What it wants to do; everything it may, if nobody says.
        scope: Option<String>,
    },
    /// For a refresh token.
    Refresh {
        /// The refresh token.
        token: SecretString,
    },
}

/// What a client gets.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The access token.
    pub access_token: SecretString,
    /// How long it lives.
    pub lifetime: Duration,
    /// The token for the next one; a client that acts for itself has none.
    pub refresh_token: Option<SecretString>,
    /// What it may do.
    pub scope: Rights,
}

impl OAuth {
    /// Grants a wish of a client that has shown who it is.
    ///
    /// # Errors
    /// [`OAuthFault`].
    pub async fn grant(
        &self,
        client: &Client,
        wish: TokenWish,
        stranger: &Author,
    ) -> Result<Issued, OAuthFault> {
        let author = author(client, stranger);
        match wish {
            TokenWish::Code {
                code,
                redirect_uri,
                verifier,
            } => {
                let verifier = verifier.expose_secret().to_owned();
                self.redeem(client, &code, redirect_uri, verifier, &author)
                    .await
            }
            TokenWish::Own { scope } => self.own(client, scope.as_deref(), &author).await,
            TokenWish::Refresh { token } => self.refresh(client, &token, &author).await,
        }
    }

    async fn own(
        &self,
        client: &Client,
        scope: Option<&str>,
        author: &Author,
    ) -> Result<Issued, OAuthFault> {
        if client.kind == ClientKind::Public {
            return Err(OAuthError::UnauthorizedClient.into());
        }
        let rights = client.narrow(scope)?.and(Role::Service.rights());
        let granted = self.parts.clients.granted(client, rights, author).await?;
        let now = granted.ok_or(OAuthError::InvalidClient)?;
        let token = self.parts.tokens.issue(&Grant {
            subject: Subject::Client(client.id),
            tenant: Some(client.tenant),
            role: Role::Service,
            rights,
            session: None,
            client: client.id.to_string(),
            authenticated_at: now,
            proof_at: None,
            now,
        })?;
        Ok(Issued {
            access_token: token.token,
            lifetime: token.lifetime,
            refresh_token: None,
            scope: rights,
        })
    }

    async fn redeem(
        &self,
        client: &Client,
        code: &SecretString,
        redirect_uri: String,
        verifier: String,
        author: &Author,
    ) -> Result<Issued, OAuthFault> {
        let refresh = SecretString::from(base62::encode(&rand::random()));
        let redeeming = Redeeming {
            hash: hash_code(&self.parts.sealer, client.tenant, code.expose_secret()),
            tenant: client.tenant,
            client: client.id,
            redirect_uri,
            verifier,
            session: SessionId::new(),
            refresh: refresh_hash(&refresh),
            lifetimes: self.parts.lifetimes,
        };
        match self.parts.codes.redeem(&redeeming, author).await {
            Ok(redeemed) => self.issue(&redeemed.opened, refresh),
            Err(RedeemError::Reused(revocation)) => {
                self.parts.revocations.add(revocation);
                Err(OAuthError::InvalidGrant.into())
            }
            Err(
                RedeemError::Unknown | RedeemError::Fault(_) | RedeemError::Open(OpenError::Barred),
            ) => Err(OAuthError::InvalidGrant.into()),
            Err(RedeemError::Open(OpenError::Store(error)) | RedeemError::Store(error)) => {
                Err(error.into())
            }
        }
    }

    async fn refresh(
        &self,
        client: &Client,
        presented: &SecretString,
        author: &Author,
    ) -> Result<Issued, OAuthFault> {
        let next = SecretString::from(base62::encode(&rand::random()));
        let place = presented.expose_secret().as_bytes();
        let sealer = &self.parts.sealer;
        let plain = next.expose_secret().as_bytes();
        let sealed = sealer.seal_with(Purpose::RefreshSuccessor, place, b"oauth", plain);
        let claim = Claim {
            presented: refresh_hash(presented),
            client: client.id.to_string(),
            successor: Successor {
                hash: refresh_hash(&next),
                sealed: sealed.map_err(|_sealing| OAuthError::ServerError)?,
            },
            lifetimes: self.parts.lifetimes,
        };
        match self.parts.sessions.refresh(&claim, author).await? {
            Refreshed::Claimed(opened) => self.issue(&opened, next),
            Refreshed::Replayed(opened, sealed) => {
                let opened_token =
                    sealer.open_with(Purpose::RefreshSuccessor, place, b"oauth", &sealed);
                let token = opened_token.map_err(|_sealing| OAuthError::ServerError)?;
                let token = String::from_utf8_lossy(&token).into_owned();
                self.issue(&opened, token.into())
            }
            Refreshed::Reused(_, revocation) => {
                self.parts.revocations.add(revocation);
                Err(OAuthError::InvalidGrant.into())
            }
            Refreshed::Superseded | Refreshed::Invalid => Err(OAuthError::InvalidGrant.into()),
        }
    }

    fn issue(&self, opened: &Opened, refresh: SecretString) -> Result<Issued, OAuthFault> {
        let standing: &Standing = &opened.standing;
        let token = self.parts.tokens.issue(&Grant::from(standing))?;
        Ok(Issued {
            access_token: token.token,
            lifetime: token.lifetime,
            refresh_token: Some(refresh),
            scope: standing.rights(),
        })
    }
}

/// What is kept of a refresh token: 256 random bits need no salt.
pub(super) fn refresh_hash(token: &SecretString) -> RefreshHash {
    RefreshHash(Sha256::digest(token.expose_secret().as_bytes()).into())
}
