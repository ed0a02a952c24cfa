//! Makes tokens.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use thiserror::Error;

use crate::TOKEN_BYTES_MAX;
use crate::key::SigningKey;

/// Why a token was not made.
#[derive(Debug, Error)]
pub enum SignError {
    /// The claims are not JSON.
    #[error("the claims cannot be written")]
    Claims(#[source] serde_json::Error),
    /// The token would be longer than 8 KB, and nobody would take it.
    #[error("the token would be too long")]
    TooLarge,
    /// The cryptography failed.
    #[error("the token cannot be signed")]
    Signature,
}

/// Signs tokens of one type with one key.
pub struct Signer {
    key: SigningKey,
    /// The first segment: it is the same for every token.
    header: String,
}

impl Signer {
    /// Signs with `key`; `typ` says what kind of token it is, e.g. `at+jwt`.
    #[must_use]
    pub fn new(key: SigningKey, typ: &'static str) -> Self {
        let header = serde_json::json!({
            "alg": key.algorithm().as_str(),
            "kid": key.kid(),
            "typ": typ,
        });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        Self { key, header }
    }

    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.key.kid()
    }

    /// Writes and signs `claims`.
    ///
    /// # Errors
    /// Each fault has its variant of [`SignError`].
    pub fn sign<C: Serialize>(&self, claims: &C) -> Result<String, SignError> {
        let claims = serde_json::to_vec(claims).map_err(SignError::Claims)?;
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let algorithm = self.key.algorithm().into();
        let signature = jsonwebtoken::crypto::sign(token.as_bytes(), &self.key.encoding, algorithm)
            .map_err(|_unspecified| SignError::Signature)?;
        token.push('.');
        token.push_str(&signature);
        if token.len() > TOKEN_BYTES_MAX {
            return Err(SignError::TooLarge);
        }
        Ok(token)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
