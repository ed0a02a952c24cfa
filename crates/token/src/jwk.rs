//! One public key in JSON (RFC 7517), of the two kinds there are.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::algorithm::Algorithm;

const KID_BYTES_MAX: usize = 128;
/// The size of a coordinate of both curves.
const COORDINATE_BYTES: usize = 32;
/// What an uncompressed point of P-256 begins with.
const UNCOMPRESSED: u8 = 4;

/// Why a JWK is no key of ours. No text here repeats a part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwkError {
    /// Neither Ed25519 nor P-256.
    #[error("the key is neither OKP/Ed25519 nor EC/P-256")]
    KindUnknown,
    /// `alg` is not the one of the curve.
    #[error("the key's alg is not the one of its curve")]
    AlgorithmWrong,
    /// It is not for signatures.
    #[error("the key's use is not sig")]
    UseWrong,
    /// Its coordinates are no point.
    #[error("the key's coordinates are malformed")]
    PointMalformed,
    /// Its name is empty, too long or not printable.
    #[error("the key's kid is malformed")]
    KidMalformed,
}

/// A public key with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Jwk {
    algorithm: Algorithm,
    /// As the cryptography takes it: 32 bytes, or 65 that begin with 4.
    point: Vec<u8>,
    kid: String,
}

impl Jwk {
    /// The name in a token's header.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How tokens of this key are signed.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key of a point, named by its thumbprint.
    pub(crate) fn of_point(algorithm: Algorithm, point: &[u8]) -> Result<Self, JwkError> {
        check_point(algorithm, point)?;
        let mut key = Self {
            algorithm,
            point: point.to_vec(),
            kid: String::new(),
        };
        key.kid = key.thumbprint();
        Ok(key)
    }

    pub(crate) fn decoding(&self) -> DecodingKey {
        match self.algorithm {
            Algorithm::EdDsa => DecodingKey::from_ed_der(&self.point),
            Algorithm::Es256 => DecodingKey::from_ec_der(&self.point),
        }
    }

    /// RFC 7638: the hash of the members that make the key, in their order.
    fn thumbprint(&self) -> String {
        let (x, y) = self.coordinates();
        let text = match y {
            None => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            Some(y) => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(text))
    }

    fn coordinates(&self) -> (String, Option<String>) {
        match (self.algorithm, self.point.split_at_checked(1)) {
            (Algorithm::Es256, Some((_, coordinates))) => {
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                (URL_SAFE_NO_PAD.encode(x), Some(URL_SAFE_NO_PAD.encode(y)))
            }
            (Algorithm::EdDsa | Algorithm::Es256, _) => (URL_SAFE_NO_PAD.encode(&self.point), None),
        }
    }
}

/// Refuses what is no point of the curve.
fn check_point(algorithm: Algorithm, point: &[u8]) -> Result<(), JwkError> {
    let parsed = match algorithm {
        Algorithm::EdDsa if point.len() == COORDINATE_BYTES => {
            ParsedPublicKey::new(&ED25519, point)
        }
        Algorithm::Es256 if point.len() == 2 * COORDINATE_BYTES + 1 => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        }
        Algorithm::EdDsa | Algorithm::Es256 => return Err(JwkError::PointMalformed),
    };
    parsed
        .map(|_key| ())
        .map_err(|_rejected| JwkError::PointMalformed)
}

/// The JSON. A private member (`d`) or a certificate is as unknown as anything else.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    kty: String,
    crv: String,
    x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
}

impl TryFrom<Wire> for Jwk {
    type Error = JwkError;

    fn try_from(wire: Wire) -> Result<Self, JwkError> {
        let (algorithm, point) = match (wire.kty.as_str(), wire.crv.as_str(), &wire.y) {
            ("OKP", "Ed25519", None) => (Algorithm::EdDsa, coordinate(&wire.x)?),
            ("EC", "P-256", Some(y)) => {
                let mut point = vec![UNCOMPRESSED];
                point.extend(coordinate(&wire.x)?);
                point.extend(coordinate(y)?);
                (Algorithm::Es256, point)
            }
            _ => return Err(JwkError::KindUnknown),
        };
        if wire.alg.is_some_and(|alg| alg != algorithm.as_str()) {
            return Err(JwkError::AlgorithmWrong);
        }
        if wire.usage.is_some_and(|usage| usage != "sig") {
            return Err(JwkError::UseWrong);
        }
        let mut key = Self::of_point(algorithm, &point)?;
        if let Some(kid) = wire.kid {
            let printable = kid.bytes().all(|byte| byte.is_ascii_graphic());
            if !printable || kid.is_empty() || kid.len() > KID_BYTES_MAX {
                return Err(JwkError::KidMalformed);
            }
            key.kid = kid;
        }
        Ok(key)
    }
}

fn coordinate(text: &str) -> Result<Vec<u8>, JwkError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .filter(|bytes| bytes.len() == COORDINATE_BYTES)
        .ok_or(JwkError::PointMalformed)
}

impl From<Jwk> for Wire {
    fn from(key: Jwk) -> Self {
        let (x, y) = key.coordinates();
        let (kty, crv) = match key.algorithm {
            Algorithm::EdDsa => ("OKP", "Ed25519"),
            Algorithm::Es256 => ("EC", "P-256"),
        };
        Self {
            kty: kty.to_owned(),
            crv: crv.to_owned(),
            x,
            y,
            kid: Some(key.kid),
            alg: Some(key.algorithm.as_str().to_owned()),
            usage: Some("sig".to_owned()),
        }
    }
}
