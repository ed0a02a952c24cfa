//! Access tokens of many users, signed with a key that the gateway was given.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use tradepost_token::{Algorithm, SignError, Signer, SigningKey};
use tradepost_types::{SessionId, TenantId, UserId};

/// As long as the gateway lets an access token live.
const LIFETIME: Duration = Duration::from_secs(600);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The key does not sign.
    #[error("the key does not sign")]
    Sign(#[from] SignError),
    /// There is none.
    #[error("there is no key to sign with")]
    NoKey,
    /// The clock stands before 1970.
    #[error("the clock is wrong")]
    Clock(#[from] std::time::SystemTimeError),
}

/// Makes tokens as the gateway would.
pub struct Issuer {
    keys: Vec<Key>,
    issuer: String,
    tenant: TenantId,
    users: Vec<UserId>,
}

/// A key that signs, and how.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    signer: Signer,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: [&'static str; 1],
    sub: String,
    client_id: &'static str,
    jti: String,
    sid: String,
    org: String,
    role: &'static str,
    scope: &'static str,
    auth_time: u64,
    amr: [&'static str; 1],
    iat: u64,
    nbf: u64,
    exp: u64,
    iat_us: u128,
}

impl Issuer {
    /// Tokens that say `issuer` and `tenant`, for so many users, signed with one of `keys`.
    #[must_use]
    pub fn new(keys: Vec<SigningKey>, issuer: String, tenant: TenantId, users: usize) -> Self {
        let keys = keys.into_iter().map(|key| Key {
            algorithm: key.algorithm(),
            signer: Signer::new(key, "at+jwt"),
        });
        Self {
            keys: keys.collect(),
            issuer,
            tenant,
            users: (0..users).map(|_| UserId::new()).collect(),
        }
    }

    /// The keys, the first one first.
    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// So many tokens signed with `key`, the users taking turns.
    ///
    /// # Errors
    /// [`IssuerError`].
    #[expect(
        clippy::disallowed_methods,
        reason = "the tokens have to be valid by the gateway's clock"
    )]
    pub(super) fn tokens(&self, key: &Key, count: usize) -> Result<Vec<String>, IssuerError> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let seconds = now.as_secs();
        let users = self.users.iter().cycle().take(count);
        users
            .map(|user| {
                let session = SessionId::new();
                let claims = Claims {
                    iss: &self.issuer,
                    aud: ["tradepost"],
                    sub: user.to_string(),
                    client_id: "tradepost",
                    jti: session.as_uuid().simple().to_string(),
                    sid: session.to_string(),
                    org: self.tenant.to_string(),
                    role: "support",
                    scope: "orders:read orders:cancel",
                    auth_time: seconds,
                    amr: ["pwd"],
                    iat: seconds,
                    nbf: seconds,
                    exp: seconds + LIFETIME.as_secs(),
                    iat_us: now.as_micros(),
                };
                Ok(key.signer.sign(&claims)?)
            })
            .collect()
    }
}
