//! Who shows an API key: found out without I/O where that can be.
//!
//! A text that is no key never gets beyond its checksum. What the store said of a good one is
//! remembered for half a minute, of a bad one for a few seconds; whether it may be used now and from
//! there is looked at each time. What is revoked takes no notice of this memory: it is asked about
//! with every request, of whatever kind its credentials are.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use moka::Expiry;
use moka::sync::Cache;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tradepost_types::ApiKeyId;

use super::sealing::{Hashed, Sealer};
use crate::domain::api_key::{ApiKey, KeyFault, KeyText, Matched, Mode, ROLE};
use crate::domain::caller::{Caller, Plan, Proof, Subject};
use crate::ports::credentials::ApiKeyStore;
use crate::ports::identity::StoreError;
use crate::ports::{KeyAuthenticator, KeyRefused};

/// How long a good key is remembered.
const GOOD_FOR: Duration = Duration::from_secs(30);
/// How long a bad one is.
const BAD_FOR: Duration = Duration::from_secs(5);
/// How many are remembered.
const REMEMBERED_MAX: u64 = 50_000;
/// How exactly it is known when a key was last used.
const LAST_USED_GRAIN: time::Duration = time::Duration::minutes(5);

/// What the store said about a text.
#[derive(Debug, Clone)]
enum Known {
    Good(Arc<ApiKey>, Matched),
    /// Which key it claims to be.
    Bad(ApiKeyId),
}

impl Known {
    fn id(&self) -> ApiKeyId {
        match self {
            Self::Good(key, _) => key.id,
            Self::Bad(id) => *id,
        }
    }
}

struct Memory;

impl Expiry<[u8; 32], Known> for Memory {
    fn expire_after_create(&self, _: &[u8; 32], known: &Known, _: Instant) -> Option<Duration> {
        Some(match known {
            Known::Good(..) => GOOD_FOR,
            Known::Bad(_) => BAD_FOR,
        })
    }
}

/// Finds out who shows an API key.
pub struct KeyCallers {
    store: Arc<dyn ApiKeyStore>,
    sealer: Arc<Sealer>,
    mode: Mode,
    /// By the SHA-256 of the text: a dump of memory holds no key.
    known: Cache<[u8; 32], Known>,
}

impl KeyCallers {
    /// Takes keys of this kind of installation.
    #[must_use]
    pub fn new(store: Arc<dyn ApiKeyStore>, sealer: Arc<Sealer>, mode: Mode) -> Self {
        let known = Cache::builder()
            .max_capacity(REMEMBERED_MAX)
            .expire_after(Memory)
            .support_invalidation_closures()
            .build();
        Self {
            store,
            sealer,
            mode,
            known,
        }
    }

    /// Asks the store again about a key that has changed.
    pub fn forget(&self, id: ApiKeyId) {
        let forgotten = self
            .known
            .invalidate_entries_if(move |_, known| known.id() == id);
        // Fails only for a cache that was not built for it.
        if forgotten.is_err() {
            self.known.invalidate_all();
        }
    }

    async fn know(&self, text: &KeyText, digest: [u8; 32]) -> Result<Known, StoreError> {
        if let Some(known) = self.known.get(&digest) {
            return Ok(known);
        }
        let stored = self.store.look_up(text.id).await?;
        let known = stored.and_then(|stored| {
            let hash = self.sealer.hash(Hashed::ApiKey, text.signed());
            let matched = stored.secrets.matched(&hash)?;
            Some(Known::Good(Arc::new(stored.key), matched))
        });
        let known = known.unwrap_or(Known::Bad(text.id));
        self.known.insert(digest, known.clone());
        Ok(known)
    }

    /// Notes the use of a key, at most every few minutes. That it cannot be noted is no reason to
    /// refuse the call.
    async fn note(
        &self,
        key: &Arc<ApiKey>,
        matched: Matched,
        digest: [u8; 32],
        now: OffsetDateTime,
    ) {
        if key
            .last_used_at
            .is_some_and(|at| now - at < LAST_USED_GRAIN)
        {
            return;
        }
        // First, so that of many calls at once one writes.
        let noted = ApiKey {
            last_used_at: Some(now),
            ..ApiKey::clone(key)
        };
        self.known
            .insert(digest, Known::Good(Arc::new(noted), matched));
        if let Err(error) = self.store.used(key).await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                event = "api_key.use_not_noted",
                key = %key.id,
                error,
                "the last use of a key was not noted"
            );
        }
    }
}

#[async_trait]
impl KeyAuthenticator for KeyCallers {
    async fn caller(
        &self,
        presented: &str,
        address: Option<IpAddr>,
        now: OffsetDateTime,
    ) -> Result<Caller, KeyRefused> {
        let text = KeyText::parse(presented).map_err(|_fault| KeyRefused::Invalid)?;
        if text.mode != self.mode {
            return Err(KeyRefused::Invalid);
        }
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let known = self.know(&text, digest).await;
        let (key, matched) = match known {
            Ok(Known::Good(key, matched)) => (key, matched),
            Ok(Known::Bad(_)) => return Err(KeyRefused::Invalid),
            Err(_unavailable) => return Err(KeyRefused::Unavailable),
        };
        key.check(matched, address, now)
            .map_err(|fault| match fault {
                KeyFault::Address => KeyRefused::Address,
                KeyFault::Secret | KeyFault::Revoked | KeyFault::Expired => KeyRefused::Invalid,
            })?;
        self.note(&key, matched, digest, now).await;
        Ok(Caller {
            subject: Subject::Key(key.id),
            tenant: Some(key.tenant),
            role: ROLE,
            rights: ROLE.rights().and(key.scope),
            session: None,
            client: None,
            plan: Plan::default(),
            proof: Proof::Secret,
            expires_at: Some(key.expires_at),
        })
    }
}

impl fmt::Debug for KeyCallers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCallers").finish_non_exhaustive()
    }
}
