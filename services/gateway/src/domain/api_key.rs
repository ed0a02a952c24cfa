//! API keys: their text, and whether one is good.
//!
//! `tp_live_{id}_{secret}_{checksum}`: the id finds the key, the secret shows that the caller has
//! it, and the checksum over all before it tells a mistyped or made-up key without asking anyone.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};
use tradepost_types::{ApiKeyId, TenantId, UserId};

use super::base62::{CHECKSUM_LEN, SECRET_LEN, checksum, encode, is_base62};
use super::network::Network;
use super::rights::{Rights, Role, Unknown};

/// How long a key lives if nobody says.
pub const LIFETIME_DEFAULT: Duration = Duration::days(90);
/// How long a key may live.
pub const LIFETIME_MAX: Duration = Duration::days(365);
/// How long the secret before the last stays good if nobody says.
pub const OVERLAP_DEFAULT: Duration = Duration::days(1);
/// How long it may.
pub const OVERLAP_MAX: Duration = Duration::days(7);
/// How many networks a key may be bound to.
pub const NETWORKS_MAX: usize = 50;
/// The longest name of a key, in characters.
pub const NAME_LEN_MAX: usize = 100;
/// What a key is: a program of its tenant.
pub const ROLE: Role = Role::Service;

/// Of what kind of installation a key is: one of a test installation is refused by a live one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Real orders and real money.
    Live,
    /// Neither.
    Test,
}

impl Mode {
    const ALL: [Self; 2] = [Self::Live, Self::Test];

    /// The text outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Live => "tp_live_",
            Self::Test => "tp_test_",
        }
    }
}

impl FromStr for Mode {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let found = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        found.ok_or_else(|| Unknown(text.to_owned()))
    }
}

/// Why a text is no key. Callers are told neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextFault {
    /// It does not have the form of a key.
    #[error("it does not have the form of a key")]
    Form,
    /// Its checksum is another one's.
    #[error("its checksum is wrong")]
    Checksum,
}

/// The text of a key, taken apart.
#[derive(Debug, Clone)]
pub struct KeyText {
    /// Of what kind of installation it is.
    pub mode: Mode,
    /// Which key it claims to be.
    pub id: ApiKeyId,
    /// All before the checksum: what is hashed, so that a secret is good for its own key only.
    signed: SecretString,
}

impl KeyText {
    /// The text of a key with a new secret.
    #[must_use]
    pub fn new(mode: Mode, id: ApiKeyId, secret: &[u8; 32]) -> Self {
        let id_text = id.to_string();
        let id_text = id_text.rsplit('_').next().unwrap_or_default();
        let signed = format!("{}{id_text}_{}", mode.prefix(), encode(secret));
        Self {
            mode,
            id,
            signed: signed.into(),
        }
    }

    /// Takes a text apart, after a look at its checksum.
    ///
    /// # Errors
    /// [`KeyTextFault`].
    pub fn parse(text: &str) -> Result<Self, KeyTextFault> {
        let mut modes = Mode::ALL.into_iter();
        let found = modes.find_map(|mode| Some((mode, text.strip_prefix(mode.prefix())?)));
        let (mode, rest) = found.ok_or(KeyTextFault::Form)?;
        let mut parts = rest.split('_');
        let (Some(id), Some(secret), Some(sum), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyTextFault::Form);
        };
        let id = format!("{}_{id}", ApiKeyId::PREFIX).parse();
        let id = id.map_err(|_malformed| KeyTextFault::Form)?;
        let is_formed =
            secret.len() == SECRET_LEN && is_base62(secret) && sum.len() == CHECKSUM_LEN;
        let Some(signed) = text
            .strip_suffix(sum)
            .and_then(|text| text.strip_suffix('_'))
        else {
            return Err(KeyTextFault::Form);
        };
        if !is_formed {
            return Err(KeyTextFault::Form);
        }
        if checksum(signed) != sum {
            return Err(KeyTextFault::Checksum);
        }
        Ok(Self {
            mode,
            id,
            signed: signed.to_owned().into(),
        })
    }

    /// What is hashed.
    #[must_use]
    pub fn signed(&self) -> &[u8] {
        self.signed.expose_secret().as_bytes()
    }

    /// The whole text, to be shown once.
    #[must_use]
    pub fn render(&self) -> SecretString {
        let signed = self.signed.expose_secret();
        format!("{signed}_{}", checksum(signed)).into()
    }
}

/// A key without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose rows it reaches.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// Of what kind of installation it is.
    pub mode: Mode,
    /// What it allows.
    pub scope: Rights,
    /// From where it may be used; none: from everywhere.
    pub networks: Vec<Network>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it runs out.
    pub expires_at: OffsetDateTime,
    /// When it was last used, give or take five minutes.
    pub last_used_at: Option<OffsetDateTime>,
    /// Until when the secret before the last is good.
    pub previous_until: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
}

/// Why a key is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The secret is another one's, or was replaced.
    #[error("the secret is wrong")]
    Secret,
    /// It was revoked.
    #[error("the key was revoked")]
    Revoked,
    /// It ran out.
    #[error("the key has expired")]
    Expired,
    /// It must not be used from there.
    #[error("the key must not be used from this address")]
    Address,
}

/// The hashes of a key's secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeySecrets {
    /// Of the one that was made last.
    pub current: [u8; 32],
    /// Of the one before.
    pub previous: Option<[u8; 32]>,
}

impl fmt::Debug for KeySecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySecrets").finish_non_exhaustive()
    }
}

/// Which of a key's secrets was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// The one that was made last.
    Current,
    /// The one before.
    Previous,
}

impl KeySecrets {
    /// Which secret has this hash; in the same time for each answer.
    #[must_use]
    pub fn matched(&self, hash: &[u8; 32]) -> Option<Matched> {
        let is_current = bool::from(self.current.ct_eq(hash));
        // Compared in any case, so that the time does not tell whether there is one.
        let previous = self.previous.unwrap_or(self.current);
        let is_previous = bool::from(previous.ct_eq(hash));
        if is_current {
            return Some(Matched::Current);
        }
        is_previous.then_some(Matched::Previous)
    }
}

impl ApiKey {
    /// Whether the key, shown with that secret, is good there and now.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn check(
        &self,
        matched: Matched,
        address: Option<IpAddr>,
        now: OffsetDateTime,
    ) -> Result<(), KeyFault> {
        let is_replaced = match matched {
            Matched::Current => false,
            Matched::Previous => self.previous_until.is_none_or(|until| until <= now),
        };
        if is_replaced {
            return Err(KeyFault::Secret);
        }
        if self.revoked_at.is_some() {
            return Err(KeyFault::Revoked);
        }
        if self.expires_at <= now {
            return Err(KeyFault::Expired);
        }
        let is_there = |network: &Network| address.is_some_and(|address| network.contains(address));
        if !self.networks.is_empty() && !self.networks.iter().any(is_there) {
            return Err(KeyFault::Address);
        }
        Ok(())
    }
}

/// Why a key may not be given this scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeFault {
    /// It allows nothing at all.
    #[error("a scope must allow something")]
    Empty,
    /// No program may do that: managing keys, users and the tenant is for people.
    #[error("the scope holds what no program may do")]
    NotForPrograms,
    /// Its maker may not do that themselves.
    #[error("the scope goes beyond the rights of its maker")]
    BeyondMaker,
}

/// Whether a program may be given `scope` by someone with the rights of `maker`.
///
/// # Errors
/// [`ScopeFault`].
pub fn check_scope(scope: Rights, maker: Rights) -> Result<(), ScopeFault> {
    if scope == Rights::NONE {
        Err(ScopeFault::Empty)
    } else if !scope.within(ROLE.rights()) {
        Err(ScopeFault::NotForPrograms)
    } else if !scope.within(maker) {
        Err(ScopeFault::BeyondMaker)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
