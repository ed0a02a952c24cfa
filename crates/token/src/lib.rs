//! Signed tokens: keys, key sets, and a verifier without loose defaults.
//!
//! The only crate that names `jsonwebtoken`. It knows nothing of users or services: what a token
//! says is the caller's own type.
//!
//! ```
//! use std::time::Duration;
//!
//! use serde::{Deserialize, Serialize};
//! use time::OffsetDateTime;
//! use tradepost_token::{Algorithm, KeySet, Policy, Signer, SigningKey, Verifier};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Claims { iss: String, aud: String, sub: String, iat: i64, exp: i64 }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = SigningKey::generate(Algorithm::EdDsa)?;
//! let keys = KeySet::new([key.public_jwk()]);
//! let signer = Signer::new(key, "at+jwt");
//! let policy = Policy {
//!     issuer: "https://shop.example".to_owned(),
//!     audience: "tradepost".to_owned(),
//!     typ: "at+jwt",
//!     lifetime_max: Duration::from_secs(600),
//!     skew: Duration::from_secs(30),
//! };
//! let verifier = Verifier::<Claims>::new(policy, keys, 10_000);
//!
//! let now = OffsetDateTime::UNIX_EPOCH;
//! let token = signer.sign(&Claims {
//!     iss: "https://shop.example".to_owned(),
//!     aud: "tradepost".to_owned(),
//!     sub: "user_1".to_owned(),
//!     iat: now.unix_timestamp(),
//!     exp: now.unix_timestamp() + 600,
//! })?;
//! assert_eq!(verifier.verify(&token, now)?.sub, "user_1");
//! # Ok(())
//! # }
//! ```

mod algorithm;
mod claims;
mod compact;
mod error;
mod jwk;
mod key;
mod key_set;
mod ring;
mod signer;
mod strict_json;
mod verifier;

pub use algorithm::Algorithm;
pub use error::TokenError;
pub use jwk::{Jwk, JwkError};
pub use key::{KeyError, SigningKey};
pub use key_set::{KeySet, KeySetError};
pub use signer::{SignError, Signer};
pub use verifier::{Policy, Verifier};

/// The longest token, in bytes, that is looked at or made.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
