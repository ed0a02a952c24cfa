//! The keys a verifier uses now, and those it uses no more.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jsonwebtoken::{DecodingKey, crypto};

use crate::algorithm::Algorithm;
use crate::error::TokenError;
use crate::key_set::{Bound, KeySet};

/// The keys by name.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    keys: HashMap<String, Arc<Key>>,
}

/// One key, shared with every cached token that it has signed.
#[derive(Debug)]
pub(crate) struct Key {
    bound: Bound,
    decoding: DecodingKey,
    /// Set when the key leaves its ring: what it has signed is worth nothing from then on.
    removed: AtomicBool,
}

impl Ring {
    /// The keys of `set`. A key that `old` has too stays the same one, and so do the tokens that
    /// are known to be signed with it.
    pub(crate) fn succeed(old: &Self, set: KeySet) -> Self {
        let keys = set.into_keys().into_iter().map(|bound| {
            let name = bound.jwk.kid().to_owned();
            match old.keys.get(&name) {
                Some(key) if key.bound == bound => (name, Arc::clone(key)),
                Some(_) | None => (name, Arc::new(Key::new(bound))),
            }
        });
        Self {
            keys: keys.collect(),
        }
    }

    /// Marks the keys that `next` does not have.
    pub(crate) fn retire(&self, next: &Self) {
        for (name, key) in &self.keys {
            let stays = next
                .keys
                .get(name)
                .is_some_and(|other| Arc::ptr_eq(other, key));
            if !stays {
                key.removed.store(true, Ordering::Release);
            }
        }
    }

    pub(crate) fn find(&self, kid: &str) -> Option<&Arc<Key>> {
        self.keys.get(kid)
    }
}

impl Key {
    fn new(bound: Bound) -> Self {
        Self {
            decoding: bound.jwk.decoding(),
            bound,
            removed: AtomicBool::new(false),
        }
    }

    pub(crate) fn removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.bound.jwk.algorithm()
    }

    /// Whose key it is, where that is said.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.bound.issuer.as_deref()
    }

    /// Checks a signature, given as it stands in the token.
    pub(crate) fn verify(&self, message: &[u8], signature: &str) -> Result<(), TokenError> {
        let algorithm = self.algorithm().into();
        match crypto::verify(signature, message, &self.decoding, algorithm) {
            Ok(true) => Ok(()),
            Ok(false) => Err(TokenError::SignatureWrong),
            Err(_spelling) => Err(TokenError::Malformed),
        }
    }
}
