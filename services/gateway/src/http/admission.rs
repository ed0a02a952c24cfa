//! Letting somebody in who came by another way than a request here: a service has taken their
//! connection, and asks. They are judged by what the gate goes by, in its order.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use super::cors;
use super::gate;
use super::router::Gateway;
use crate::application::Watching;
use crate::domain::audit::{Entry, Origin, Outcome};
use crate::domain::caller::{Caller, Verified};
use crate::ports::{Refused, Unavailable};

/// The action in the audit trail.
const ACTION: &str = "access.admit";
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// How many requests of the caller's limit an admission is worth: as many as opening a socket here.
const COST: u32 = 1;

/// What somebody shows.
#[derive(Debug)]
pub enum Credentials {
    /// An access token.
    AccessToken(SecretString),
    /// An API key.
    ApiKey(SecretString),
    /// A ticket; it is used up by being shown.
    Ticket(SecretString),
}

/// Somebody who wants in.
#[derive(Debug)]
pub struct Presented {
    /// What they show.
    pub credentials: Credentials,
    /// From where.
    pub address: IpAddr,
    /// The page that calls for them, if it is one.
    pub origin: Option<String>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Their credentials are not taken.
    #[error("{detail}")]
    Unauthenticated {
        /// For programs, `UPPER_SNAKE`.
        reason: &'static str,
        /// For developers.
        detail: String,
    },
    /// They are good, but their tenant may not use the platform.
    #[error("the tenant is suspended")]
    Suspended,
    /// Pages of that origin may not call for them.
    #[error("pages of this origin may not call for the caller")]
    ForeignPage,
    /// They, or their address, came too often.
    #[error("too many requests")]
    TooMany(Duration),
    /// It cannot be found out now.
    #[error("this cannot be checked at the moment")]
    Unavailable,
}

impl NotAdmitted {
    /// The reason, as the gateway's own answers have it.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unauthenticated { reason, .. } => reason,
            Self::Suspended => "TENANT_SUSPENDED",
            Self::ForeignPage => cors::NOT_ALLOWED,
            Self::TooMany(_) => "RATE_LIMITED",
            Self::Unavailable => "IDENTITY_UNAVAILABLE",
        }
    }
}

impl From<Refused> for NotAdmitted {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid { reason, detail } | Refused::Malformed { reason, detail } => {
                Self::Unauthenticated { reason, detail }
            }
            Refused::Suspended => Self::Suspended,
            Refused::Unavailable(Unavailable) => Self::Unavailable,
        }
    }
}

impl From<Unavailable> for NotAdmitted {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

/// Lets in, and tells what has ended since. Cheap to clone.
#[derive(Clone)]
pub struct Admission(Arc<Gateway>);

impl Admission {
    /// By the guards of this gateway.
    #[must_use]
    pub const fn new(gateway: Arc<Gateway>) -> Self {
        Self(gateway)
    }

    /// Who it is, if they are let in.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    pub async fn admit(&self, presented: &Presented) -> Result<Verified, NotAdmitted> {
        let limits = &self.0.guards.limits;
        if let Some(delay) = limits.address(presented.address).await.refused {
            return Err(NotAdmitted::TooMany(delay));
        }
        let headers = headers(&presented.credentials)?;
        let verified = gate::verified(&self.0, &headers, presented.address, true).await?;
        // There is something in the headers: it is refused, or somebody's.
        let verified = verified.ok_or(NotAdmitted::Unavailable)?;
        let caller = &verified.caller;
        if let Err(why) = self.may_come(caller, presented.origin.as_deref()).await {
            self.note(caller, presented.address, &why).await;
            return Err(why);
        }
        match limits.identity(caller, COST).await.refused {
            Some(delay) => Err(NotAdmitted::TooMany(delay)),
            None => Ok(verified),
        }
    }

    /// A watcher that is told all from the beginning.
    #[must_use]
    pub fn watch(&self) -> Watching {
        let identity = &self.0.identity;
        Watching::new(
            Arc::clone(&identity.revocations),
            Arc::clone(&identity.directory),
        )
    }

    async fn may_come(&self, caller: &Caller, origin: Option<&str>) -> Result<(), NotAdmitted> {
        if let Some(tenant) = caller.tenant
            && !self.0.guards.directory.is_active(tenant).await?
        {
            return Err(NotAdmitted::Suspended);
        }
        match origin {
            Some(origin) if !cors::may_call_for(caller, origin, &self.0).await? => {
                Err(NotAdmitted::ForeignPage)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// As at the gate: what is denied to somebody who is known is in the trail.
    async fn note(&self, caller: &Caller, address: IpAddr, why: &NotAdmitted) {
        if matches!(why, NotAdmitted::Unavailable) {
            return;
        }
        let entry = Entry::of(caller, ACTION, Outcome::Denied)
            .from(Origin::new(Some(address), None))
            .because(why.reason());
        if self.0.guards.trail.record(entry).await.is_err() {
            tracing::error!(
                event = "audit.entry_lost",
                audit.action = ACTION,
                "what became of a call is not in the audit trail"
            );
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

/// The headers of a request that shows the same.
fn headers(credentials: &Credentials) -> Result<HeaderMap, NotAdmitted> {
    let (name, text) = match credentials {
        Credentials::AccessToken(token) => {
            (AUTHORIZATION, format!("Bearer {}", token.expose_secret()))
        }
        Credentials::ApiKey(key) => (API_KEY, key.expose_secret().to_owned()),
        Credentials::Ticket(ticket) => {
            (AUTHORIZATION, format!("Ticket {}", ticket.expose_secret()))
        }
    };
    let mut value = HeaderValue::try_from(text).map_err(|_control_characters| {
        NotAdmitted::Unauthenticated {
            reason: "CREDENTIALS_MALFORMED",
            detail: "the credentials hold characters that no credentials have".to_owned(),
        }
    })?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(name, value)]))
}
