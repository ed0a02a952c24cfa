//! Proof key for code exchange (RFC 7636): whoever asks for a code also redeems it.
//!
//! Only `S256`. With `plain`, who sees the question can answer it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The only method there is.
pub const METHOD: &str = "S256";
const VERIFIER_LEN_MIN: usize = 43;
const VERIFIER_LEN_MAX: usize = 128;

/// The SHA-256 of a verifier that is yet to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

/// Why there is no challenge to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PkceFault {
    /// There is none, or its method is another one: absent means `plain`.
    #[error("code_challenge with code_challenge_method S256 is required")]
    Method,
    /// It is no SHA-256 in base64url.
    #[error("code_challenge must be 43 characters of base64url")]
    Challenge,
}

impl Challenge {
    /// Reads the parameters of an authorization request.
    ///
    /// # Errors
    /// [`PkceFault`].
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, PkceFault> {
        let (Some(challenge), Some(METHOD)) = (challenge, method) else {
            return Err(PkceFault::Method);
        };
        let bytes = URL_SAFE_NO_PAD.decode(challenge).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(PkceFault::Challenge)
    }

    /// The form that tables hold.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads the form that tables hold.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Whether `verifier` is what was hashed.
    #[must_use]
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let is_formed = (VERIFIER_LEN_MIN..=VERIFIER_LEN_MAX).contains(&verifier.len())
            && verifier
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
        let hash = Sha256::digest(verifier.as_bytes());
        is_formed && bool::from(hash.as_slice().ct_eq(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_vector_of_rfc_7636_holds() {
        let challenge = Challenge::parse(Some(CHALLENGE), Some("S256")).unwrap();

        assert!(challenge.is_met_by(VERIFIER));
        assert!(!challenge.is_met_by(CHALLENGE));
        assert!(!challenge.is_met_by(&VERIFIER.replace('d', "e")));
        assert!(!challenge.is_met_by(""));
    }

    #[test]
    fn plain_and_nothing_are_refused() {
        for method in [None, Some("plain"), Some("s256"), Some("")] {
            let parsed = Challenge::parse(Some(CHALLENGE), method);
            assert_eq!(parsed, Err(PkceFault::Method), "{method:?}");
        }
        assert_eq!(Challenge::parse(None, Some("S256")), Err(PkceFault::Method));
        for challenge in [
            "",
            "short",
            &format!("{CHALLENGE}="),
            &CHALLENGE[1..],
            &VERIFIER.repeat(2),
        ] {
            let parsed = Challenge::parse(Some(challenge), Some("S256"));
            assert_eq!(parsed, Err(PkceFault::Challenge), "{challenge}");
        }
    }

    #[test]
    fn a_verifier_of_the_wrong_length_or_alphabet_meets_nothing() {
        for verifier in ["x".repeat(42), "x".repeat(129), " ".repeat(43)] {
            let challenge = Challenge(Sha256::digest(verifier.as_bytes()).into());
            assert!(!challenge.is_met_by(&verifier), "{verifier:?}");
        }
    }
}
