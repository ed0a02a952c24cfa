//! Who may come in, and how long.

use std::num::NonZeroUsize;

use garde::Validate;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::Duration;
use tradepost_service::config::secret;
use tradepost_token::Algorithm;
use url::Url;

use crate::application::{HashSettings, Sealer, TokenSettings};
use crate::domain::session::Lifetimes;

/// Logins, tokens, passwords, keys.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// The URL under which this API is known, e.g. `https://api.example.com`: it stands in every
    /// token, and tokens of another one are refused.
    #[garde(custom(is_issuer))]
    pub issuer: Url,
    /// 32 random bytes in base64; everything secret in the database is sealed under it.
    #[garde(custom(is_master_key))]
    #[serde(serialize_with = "secret::mask")]
    pub master_key: SecretString,
    /// How access tokens are signed: `eddsa` or `es256`. Counts from the next key on.
    #[garde(skip)]
    #[serde(default)]
    pub algorithm: TokenAlgorithm,
    /// How long an access token lives.
    #[garde(range(min = 30, max = 3_600))]
    #[serde(default = "default_access_seconds")]
    pub access_seconds: u32,
    /// How long a refresh token lives that nobody uses.
    #[garde(range(min = 60, max = 31_536_000))]
    #[serde(default = "default_refresh_seconds")]
    pub refresh_seconds: u32,
    /// How long a session lives, however often it is refreshed.
    #[garde(range(min = 60, max = 31_536_000))]
    #[serde(default = "default_session_seconds")]
    pub session_seconds: u32,
    /// How long a used refresh token still answers with its successor: for answers that were lost
    /// and tabs that race.
    #[garde(range(max = 60))]
    #[serde(default = "default_grace_seconds")]
    pub refresh_grace_seconds: u32,
    /// How often it does.
    #[garde(range(max = 100))]
    #[serde(default = "default_replays_max")]
    pub refresh_replays_max: u16,
    /// How often revocations, tenants and keys are looked for. At most half a second: a revocation
    /// takes effect everywhere within one.
    #[garde(range(min = 10, max = 500))]
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// How many good signatures are remembered.
    #[garde(range(max = 10_000_000))]
    #[serde(default = "default_token_cache_entries")]
    pub token_cache_entries: u64,
    /// How long a key is published before it signs; others may keep the list of keys for 300 s.
    #[garde(range(max = 86_400))]
    #[serde(default = "default_key_lead_seconds")]
    pub key_lead_seconds: u32,
    /// After how many days a next key takes over by itself; 0: only by command.
    #[garde(range(max = 3_650))]
    #[serde(default = "default_key_rotation_days")]
    pub key_rotation_days: u16,
    /// How long an `Idempotency-Key` for users and tenants is remembered; a repetition after that
    /// is a new request.
    #[garde(range(min = 1, max = 8_760))]
    #[serde(default = "default_idempotency_retention_hours")]
    pub idempotency_retention_hours: u32,
    /// The hashes of passwords.
    #[garde(dive)]
    #[serde(default)]
    pub passwords: PasswordsConfig,
}

/// How access tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenAlgorithm {
    /// Ed25519.
    #[default]
    EdDsa,
    /// ECDSA on P-256, for clients that know no other.
    Es256,
}

impl From<TokenAlgorithm> for Algorithm {
    fn from(algorithm: TokenAlgorithm) -> Self {
        match algorithm {
            TokenAlgorithm::EdDsa => Self::EdDsa,
            TokenAlgorithm::Es256 => Self::Es256,
        }
    }
}

/// The hashes of passwords: Argon2id with one lane.
#[derive(Debug, Clone, Deserialize, Serialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordsConfig {
    /// Memory of one hash.
    #[garde(range(min = 19_456, max = 1_048_576))]
    pub memory_kib: u32,
    /// Passes over it.
    #[garde(range(min = 2, max = 10))]
    pub passes: u32,
    /// How many are made at once; 0: as many as there are cores.
    #[garde(range(max = 256))]
    pub at_once: usize,
    /// How many may wait for their turn; more are answered 503.
    #[garde(range(max = 10_000))]
    pub waiting_max: usize,
}

impl Default for PasswordsConfig {
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            at_once: 0,
            waiting_max: 64,
        }
    }
}

impl IdentityConfig {
    /// The defaults, for an issuer and a master key.
    #[must_use]
    pub fn new(issuer: Url, master_key: SecretString) -> Self {
        Self {
            issuer,
            master_key,
            algorithm: TokenAlgorithm::default(),
            access_seconds: default_access_seconds(),
            refresh_seconds: default_refresh_seconds(),
            session_seconds: default_session_seconds(),
            refresh_grace_seconds: default_grace_seconds(),
            refresh_replays_max: default_replays_max(),
            poll_ms: default_poll_ms(),
            token_cache_entries: default_token_cache_entries(),
            key_lead_seconds: default_key_lead_seconds(),
            key_rotation_days: default_key_rotation_days(),
            idempotency_retention_hours: default_idempotency_retention_hours(),
            passwords: PasswordsConfig::default(),
        }
    }

    /// The issuer as it stands in tokens: without the slash that a bare host gets.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.issuer.as_str().trim_end_matches('/').to_owned()
    }

    /// How long what lives.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        let seconds = |seconds: u32| Duration::seconds(i64::from(seconds));
        Lifetimes {
            access: seconds(self.access_seconds),
            refresh: seconds(self.refresh_seconds),
            session: seconds(self.session_seconds),
            grace: seconds(self.refresh_grace_seconds),
            replays_max: i32::from(self.refresh_replays_max),
        }
    }

    /// The same for access tokens.
    #[must_use]
    pub fn token_settings(&self) -> TokenSettings {
        TokenSettings {
            issuer: self.issuer(),
            lifetime: self.lifetimes().access,
            cache_entries: self.token_cache_entries,
        }
    }

    /// The same for passwords.
    #[must_use]
    pub const fn hash_settings(&self) -> HashSettings {
        HashSettings {
            memory_kib: self.passwords.memory_kib,
            passes: self.passwords.passes,
            at_once: NonZeroUsize::new(self.passwords.at_once),
            waiting_max: self.passwords.waiting_max,
        }
    }
}

fn is_issuer(issuer: &Url, (): &()) -> garde::Result {
    let is_bare = issuer.query().is_none() && issuer.fragment().is_none();
    match issuer.scheme() {
        "http" | "https" if is_bare && issuer.has_host() => Ok(()),
        _ => Err(garde::Error::new(
            "must be a URL of http or https without a query",
        )),
    }
}

fn is_master_key(key: &SecretString, (): &()) -> garde::Result {
    let read = Sealer::new(&key.expose_secret().into());
    read.map(|_sealer| ()).map_err(garde::Error::new)
}

const fn default_access_seconds() -> u32 {
    600
}

const fn default_refresh_seconds() -> u32 {
    14 * 86_400
}

const fn default_session_seconds() -> u32 {
    90 * 86_400
}

const fn default_grace_seconds() -> u32 {
    10
}

const fn default_replays_max() -> u16 {
    5
}

const fn default_poll_ms() -> u64 {
    300
}

const fn default_token_cache_entries() -> u64 {
    100_000
}

const fn default_key_lead_seconds() -> u32 {
    300
}

const fn default_key_rotation_days() -> u16 {
    30
}

const fn default_idempotency_retention_hours() -> u32 {
    168
}
