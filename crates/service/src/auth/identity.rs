//! Who a process is to those it calls.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use secrecy::SecretString;
use thiserror::Error;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tradepost_token::{KeyError, SignError, Signer, SigningKey};
use uuid::Uuid;

use super::caller::Claims;
use super::grant::{Bearer, Grant};
use super::{LIFETIME, TYP};
use crate::clock::Clock;
use crate::files::Files;

/// How long a token is handed out: what is left of its life is for the call.
const REUSE: Duration = Duration::from_secs(40);
/// How many tokens are kept.
const TOKENS_MAX: u64 = 50_000;

/// Why there is no identity.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The key file cannot be read.
    #[error("the private key {path:?} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds no private key.
    #[error("{path:?}: {source}")]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
}

/// Signs tokens in the name of this process. Cheap to clone.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    issuer: String,
    signer: ArcSwap<Signer>,
    tokens: Cache<Grant, Bearer>,
    clock: Clock,
}

impl Identity {
    /// The identity of a key that was read or made already.
    #[must_use]
    pub fn new(key: SigningKey, issuer: &str) -> Self {
        Self::with_clock(key, issuer, Clock::system())
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(key: SigningKey, issuer: &str, clock: Clock) -> Self {
        let tokens = Cache::builder()
            .max_capacity(TOKENS_MAX)
            .time_to_live(REUSE)
            .build();
        Self(Arc::new(Inner {
            issuer: issuer.to_owned(),
            signer: ArcSwap::from_pointee(Signer::new(key, TYP)),
            tokens,
            clock,
        }))
    }

    /// The identity of the private key in a file.
    ///
    /// # Errors
    /// [`IdentityError`]; no text of it shows the key.
    pub fn load(path: &Path, issuer: &str) -> Result<Self, IdentityError> {
        Ok(Self::new(read_key(path)?, issuer))
    }

    /// The name it signs in.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// A token of this grant with at least 20 seconds left. Equal grants get the same one.
    ///
    /// # Errors
    /// Fails when the cryptography does, or the grant is larger than any token.
    pub fn bearer(&self, grant: &Grant) -> Result<Bearer, SignError> {
        if let Some(bearer) = self.0.tokens.get(grant) {
            return Ok(bearer);
        }
        let rights = grant.rights.iter().map(|right| (*right).to_owned());
        let claims = claims(self.issuer(), self.0.clock.now(), grant, rights.collect());
        let token = self.0.signer.load().sign(&claims)?;
        let bearer = Bearer::of_token(&token).ok_or(SignError::Signature)?;
        self.0.tokens.insert(grant.clone(), bearer.clone());
        Ok(bearer)
    }

    /// Signs with another key from now on.
    pub fn replace_key(&self, key: SigningKey) {
        self.0.signer.store(Arc::new(Signer::new(key, TYP)));
        self.0.tokens.invalidate_all();
    }

    /// Follows the key file until shutdown.
    pub(crate) async fn follow(self, files: Files, poll: Duration, shutdown: CancellationToken) {
        files
            .follow("auth.key", poll, shutdown, |contents| {
                let text = contents.first().map(|bytes| String::from_utf8_lossy(bytes));
                let pem = SecretString::from(text.unwrap_or_default().into_owned());
                let key = SigningKey::from_pkcs8_pem(&pem)?;
                self.replace_key(key);
                Ok(())
            })
            .await;
    }
}

/// The claims of a token that is made at `now`.
pub(super) fn claims(
    issuer: &str,
    now: OffsetDateTime,
    grant: &Grant,
    rights: Vec<String>,
) -> Claims {
    let now = now.unix_timestamp();
    Claims {
        iss: issuer.to_owned(),
        aud: grant.audience.to_owned(),
        sub: grant.subject.clone(),
        tenant: grant.tenant.map(|tenant| tenant.to_string()),
        rights,
        customer: grant.customer,
        jti: Uuid::now_v7().simple().to_string(),
        iat: now,
        nbf: now,
        exp: now.saturating_add_unsigned(LIFETIME.as_secs()),
    }
}

pub(super) fn read_key(path: &Path) -> Result<SigningKey, IdentityError> {
    let pem = std::fs::read_to_string(path).map_err(|source| IdentityError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    SigningKey::from_pkcs8_pem(&SecretString::from(pem)).map_err(|source| IdentityError::NoKey {
        path: path.to_owned(),
        source,
    })
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}
