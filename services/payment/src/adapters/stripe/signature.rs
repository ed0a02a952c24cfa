//! Who sent a webhook, and when: `t=…,v1=hex(hmac-sha256(secret, "t.payload"))`.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// How far the sender's clock may be off, both ways.
pub const TOLERANCE_SECONDS: i64 = 300;
/// The most signatures that are looked at.
const SIGNATURES_MAX: usize = 16;

/// The longest header that is looked at.
const HEADER_LEN_MAX: usize = 4 * 1_024;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature is one of ours.
    #[error("the signature is not valid")]
    Invalid,
    /// It is one of ours, and too old or from the future.
    #[error("the signature's time is too far from now")]
    Stale,
}

/// Believes a payload that one of `secrets` signed near `now` (Unix time). Several signatures and
/// several secrets make rotation possible; they are compared in constant time.
///
/// # Errors
/// [`SignatureError`].
pub fn verify(
    header: &str,
    payload: &[u8],
    secrets: &[SecretString],
    now: i64,
) -> Result<(), SignatureError> {
    if header.len() > HEADER_LEN_MAX {
        return Err(SignatureError::Invalid);
    }
    let mut time = None;
    let mut given = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = Some(value),
            Some(("v1", value)) if given.len() < SIGNATURES_MAX => {
                given.extend(hex::decode(value));
            }
            _ => {}
        }
    }
    let time = time.ok_or(SignatureError::Invalid)?;
    let mut genuine = false;
    for secret in secrets {
        let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
        let mut mac = mac.map_err(|_never| SignatureError::Invalid)?;
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(payload);
        for signature in &given {
            genuine |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !genuine {
        return Err(SignatureError::Invalid);
    }
    let time: i64 = time.parse().map_err(|_text| SignatureError::Invalid)?;
    if now.abs_diff(time) > TOLERANCE_SECONDS.unsigned_abs() {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(secret: &str, time: i64, payload: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.{payload}").as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    fn check(header: &str, now: i64) -> Result<(), SignatureError> {
        verify(header, b"{}", &["old".into(), "new".into()], now)
    }

    #[test]
    fn either_secret_and_any_of_several_signatures_will_do() {
        for secret in ["old", "new"] {
            let good = sign(secret, 1_000, "{}");

            assert_eq!(check(&format!("t=1000,v1={good}"), 1_000), Ok(()));
            let among = format!("t=1000,v0=ff,v1=00,v1={good}");
            assert_eq!(check(&among, 1_000), Ok(()));
        }
    }

    #[test]
    fn forged_and_malformed_signatures_are_invalid() {
        let good = sign("new", 1_000, "{}");
        let other = sign("other", 1_000, "{}");
        let headers = [
            String::new(),
            "t=1000".to_owned(),
            format!("v1={good}"),
            format!("t=1001,v1={good}"),
            format!("t=1000,v1={other}"),
            format!("t=1000,v1={}", &good[2..]),
            "t=1000,v1=zz".to_owned(),
        ];
        for header in headers {
            assert_eq!(
                check(&header, 1_000),
                Err(SignatureError::Invalid),
                "{header}"
            );
        }
    }

    #[test]
    fn a_header_beyond_its_bound_is_not_looked_at() {
        let good = format!("t=1000,v1={},", sign("new", 1_000, "{}"));
        let longest = format!("{good:,<HEADER_LEN_MAX$}");

        assert_eq!(check(&longest, 1_000), Ok(()));
        assert_eq!(
            check(&format!("{longest},"), 1_000),
            Err(SignatureError::Invalid)
        );
    }

    #[test]
    fn the_time_may_be_off_by_the_tolerance_both_ways() {
        let header = format!("t=1000,v1={}", sign("new", 1_000, "{}"));

        for (now, answer) in [
            (700, Ok(())),
            (1_300, Ok(())),
            (699, Err(SignatureError::Stale)),
            (1_301, Err(SignatureError::Stale)),
        ] {
            assert_eq!(check(&header, now), answer, "{now}");
        }
    }
}
