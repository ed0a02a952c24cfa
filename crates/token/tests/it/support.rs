//! A shop that issues tokens, and the tools to forge them.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, crypto};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tradepost_token::{Algorithm, KeySet, Policy, Signer, SigningKey, TokenError, Verifier};

pub(crate) const ISSUER: &str = "https://shop.example";
pub(crate) const AUDIENCE: &str = "tradepost";
pub(crate) const TYP: &str = "at+jwt";
pub(crate) const LIFETIME: i64 = 600;
pub(crate) const SKEW: i64 = 30;

/// What tokens say here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) sub: String,
}

pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

pub(crate) fn later(seconds: i64) -> OffsetDateTime {
    now() + time::Duration::seconds(seconds)
}

pub(crate) fn policy() -> Policy {
    Policy {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        typ: TYP,
        lifetime_max: Duration::from_secs(3_600),
        skew: Duration::from_secs(SKEW.unsigned_abs()),
    }
}

/// Claims that pass.
pub(crate) fn good() -> Value {
    let issued = now().unix_timestamp();
    json!({
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "user_1",
        "iat": issued,
        "nbf": issued,
        "exp": issued + LIFETIME,
    })
}

/// Good claims, but for one.
pub(crate) fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = good();
    claims[name] = value.into();
    claims
}

pub(crate) fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

pub(crate) struct Shop {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: String,
    pub(crate) keys: KeySet,
    pub(crate) signer: Signer,
    /// The same key for hand-made tokens.
    raw: EncodingKey,
    pub(crate) verifier: Verifier<Claims>,
}

impl Shop {
    pub(crate) fn open(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).unwrap();
        let pem = key.to_pkcs8_pem();
        let raw = match algorithm {
            Algorithm::EdDsa => EncodingKey::from_ed_pem(pem.expose_secret().as_bytes()),
            Algorithm::Es256 => EncodingKey::from_ec_pem(pem.expose_secret().as_bytes()),
        };
        let keys = KeySet::new([key.public_jwk()]);
        Self {
            algorithm,
            kid: key.kid().to_owned(),
            verifier: Verifier::new(policy(), keys.clone(), 1_000),
            keys,
            signer: Signer::new(key, TYP),
            raw: raw.unwrap(),
        }
    }

    /// One of each kind.
    pub(crate) fn each() -> [Self; 2] {
        [Algorithm::EdDsa, Algorithm::Es256].map(Self::open)
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.signer.sign(claims).unwrap()
    }

    pub(crate) fn token(&self) -> String {
        self.sign(&good())
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": self.algorithm.as_str(), "kid": self.kid, "typ": TYP})
    }

    /// The header of this shop, but for one member.
    pub(crate) fn header_with(&self, name: &str, value: impl Into<Value>) -> Value {
        let mut header = self.header();
        header[name] = value.into();
        header
    }

    /// Signs these very texts with the shop's key: what an attacker could not, and a careless
    /// issuer might.
    pub(crate) fn sign_texts(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(claims));
        let algorithm = match self.algorithm {
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        };
        let signature = crypto::sign(message.as_bytes(), &self.raw, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    pub(crate) fn sign_with_header(&self, header: &Value) -> String {
        self.sign_texts(&header.to_string(), &good().to_string())
    }

    pub(crate) fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        self.verifier.verify(token, now())
    }

    /// Fails unless the token is refused for this reason, as new and as seen before.
    pub(crate) fn assert_refused(&self, token: &str, reason: TokenError) {
        for _ in 0..2 {
            assert_eq!(
                self.verify(token).unwrap_err(),
                reason,
                "{:?}",
                self.algorithm
            );
        }
    }
}

pub(crate) fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}
