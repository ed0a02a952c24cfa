//! Access tokens: made and verified with keys that come and go.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as StdDuration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use tradepost_token::{
    Algorithm, Jwk, KeyError, KeySet, Policy, SignError, Signer, SigningKey, TokenError, Verifier,
};
use tradepost_types::{SessionId, TenantId};
use uuid::Uuid;

use super::claims::{AUDIENCE, AccessClaims, TOKEN_TYPE, Wire};
use super::sealing::{Purpose, SealError, Sealer};
use crate::domain::caller::Subject;
use crate::domain::rights::{Rights, Role};
use crate::domain::session::Standing;
use crate::ports::identity::{NewSigningKey, StoredKey};

/// By how much the clocks of processes may differ.
const SKEW: StdDuration = StdDuration::from_secs(30);

/// How tokens are made.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// Who issues them: the URL under which this API is known.
    pub issuer: String,
    /// How long they live.
    pub lifetime: Duration,
    /// How many good signatures are remembered.
    pub cache_entries: u64,
}

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who acts.
    pub subject: Subject,
    /// Where; nowhere for an operator.
    pub tenant: Option<TenantId>,
    /// What the subject is there.
    pub role: Role,
    /// What the token allows of that.
    pub rights: Rights,
    /// The login it belongs to; every user's token has one.
    pub session: Option<SessionId>,
    /// The client it is issued to.
    pub client: String,
    /// When the subject showed a secret.
    pub authenticated_at: OffsetDateTime,
    /// When a second factor was last shown.
    pub proof_at: Option<OffsetDateTime>,
    /// The time now, by the database's clock: revocations bear the same.
    pub now: OffsetDateTime,
}

impl From<&Standing> for Grant {
    fn from(standing: &Standing) -> Self {
        Self {
            subject: Subject::User(standing.user),
            tenant: standing.tenant,
            role: standing.role,
            rights: standing.rights(),
            session: Some(standing.session),
            client: standing.client.clone(),
            authenticated_at: standing.created_at,
            proof_at: standing.proof_at,
            now: standing.now,
        }
    }
}

/// A token that was made.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub token: SecretString,
    /// Its `jti`.
    pub id: Uuid,
    /// How long it lives.
    pub lifetime: Duration,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No key signs now.
    #[error("there is no key that signs")]
    NoKey,
    /// The key failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A key of the store that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// It was sealed under another master key.
    #[error(
        "a signing key cannot be opened: identity.master_key is not the one it was sealed under"
    )]
    Sealed(#[from] SealError),
    /// It is no key.
    #[error("a signing key cannot be read")]
    Key(#[from] KeyError),
    /// Its public part is no JWK.
    #[error("the public part of a signing key cannot be read")]
    Public(#[from] serde_json::Error),
    /// Its name or algorithm is not what the row says.
    #[error("a signing key is not the one its row names")]
    Another,
}

/// Makes and verifies access tokens.
pub struct AccessTokens {
    settings: TokenSettings,
    sealer: Arc<Sealer>,
    verifier: Verifier<AccessClaims>,
    keys: ArcSwap<Keys>,
    /// Held while keys change.
    updating: Mutex<()>,
}

#[derive(Default)]
struct Keys {
    signing: Vec<Signing>,
    published: Vec<String>,
    jwks: Bytes,
}

struct Signing {
    row: StoredKey,
    signer: Arc<Signer>,
}

impl AccessTokens {
    /// Without keys; [`update`](Self::update) brings them.
    #[must_use]
    pub fn new(settings: TokenSettings, sealer: Arc<Sealer>) -> Self {
        let policy = Policy {
            issuer: settings.issuer.clone(),
            audience: AUDIENCE.to_owned(),
            typ: TOKEN_TYPE,
            lifetime_max: settings.lifetime.unsigned_abs(),
            skew: SKEW,
        };
        Self {
            verifier: Verifier::new(policy, KeySet::default(), settings.cache_entries),
            settings,
            sealer,
            keys: ArcSwap::default(),
            updating: Mutex::default(),
        }
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(&self, grant: &Grant) -> Result<AccessToken, IssueError> {
        let keys = self.keys.load();
        let signer = keys.signer(grant.now).ok_or(IssueError::NoKey)?;
        let id = Uuid::now_v7();
        let issued = grant.now.unix_timestamp();
        let mut methods = vec!["pwd".to_owned()];
        if grant.proof_at.is_some() {
            methods.push("otp".to_owned());
        }
        let micros = grant.now.unix_timestamp_nanos() / 1_000;
        let token = signer.sign(&Wire {
            iss: self.settings.issuer.clone(),
            aud: vec![AUDIENCE.to_owned()],
            sub: grant.subject.to_string(),
            client_id: grant.client.clone(),
            jti: id,
            sid: grant.session.map(|session| session.to_string()),
            org: grant.tenant.map(|tenant| tenant.to_string()),
            role: grant.role.to_string(),
            scope: grant.rights.to_string(),
            auth_time: grant.authenticated_at.unix_timestamp(),
            amr: methods,
            otp_at: grant.proof_at.map(OffsetDateTime::unix_timestamp),
            iat: issued,
            nbf: issued,
            exp: issued.saturating_add(self.settings.lifetime.whole_seconds()),
            iat_us: i64::try_from(micros).unwrap_or(i64::MAX),
        })?;
        Ok(AccessToken {
            token: token.into(),
            id,
            lifetime: self.settings.lifetime,
        })
    }

    /// What a token says, if it is to be believed at `now`. It may be revoked all the same.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn verify(
        &self,
        token: &str,
        now: OffsetDateTime,
    ) -> Result<Arc<AccessClaims>, TokenError> {
        self.verifier.verify(token, now)
    }

    /// The public keys, as a JWKS document.
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        self.keys.load().jwks.clone()
    }

    /// Of how many keys tokens are taken.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.load().published.len()
    }

    /// Whether a key signs at `now`.
    #[must_use]
    pub fn signs(&self, now: OffsetDateTime) -> bool {
        self.keys.load().signer(now).is_some()
    }

    /// Trusts and signs with these keys, as far as their times allow at `now`.
    ///
    /// # Errors
    /// [`KeyFault`]; then everything stays as it was.
    pub fn update(&self, rows: &[StoredKey], now: OffsetDateTime) -> Result<(), KeyFault> {
        let _alone = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.keys.load();
        let is_published = |row: &&StoredKey| {
            row.publish_at <= now && row.retire_at.is_none_or(|retire_at| now < retire_at)
        };
        let published: Vec<&StoredKey> = rows.iter().filter(is_published).collect();
        if current.are(&published) {
            return Ok(());
        }
        let keys = published.iter().map(|row| {
            let known = current
                .signing
                .iter()
                .find(|known| known.row.kid == row.kid);
            let signer = match known {
                Some(known) => Arc::clone(&known.signer),
                None => Arc::new(self.open(row)?),
            };
            let row = StoredKey::clone(row);
            Ok(Signing { row, signer })
        });
        let signing = keys.collect::<Result<Vec<_>, KeyFault>>()?;
        let public = published
            .iter()
            .map(|row| serde_json::from_str(&row.public_jwk));
        let public = public.collect::<Result<Vec<Jwk>, _>>()?;
        let set = KeySet::new(public);
        let jwks = Bytes::from(set.to_jwks().to_string());
        let published = published.iter().map(|row| row.kid.clone()).collect();
        // Verified before it signs: no other request may meet a token of a key unknown here.
        self.verifier.replace_keys(set);
        self.keys.store(Arc::new(Keys {
            signing,
            published,
            jwks,
        }));
        Ok(())
    }

    fn open(&self, row: &StoredKey) -> Result<Signer, KeyFault> {
        let place = row.kid.as_bytes();
        let pem = self
            .sealer
            .open(Purpose::SigningKey, place, &row.private_sealed)?;
        let pem = String::from_utf8_lossy(&pem).into_owned();
        let key = SigningKey::from_pkcs8_pem(&pem.into())?;
        if key.kid() != row.kid || key.algorithm().as_str() != row.algorithm {
            return Err(KeyFault::Another);
        }
        Ok(Signer::new(key, TOKEN_TYPE))
    }
}

/// A new key for the store.
///
/// # Errors
/// [`KeyFault`].
pub fn generate_key(sealer: &Sealer, algorithm: Algorithm) -> Result<NewSigningKey, KeyFault> {
    seal_key(sealer, &SigningKey::generate(algorithm)?)
}

/// A key that was made elsewhere, for the store.
///
/// # Errors
/// [`KeyFault`].
pub fn seal_key(sealer: &Sealer, key: &SigningKey) -> Result<NewSigningKey, KeyFault> {
    let pem = key.to_pkcs8_pem();
    let plain = pem.expose_secret().as_bytes();
    Ok(NewSigningKey {
        kid: key.kid().to_owned(),
        algorithm: key.algorithm().as_str().to_owned(),
        private_sealed: sealer.seal(Purpose::SigningKey, key.kid().as_bytes(), plain)?,
        public_jwk: serde_json::to_string(&key.public_jwk())?,
    })
}

impl Keys {
    /// The newest key whose time to sign has come. If the next one is late, the old one goes on:
    /// it is published for longer than it signs.
    fn signer(&self, now: OffsetDateTime) -> Option<&Signer> {
        let begun = self.signing.iter().filter(|key| key.row.sign_from <= now);
        let newest = begun.max_by_key(|key| key.row.sign_from);
        newest.map(|key| key.signer.as_ref())
    }

    fn are(&self, rows: &[&StoredKey]) -> bool {
        let mut same = self.published.len() == rows.len() && !rows.is_empty();
        for (known, row) in self.signing.iter().zip(rows) {
            same &= known.row == **row;
        }
        same
    }
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokens")
            .field("published", &self.keys.load().published)
            .finish_non_exhaustive()
    }
}
