//! Who calls: reads what a request shows, and says whom to believe it is.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use time::OffsetDateTime;
use tradepost_token::TokenError;
use tradepost_types::TenantId;

use super::access_tokens::AccessTokens;
use super::directory::Directory;
use super::revocations::Revocations;
use crate::domain::caller::{Caller, Plan, Verified};
use crate::domain::revocation::{Basis, Revoked};
use crate::domain::tenant::TenantState;
use crate::metrics::IdentityMetrics;
use crate::ports::identity::StoreError;
use crate::ports::{KeyAuthenticator, KeyRefused};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// What every API key begins with, and no access token.
const API_KEY_PREFIX: &str = "tp_";

/// Why credentials are not taken. They then count as refused, never as none.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Two credentials: which of them counts would be a guess.
    #[error("show one credential: a bearer token or an API key, once")]
    Ambiguous,
    /// The header holds something else.
    #[error("the header Authorization must be `Bearer` and a token")]
    Malformed,
    /// The token is no good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token was good until it was revoked.
    #[error("the credentials were revoked")]
    Revoked(Revoked),
    /// The API key is no good.
    #[error("the API key is not valid")]
    Key,
    /// The API key is good, but not from here.
    #[error("the API key must not be used from this address")]
    KeyAddress,
    /// The ticket is no good.
    #[error("the ticket is not valid: it was used, has run out, or is none")]
    Ticket,
    /// The tenant may not use the platform at present.
    #[error("your tenant is suspended")]
    Suspended,
    /// They cannot be checked at the moment.
    #[error("credentials cannot be checked at the moment")]
    Unavailable,
}

impl Refused {
    /// The reason for programs.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Ambiguous => "CREDENTIALS_AMBIGUOUS",
            Self::Malformed => "CREDENTIALS_MALFORMED",
            Self::Token(error) => error.reason(),
            Self::Revoked(_) => "CREDENTIALS_REVOKED",
            Self::Key => "API_KEY_INVALID",
            Self::KeyAddress => "API_KEY_ADDRESS",
            Self::Ticket => "TICKET_INVALID",
            Self::Suspended => "TENANT_SUSPENDED",
            Self::Unavailable => "CREDENTIALS_UNAVAILABLE",
        }
    }
}

impl From<StoreError> for Refused {
    fn from(_: StoreError) -> Self {
        Self::Unavailable
    }
}

/// Finds out who calls.
pub struct Authenticator {
    tokens: Arc<AccessTokens>,
    keys: Arc<dyn KeyAuthenticator>,
    revocations: Arc<Revocations>,
    directory: Arc<Directory>,
    metrics: IdentityMetrics,
}

/// What a request shows.
enum Shown<'a> {
    Nothing,
    Bearer(&'a str),
    Key(&'a str),
}

impl Authenticator {
    /// The parts it asks.
    #[must_use]
    pub fn new(
        tokens: Arc<AccessTokens>,
        keys: Arc<dyn KeyAuthenticator>,
        revocations: Arc<Revocations>,
        directory: Arc<Directory>,
        metrics: IdentityMetrics,
    ) -> Self {
        Self {
            tokens,
            keys,
            revocations,
            directory,
            metrics,
        }
    }

    /// The caller by the headers of a request from `address`; `None` when they show nothing.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
        now: OffsetDateTime,
    ) -> Result<Option<Caller>, Refused> {
        let verified = self.verify(headers, address, now).await?;
        Ok(verified.map(|verified| verified.caller))
    }

    /// As [`caller`](Self::caller), with what the credentials rest on.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn verify(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
        now: OffsetDateTime,
    ) -> Result<Option<Verified>, Refused> {
        let (kind, verified) = match shown(headers) {
            Ok(Shown::Nothing) => return Ok(None),
            Ok(Shown::Bearer(token)) => ("token", self.bearer(token, now).await),
            Ok(Shown::Key(key)) => ("api_key", self.key(key, address, now).await),
            Err(refused) => ("unclear", Err(refused)),
        };
        let outcome = verified.as_ref().err().map_or("taken", Refused::reason);
        self.metrics.shown(kind, outcome);
        verified.map(Some)
    }

    /// What a ticket stood for, if that is still good.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn ticket(
        &self,
        taken: Option<Verified>,
        now: OffsetDateTime,
    ) -> Result<Verified, Refused> {
        let judged = match taken {
            Some(verified) => self.judge_again(verified, now).await,
            None => Err(Refused::Ticket),
        };
        let outcome = judged.as_ref().err().map_or("taken", Refused::reason);
        self.metrics.shown("ticket", outcome);
        judged
    }

    /// Judges credentials that were verified before: whether they have run out, were revoked, or
    /// their tenant may not use the platform by now.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn judge_again(
        &self,
        mut verified: Verified,
        now: OffsetDateTime,
    ) -> Result<Verified, Refused> {
        if verified.caller.expires_at.is_some_and(|at| at <= now) {
            return Err(Refused::Token(TokenError::Expired));
        }
        self.check_revoked(&verified.basis)?;
        if let Some(tenant) = verified.caller.tenant {
            verified.caller.plan = self.plan(tenant).await?;
        }
        Ok(verified)
    }

    /// The caller by an access token, wherever it came from.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn bearer(&self, token: &str, now: OffsetDateTime) -> Result<Verified, Refused> {
        let claims = self.tokens.verify(token, now)?;
        let basis = claims.basis;
        self.check_revoked(&basis)?;
        let plan = match basis.tenant {
            Some(tenant) => self.plan(tenant).await?,
            None => Plan::default(),
        };
        let caller = Caller {
            subject: basis.subject,
            tenant: basis.tenant,
            role: claims.role,
            rights: claims.rights,
            session: basis.session,
            client: basis.client,
            plan,
            proof: claims.proof,
            expires_at: Some(claims.expires_at),
        };
        Ok(Verified { caller, basis })
    }

    async fn key(
        &self,
        presented: &str,
        address: Option<IpAddr>,
        now: OffsetDateTime,
    ) -> Result<Verified, Refused> {
        let found = self.keys.caller(presented, address, now).await;
        let caller = found.map_err(|refused| match refused {
            KeyRefused::Invalid => Refused::Key,
            KeyRefused::Address => Refused::KeyAddress,
            KeyRefused::Unavailable => Refused::Unavailable,
        })?;
        let mut verified = Verified::of(caller, now);
        self.check_revoked(&verified.basis)?;
        if let Some(tenant) = verified.caller.tenant {
            verified.caller.plan = self.plan(tenant).await?;
        }
        Ok(verified)
    }

    fn check_revoked(&self, basis: &Basis) -> Result<(), Refused> {
        let revoked = self.revocations.find(basis);
        revoked.map_or(Ok(()), |part| Err(Refused::Revoked(part)))
    }

    /// The plan of a tenant that may use the platform.
    async fn plan(&self, tenant: TenantId) -> Result<Plan, Refused> {
        let tenant = self.directory.tenant(tenant).await?;
        // Tenants are never deleted: a token of one that is not there is none of ours.
        let tenant = tenant.ok_or(Refused::Token(TokenError::ClaimsMalformed))?;
        match tenant.state {
            TenantState::Active => Ok(tenant.plan),
            TenantState::Suspended => Err(Refused::Suspended),
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

fn shown(headers: &HeaderMap) -> Result<Shown<'_>, Refused> {
    let mut bearers = headers.get_all(AUTHORIZATION).iter();
    let mut keys = headers.get_all(API_KEY).iter();
    match (bearers.next(), bearers.next(), keys.next(), keys.next()) {
        (None, None, None, None) => Ok(Shown::Nothing),
        (Some(value), None, None, None) => {
            let text = value.to_str().map_err(|_binary| Refused::Malformed)?;
            let (scheme, token) = text.split_once(' ').ok_or(Refused::Malformed)?;
            if !scheme.eq_ignore_ascii_case("Bearer") || token.is_empty() {
                return Err(Refused::Malformed);
            }
            Ok(match token.starts_with(API_KEY_PREFIX) {
                true => Shown::Key(token),
                false => Shown::Bearer(token),
            })
        }
        (None, None, Some(value), None) => match value.to_str() {
            Ok(key) => Ok(Shown::Key(key)),
            Err(_binary) => Err(Refused::Key),
        },
        _ => Err(Refused::Ambiguous),
    }
}
