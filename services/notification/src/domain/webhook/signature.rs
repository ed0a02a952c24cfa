//! How a message is signed: Standard Webhooks, scheme `v1` (HMAC-SHA256).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// What a secret's text begins with.
const PREFIX: &str = "whsec_";
/// The fewest bytes of a key.
const KEY_BYTES_MIN: usize = 24;
/// The most.
const KEY_BYTES_MAX: usize = 64;

/// Why a text is no secret. It says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret is \"whsec_\" and {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes in base64")]
pub struct SecretError;

/// What an endpoint's messages are signed with. It shows nothing of itself.
#[derive(Debug, Clone)]
pub struct SigningSecret(SecretString);

impl SigningSecret {
    /// The secret of these random bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", STANDARD.encode(bytes)).into())
    }

    /// Parses the text.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn parse(text: String) -> Result<Self, SecretError> {
        let secret = Self(text.into());
        secret.key()?;
        Ok(secret)
    }

    /// The text, to be stored or told to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    fn key(&self) -> Result<Vec<u8>, SecretError> {
        let encoded = self.expose().strip_prefix(PREFIX).ok_or(SecretError)?;
        let key = STANDARD.decode(encoded).map_err(|_malformed| SecretError)?;
        let fits = (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len());
        fits.then_some(key).ok_or(SecretError)
    }

    /// `v1,` and the signature of `id.timestamp.body`.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<String, SecretError> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key()?);
        let mut mac = mac.map_err(|_never| SecretError)?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Ok(format!(
            "v1,{}",
            STANDARD.encode(mac.finalize().into_bytes())
        ))
    }
}

/// The header `webhook-signature`: one signature of each secret, the newest first.
///
/// # Errors
/// [`SecretError`] if a secret is none.
pub fn signatures<'a>(
    secrets: impl IntoIterator<Item = &'a SigningSecret>,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Result<String, SecretError> {
    let signed: Result<Vec<String>, SecretError> = secrets
        .into_iter()
        .map(|secret| secret.sign(id, timestamp, body))
        .collect();
    Ok(signed?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::parse(text.to_owned()).unwrap()
    }

    #[test]
    fn the_signature_is_the_one_of_the_specification() {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";

        let signed = signatures([&secret(SECRET)], id, 1_614_265_330, BODY);

        assert_eq!(signed.as_deref(), Ok(SIGNED));
    }

    #[test]
    fn during_a_rotation_both_secrets_sign_the_newest_first() {
        let new = SigningSecret::of_bytes(&[7; 32]);
        let alone = signatures([&new], "id", 1, BODY).unwrap();
        let old = signatures([&secret(SECRET)], "id", 1, BODY).unwrap();

        let both = signatures([&new, &secret(SECRET)], "id", 1, BODY).unwrap();

        assert_eq!(both, format!("{alone} {old}"));
    }

    #[test]
    fn a_text_of_another_form_is_no_secret() {
        let short = format!("whsec_{}", STANDARD.encode([1; 23]));
        let long = format!("whsec_{}", STANDARD.encode([1; 65]));
        for text in ["", "whsec_", "whsec_!", &SECRET[6..], &short, &long] {
            assert!(SigningSecret::parse(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert!(!format!("{:?}", secret(SECRET)).contains("MfKQ"));
    }
}
