//! Secrets at rest: sealed, or turned into keyed hashes, under keys that all come from one.
//!
//! The master key itself encrypts nothing. Each purpose has a key derived from it (HKDF-SHA256), so
//! that what was sealed for one never opens as another.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

const MASTER_KEY_LEN: usize = 32;
const SALT: &[u8] = b"tradepost gateway identity v1";

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The private parts of the keys that sign access tokens.
    SigningKey,
    /// Refresh tokens, for whoever holds the one before.
    RefreshSuccessor,
    /// The secrets of one-time codes.
    TotpSecret,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::SigningKey => b"signing key",
            Self::RefreshSuccessor => b"refresh successor",
            Self::TotpSecret => b"totp secret",
        }
    }
}

/// What is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashed {
    /// Recovery codes.
    RecoveryCode,
    /// API keys.
    ApiKey,
    /// OAuth clients' secrets and codes.
    OAuth,
    /// Requests that may hold a password.
    Fingerprint,
    /// Accounts whose logins are counted: addresses of people, who are not to be read in Redis.
    Account,
    /// Tickets for connections.
    Ticket,
}

/// The keys of hashes. They are there before anything is hashed: a key that could not be derived
/// keeps the process from starting, and nothing is ever hashed under another.
struct HashKeys {
    recovery_code: hmac::Key,
    api_key: hmac::Key,
    oauth: hmac::Key,
    fingerprint: hmac::Key,
    account: hmac::Key,
    ticket: hmac::Key,
}

impl HashKeys {
    fn derive(master: &Prk) -> Result<Self, Unspecified> {
        let key = |label: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            master
                .expand(&[label], HKDF_SHA256)?
                .fill(key.as_mut_slice())?;
            Ok::<_, Unspecified>(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
        };
        Ok(Self {
            recovery_code: key(b"recovery code hash")?,
            api_key: key(b"api key hash")?,
            oauth: key(b"oauth hash")?,
            fingerprint: key(b"fingerprint hash")?,
            account: key(b"account hash")?,
            ticket: key(b"ticket hash")?,
        })
    }

    const fn of(&self, what: Hashed) -> &hmac::Key {
        match what {
            Hashed::RecoveryCode => &self.recovery_code,
            Hashed::ApiKey => &self.api_key,
            Hashed::OAuth => &self.oauth,
            Hashed::Fingerprint => &self.fingerprint,
            Hashed::Account => &self.account,
            Hashed::Ticket => &self.ticket,
        }
    }
}

/// The master key is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 32 random bytes in base64: openssl rand -base64 32")]
pub struct MasterKeyFault;

/// Why something was not sealed or opened. No more is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed under another key, for another place, or changed since.
    #[error("what was sealed cannot be opened")]
    Broken,
    /// The system gave no randomness.
    #[error("nothing can be sealed")]
    NotSealed,
}

/// Seals and hashes under the master key.
pub struct Sealer {
    master: Prk,
    hash_keys: HashKeys,
}

impl Sealer {
    /// Reads the master key.
    ///
    /// # Errors
    /// [`MasterKeyFault`].
    pub fn new(master_key: &SecretString) -> Result<Self, MasterKeyFault> {
        let bytes = STANDARD.decode(master_key.expose_secret().trim());
        let bytes = Zeroizing::new(bytes.map_err(|_malformed| MasterKeyFault)?);
        if bytes.len() != MASTER_KEY_LEN {
            return Err(MasterKeyFault);
        }
        let master = Salt::new(HKDF_SHA256, SALT).extract(&bytes);
        let hash_keys = HashKeys::derive(&master).map_err(|Unspecified| MasterKeyFault)?;
        Ok(Self { master, hash_keys })
    }

    /// Seals `plain` for one `place`, such as the id of the row it stands in.
    ///
    /// # Errors
    /// [`SealError::NotSealed`].
    pub fn seal(&self, purpose: Purpose, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.seal_with(purpose, b"", place, plain)
    }

    /// Opens what was sealed for the same purpose and place.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open(
        &self,
        purpose: Purpose,
        place: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.open_with(purpose, b"", place, sealed)
    }

    /// As [`seal`](Self::seal), but it opens only for who knows `secret` too.
    ///
    /// # Errors
    /// [`SealError::NotSealed`].
    pub fn seal_with(
        &self,
        purpose: Purpose,
        secret: &[u8],
        place: &[u8],
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let failed = |_unspecified| SealError::NotSealed;
        let key = self.key(purpose, secret).ok_or(SealError::NotSealed)?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(failed)?;
        let mut text = plain.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(unique, Aad::from(place), &mut text)
            .map_err(failed)?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens what was sealed with the same secret.
    ///
    /// # Errors
    /// [`SealError::Broken`].
    pub fn open_with(
        &self,
        purpose: Purpose,
        secret: &[u8],
        place: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let broken = |_unspecified| SealError::Broken;
        let key = self.key(purpose, secret).ok_or(SealError::Broken)?;
        let (nonce, text) = sealed
            .split_at_checked(NONCE_LEN)
            .ok_or(SealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(broken)?;
        let mut text = Zeroizing::new(text.to_vec());
        let len = key
            .open_in_place(nonce, Aad::from(place), &mut text)
            .map_err(broken)?
            .len();
        text.truncate(len);
        Ok(text)
    }

    /// HMAC-SHA-256 of `message`, under a key for what it is.
    #[must_use]
    pub fn hash(&self, what: Hashed, message: &[u8]) -> [u8; 32] {
        let mut hash = [0; 32];
        let tag = hmac::sign(self.hash_keys.of(what), message);
        hash.copy_from_slice(tag.as_ref());
        hash
    }

    fn key(&self, purpose: Purpose, secret: &[u8]) -> Option<LessSafeKey> {
        let label = [purpose.label()];
        let okm = self.master.expand(&label, HKDF_SHA256).ok()?;
        let mut own = Zeroizing::new([0; 32]);
        okm.fill(own.as_mut_slice()).ok()?;
        let both = Salt::new(HKDF_SHA256, own.as_slice()).extract(secret);
        let okm = both.expand(&[b"aes-256-gcm"], &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(okm)))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&STANDARD.encode([byte; 32]).into()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_for_the_same_key_purpose_place_and_secret() {
        let one = sealer(1);
        let seal = one.seal_with(Purpose::TotpSecret, b"s", b"user_1", b"plain");
        let sealed = seal.unwrap();
        let open = |sealer: &Sealer, purpose, secret: &[u8], place: &[u8]| {
            let opened = sealer.open_with(purpose, secret, place, &sealed);
            opened.map(|plain| plain.to_vec())
        };

        assert_eq!(
            open(&one, Purpose::TotpSecret, b"s", b"user_1"),
            Ok(b"plain".to_vec())
        );
        let broken = Err(SealError::Broken);
        assert_eq!(open(&one, Purpose::TotpSecret, b"", b"user_1"), broken);
        assert_eq!(open(&one, Purpose::TotpSecret, b"s", b"user_2"), broken);
        assert_eq!(open(&one, Purpose::SigningKey, b"s", b"user_1"), broken);
        assert_eq!(
            open(&sealer(2), Purpose::TotpSecret, b"s", b"user_1"),
            broken
        );
        assert_eq!(
            one.open(Purpose::TotpSecret, b"", b"short").err(),
            Some(SealError::Broken)
        );
    }

    #[test]
    fn the_same_is_never_sealed_alike() {
        let seal = || sealer(1).seal(Purpose::SigningKey, b"k", b"plain").unwrap();

        assert_ne!(seal(), seal());
    }

    /// Made with another implementation of HKDF and HMAC: what is in the database must match what a
    /// later version makes of the same key, and no hash is made under a key that everybody knows.
    #[test]
    fn each_kind_is_hashed_under_a_key_of_its_own_that_stays() {
        for (what, expected) in [
            (
                Hashed::RecoveryCode,
                "6d136846e5e1e8bba8af5dcb162f09f845591f0f32b19bee8b629f16f78ab5a8",
            ),
            (
                Hashed::ApiKey,
                "72515d7bd9d492d4f0ba3191dca71804c34833ce57d4c1d980768945ee4b21a2",
            ),
            (
                Hashed::OAuth,
                "f056b6e734f74ab6f22557681e51031d7bdc642284936b2fae4be00b365c0465",
            ),
            (
                Hashed::Fingerprint,
                "87fd78ffd65cd6f3784ae1ece421e0f3033091c04927c24dfe688f95322ec5c1",
            ),
            (
                Hashed::Account,
                "09828168bd1efb395c721645f7cf48c181d0a2165c462ecd19a84305d33a5ca4",
            ),
        ] {
            assert_eq!(hex(&sealer(1).hash(what, b"x")), expected, "{what:?}");
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_master_key_has_32_bytes() {
        for text in [
            "",
            "x",
            &STANDARD.encode([1; 31]),
            &STANDARD.encode([1; 33]),
        ] {
            assert_eq!(
                Sealer::new(&text.into()).err(),
                Some(MasterKeyFault),
                "{text}"
            );
        }
    }
}
