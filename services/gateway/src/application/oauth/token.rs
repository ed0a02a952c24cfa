//! The token endpoint: a code, a client's own secret or a refresh token becomes an access token.

use secrecy::{ExposeSecret, SecretString};
use time::Duration;
use tradepost_types::SessionId;

use super::super::access_tokens::Grant;
use super::super::sessions::{self, SessionError};
use super::authorize::hash_code;
use super::{OAuth, OAuthFault, author};
use crate::domain::caller::Subject;
use crate::domain::oauth::{Client, ClientKind, OAuthError};
use crate::domain::rights::{Rights, Role};
use crate::domain::session::Standing;
use crate::ports::credentials::{RedeemError, Redeeming};
use crate::ports::identity::{Author, OpenError, Opened};

/// What a client wishes a token for.
#[derive(Debug, Clone)]
pub enum TokenWish {
    /// For a code that a user has got for it.
    Code(CodeShown),
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

/// A code as a client shows it.
#[derive(Debug, Clone)]
pub struct CodeShown {
    /// The code.
    pub code: SecretString,
    /// Where the user was sent with it.
    pub redirect_uri: String,
    /// What was hashed for the challenge.
    pub verifier: SecretString,
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
            TokenWish::Code(shown) => self.redeem(client, shown, &author).await,
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
        let granted = self.clients.granted(client, rights, author).await?;
        let now = granted.ok_or(OAuthError::InvalidClient)?;
        let token = self.sessions.tokens.issue(&Grant {
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
        shown: CodeShown,
        author: &Author,
    ) -> Result<Issued, OAuthFault> {
        let code = shown.code.expose_secret();
        let refresh = sessions::generate().map_err(SessionError::from)?;
        let redeeming = Redeeming {
            hash: hash_code(&self.sessions.sealer, client.tenant, code),
            tenant: client.tenant,
            client: client.id,
            redirect_uri: shown.redirect_uri,
            verifier: shown.verifier.expose_secret().to_owned(),
            session: SessionId::new(),
            refresh: sessions::hash(&refresh),
            lifetimes: self.sessions.lifetimes,
        };
        match self.codes.redeem(&redeeming, author).await {
            Ok(redeemed) => self.issue(&redeemed.opened, refresh),
            Err(RedeemError::Reused(revocation)) => {
                self.sessions.revocations.add(revocation);
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
        let name = client.id.to_string();
        let issued = self.sessions.refresh(presented, &name, author).await?;
        Ok(Issued {
            access_token: issued.access.token,
            lifetime: issued.access.lifetime,
            refresh_token: Some(issued.refresh),
            scope: issued.opened.standing.rights(),
        })
    }

    fn issue(&self, opened: &Opened, refresh: SecretString) -> Result<Issued, OAuthFault> {
        let standing: &Standing = &opened.standing;
        let token = self.sessions.tokens.issue(&Grant::from(standing))?;
        Ok(Issued {
            access_token: token.token,
            lifetime: token.lifetime,
            refresh_token: Some(refresh),
            scope: standing.rights(),
        })
    }
}
