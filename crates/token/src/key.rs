//! The private half of a key. It shows nothing of itself but its public half.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::EncodingKey;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::jwk::Jwk;

/// How long a line of PEM is.
const PEM_LINE: usize = 64;

/// Why there is no key. No text here repeats a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The text is no PEM of a PKCS#8 private key.
    #[error("this is not a PKCS#8 private key in PEM (\"-----BEGIN PRIVATE KEY-----\")")]
    PemMalformed,
    /// The key is neither Ed25519 nor P-256, or does not fit together.
    #[error("the private key is neither Ed25519 nor P-256")]
    KindUnknown,
    /// The system gave no randomness.
    #[error("no key can be generated")]
    NotGenerated,
}

/// A private key that signs tokens.
pub struct SigningKey {
    pub(crate) encoding: EncodingKey,
    public: Jwk,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::NotGenerated`] when the system has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let failed = |_unspecified| KeyError::NotGenerated;
        let der = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::generate()
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(failed)?,
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(failed)?,
        };
        Self::from_der(der.as_ref())
    }

    /// The key in a text like the one of `openssl genpkey -algorithm ed25519`, or of
    /// `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
    ///
    /// # Errors
    /// [`KeyError::PemMalformed`] or [`KeyError::KindUnknown`].
    pub fn from_pkcs8_pem(pem: &SecretString) -> Result<Self, KeyError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.expose_secret().as_bytes())
            .map_err(|_malformed| KeyError::PemMalformed)?;
        let der = Zeroizing::new(key.secret_pkcs8_der().to_vec());
        Self::from_der(&der)
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let unknown = |_rejected| KeyError::KindUnknown;
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            let point = pair.public_key().as_ref();
            return Ok(Self {
                encoding: EncodingKey::from_ed_der(der),
                public: Jwk::of_point(Algorithm::EdDsa, point).map_err(unknown)?,
            });
        }
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_rejected| KeyError::KindUnknown)?;
        let point = pair.public_key().as_ref();
        Ok(Self {
            encoding: EncodingKey::from_ec_der(der),
            public: Jwk::of_point(Algorithm::Es256, point).map_err(unknown)?,
        })
    }

    /// The key as text, for [`Self::from_pkcs8_pem`].
    #[must_use]
    pub fn to_pkcs8_pem(&self) -> SecretString {
        let body = Zeroizing::new(STANDARD.encode(self.encoding.as_bytes()));
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, others) = rest.split_at(rest.len().min(PEM_LINE));
            pem.push_str(line);
            pem.push('\n');
            rest = others;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        SecretString::from(pem)
    }

    /// The key's name: its thumbprint (RFC 7638).
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// What others verify with.
    #[must_use]
    pub fn public_jwk(&self) -> Jwk {
        self.public.clone()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}
