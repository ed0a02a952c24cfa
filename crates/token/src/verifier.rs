//! Takes tokens, or says why not.
//!
//! A good signature is remembered by the hash of the token, since it stays good for as long as its
//! key is trusted. What passes with time is looked at on each use.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::TOKEN_BYTES_MAX;
use crate::algorithm::Algorithm;
use crate::claims::{self, Times};
use crate::compact::Compact;
use crate::error::TokenError;
use crate::key_set::KeySet;
use crate::ring::{Key, Ring};
use crate::strict_json::{self, Fault};

/// Which tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Who must have issued them, unless the key is bound to its issuer.
    pub issuer: String,
    /// For whom they must be: one audience of the token must be it.
    pub audience: String,
    /// The `typ` of the header.
    pub typ: &'static str,
    /// How long a token may live, from `iat` to `exp`.
    pub lifetime_max: Duration,
    /// By how much the clocks may differ.
    pub skew: Duration,
}

/// Verifies tokens whose claims are a `C`.
pub struct Verifier<C> {
    policy: Policy,
    keys: ArcSwap<Ring>,
    /// Held while the keys are replaced: two at once would not see each other's keys go.
    replacing: Mutex<()>,
    seen: Cache<[u8; 32], Seen<C>>,
}

/// A token that was verified once.
struct Seen<C> {
    key: Arc<Key>,
    times: Times,
    claims: Arc<C>,
}

impl<C> Clone for Seen<C> {
    fn clone(&self) -> Self {
        Self {
            key: Arc::clone(&self.key),
            times: self.times,
            claims: Arc::clone(&self.claims),
        }
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Verifier<C> {
    /// Takes what `policy` allows and `keys` have signed, and remembers so many good signatures.
    #[must_use]
    pub fn new(policy: Policy, keys: KeySet, cache_entries: u64) -> Self {
        let seen = Cache::builder()
            .max_capacity(cache_entries)
            .time_to_live(policy.lifetime_max + policy.skew * 2)
            .build();
        Self {
            policy,
            keys: ArcSwap::from_pointee(Ring::succeed(&Ring::default(), keys)),
            replacing: Mutex::new(()),
            seen,
        }
    }

    /// Trusts these keys and no others from now on. What a removed key has signed is refused at
    /// its next use, however good its signature was.
    pub fn replace_keys(&self, keys: KeySet) {
        let _alone = self
            .replacing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let old = self.keys.load_full();
        let new = Arc::new(Ring::succeed(&old, keys));
        self.keys.store(Arc::clone(&new));
        old.retire(&new);
    }

    /// What the token says, if it is to be believed at `now`.
    ///
    /// # Errors
    /// Every reason has its variant of [`TokenError`].
    pub fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Arc<C>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLarge);
        }
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(seen) = self.seen.get(&hash) {
            if !seen.key.removed() {
                seen.times.check(&self.policy, now)?;
                return Ok(seen.claims);
            }
            self.seen.invalidate(&hash);
        }
        let seen = self.verify_unseen(token, now)?;
        let claims = Arc::clone(&seen.claims);
        self.seen.insert(hash, seen);
        Ok(claims)
    }

    fn verify_unseen(&self, token: &str, now: OffsetDateTime) -> Result<Seen<C>, TokenError> {
        let policy = &self.policy;
        let parts = Compact::split(token)?;
        let header = parts.header()?;
        let algorithm = Algorithm::find(&header.alg).ok_or(TokenError::AlgorithmRefused)?;
        let keys = self.keys.load();
        let key = keys.find(&header.kid).ok_or(TokenError::KeyUnknown)?;
        if key.algorithm() != algorithm {
            return Err(TokenError::AlgorithmRefused);
        }
        if header.typ.as_deref() != Some(policy.typ) {
            return Err(TokenError::TypeWrong);
        }
        key.verify(parts.message, parts.signature)?;

        let members = strict_json::object(&parts.claims()?).map_err(|fault| match fault {
            Fault::Malformed => TokenError::ClaimsMalformed,
            Fault::Duplicate => TokenError::DuplicateMember,
        })?;
        claims::check_issuer(&members, key.issuer().unwrap_or(&policy.issuer))?;
        claims::check_audience(&members, &policy.audience)?;
        let times = Times::read(&members)?;
        times.check(policy, now)?;
        let claims = serde_json::from_value(Value::Object(members))
            .map_err(|_shape| TokenError::ClaimsMalformed)?;
        Ok(Seen {
            key: Arc::clone(key),
            times,
            claims: Arc::new(claims),
        })
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
