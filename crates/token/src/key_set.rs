//! The public keys that tokens may be signed with.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::jwk::Jwk;
use crate::strict_json;

/// The longest JWKS that is read.
const JWKS_BYTES_MAX: usize = 256 * 1024;
/// How many keys it may have.
const KEYS_MAX: usize = 50;

/// Why a text is no set of keys. No text here repeats a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeySetError {
    /// Longer than 256 KB.
    #[error("the key set is longer than 256 KB")]
    TooLarge,
    /// More than 50 keys.
    #[error("the key set has more than 50 keys")]
    TooMany,
    /// No key at all: it would lock everyone out.
    #[error("the key set has no key")]
    Empty,
    /// No `{"keys": […]}` of public Ed25519 and P-256 keys.
    #[error("the key set is not {{\"keys\": […]}} of public Ed25519 and P-256 keys")]
    Malformed,
    /// Two keys have one name.
    #[error("two keys of the set have the same kid")]
    KidTwice,
}

/// Public keys by name, each bound to the issuer it belongs to where that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<Bound>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) jwk: Jwk,
    pub(crate) issuer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    keys: Vec<Jwk>,
}

impl KeySet {
    /// These keys, of the one issuer that the verifier's policy names. Of two keys with one name
    /// the first counts.
    pub fn new(keys: impl IntoIterator<Item = Jwk>) -> Self {
        let mut names = HashSet::new();
        let keys = keys
            .into_iter()
            .filter(|jwk| names.insert(jwk.kid().to_owned()))
            .map(|jwk| Bound { jwk, issuer: None })
            .collect();
        Self { keys }
    }

    /// The keys of several issuers: what a key signs is taken only in the name of its own issuer,
    /// whatever the verifier's policy says.
    ///
    /// # Errors
    /// [`KeySetError::KidTwice`] when two keys have one name: whose token is it then?
    pub fn of_issuers(keys: impl IntoIterator<Item = (String, Jwk)>) -> Result<Self, KeySetError> {
        let keys: Vec<Bound> = keys
            .into_iter()
            .map(|(issuer, jwk)| Bound {
                jwk,
                issuer: Some(issuer),
            })
            .collect();
        names_differ(keys.iter().map(|key| &key.jwk))?;
        Ok(Self { keys })
    }

    /// Reads a JWKS document (RFC 7517) of at most 256 KB and 50 keys.
    ///
    /// # Errors
    /// Each fault has its variant of [`KeySetError`].
    pub fn from_jwks(text: &[u8]) -> Result<Self, KeySetError> {
        if text.len() > JWKS_BYTES_MAX {
            return Err(KeySetError::TooLarge);
        }
        let malformed = |_fault| KeySetError::Malformed;
        let members = strict_json::object(text).map_err(malformed)?;
        let many = members.get("keys").and_then(Value::as_array);
        if many.is_some_and(|keys| keys.len() > KEYS_MAX) {
            return Err(KeySetError::TooMany);
        }
        let wire: Wire = serde_json::from_value(Value::Object(members))
            .map_err(|_shape| KeySetError::Malformed)?;
        if wire.keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        names_differ(&wire.keys)?;
        Ok(Self::new(wire.keys))
    }

    /// The JWKS document.
    #[must_use]
    pub fn to_jwks(&self) -> Value {
        let keys = self.keys.iter().map(|key| &key.jwk);
        serde_json::json!({ "keys": keys.collect::<Vec<_>>() })
    }

    /// The key of that name.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&Jwk> {
        self.keys
            .iter()
            .map(|key| &key.jwk)
            .find(|jwk| jwk.kid() == kid)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none, so that nothing can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn into_keys(self) -> Vec<Bound> {
        self.keys
    }
}

fn names_differ<'key>(keys: impl IntoIterator<Item = &'key Jwk>) -> Result<(), KeySetError> {
    let mut names = HashSet::new();
    if keys.into_iter().all(|jwk| names.insert(jwk.kid())) {
        Ok(())
    } else {
        Err(KeySetError::KidTwice)
    }
}
