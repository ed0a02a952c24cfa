//! Ed25519 keys, in the PEM of `openssl genpkey -algorithm ed25519` and `openssl pkey -pubout`.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The DER before the 32 bytes of a public key (RFC 8410).
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
/// How many digits of its hash name a key.
const KEY_ID_LEN: usize = 16;

/// Why a text is no key. It repeats no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no Ed25519 key in PEM")]
pub struct KeyFault;

/// The key that signs checkpoints.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key in a PEM of PKCS#8.
    ///
    /// # Errors
    /// [`KeyFault`] if it is none.
    pub fn from_pem(pem: &SecretString) -> Result<Self, KeyFault> {
        let der = Zeroizing::new(unwrap(pem.expose_secret(), "PRIVATE KEY").ok_or(KeyFault)?);
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_rejected| KeyFault)?;
        Ok(Self(pair))
    }

    pub(super) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.0.sign(bytes).as_ref().to_vec()
    }

    /// What others verify with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().to_vec())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}

/// What checkpoints are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// The key in a PEM.
    ///
    /// # Errors
    /// [`KeyFault`] if it is none.
    pub fn from_pem(pem: &str) -> Result<Self, KeyFault> {
        let der = unwrap(pem, "PUBLIC KEY").ok_or(KeyFault)?;
        let point = der.strip_prefix(&SPKI).ok_or(KeyFault)?;
        (point.len() == 32)
            .then(|| Self(point.to_vec()))
            .ok_or(KeyFault)
    }

    /// The key as a PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [SPKI.as_slice(), &self.0].concat();
        format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode(der)
        )
    }

    /// Its name: the beginning of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        let mut id = hex::encode(Sha256::digest(&self.0));
        id.truncate(KEY_ID_LEN);
        id
    }

    pub(super) fn verifies(&self, bytes: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(bytes, signature)
            .is_ok()
    }
}

/// The bytes in a PEM with that label.
fn unwrap(pem: &str, label: &str) -> Option<Vec<u8>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let (_, rest) = pem.split_once(&begin)?;
    let (body, _) = rest.split_once(&end)?;
    let body: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    STANDARD.decode(body.as_bytes()).ok()
}
