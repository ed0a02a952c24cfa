//! The claims that every token has, and what they must say.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::error::TokenError;
use crate::verifier::Policy;

/// When a token may be used, in seconds of Unix time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    issued_at: i64,
    not_before: Option<i64>,
    expires_at: i64,
}

impl Times {
    pub(crate) fn read(claims: &Map<String, Value>) -> Result<Self, TokenError> {
        Ok(Self {
            issued_at: seconds(claims, "iat")?.ok_or(TokenError::ClaimMissing("iat"))?,
            not_before: seconds(claims, "nbf")?,
            expires_at: seconds(claims, "exp")?.ok_or(TokenError::ClaimMissing("exp"))?,
        })
    }

    /// Whether the token may be used at `now`.
    pub(crate) fn check(&self, policy: &Policy, now: OffsetDateTime) -> Result<(), TokenError> {
        let now = now.unix_timestamp();
        let skew = whole_seconds(policy.skew);
        if now >= self.expires_at.saturating_add(skew) {
            return Err(TokenError::Expired);
        }
        if self
            .not_before
            .is_some_and(|time| now.saturating_add(skew) < time)
        {
            return Err(TokenError::NotYetValid);
        }
        if now.saturating_add(skew) < self.issued_at {
            return Err(TokenError::IssuedInFuture);
        }
        let lifetime = self.expires_at.saturating_sub(self.issued_at);
        if lifetime <= 0 || lifetime > whole_seconds(policy.lifetime_max) {
            return Err(TokenError::LifetimeRefused);
        }
        Ok(())
    }
}

fn whole_seconds(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// A time is a whole number: a fraction would be cut differently by different readers.
fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value
            .as_i64()
            .filter(|seconds| *seconds >= 0)
            .map(Some)
            .ok_or(TokenError::ClaimsMalformed),
    }
}

pub(crate) fn check_issuer(claims: &Map<String, Value>, issuer: &str) -> Result<(), TokenError> {
    match claims.get("iss") {
        None => Err(TokenError::ClaimMissing("iss")),
        Some(Value::String(found)) if !found.is_empty() && found == issuer => Ok(()),
        Some(Value::String(_)) => Err(TokenError::IssuerWrong),
        Some(_) => Err(TokenError::ClaimsMalformed),
    }
}

/// One audience or several, ours among them.
pub(crate) fn check_audience(
    claims: &Map<String, Value>,
    audience: &str,
) -> Result<(), TokenError> {
    let ours = match claims.get("aud") {
        None => return Err(TokenError::ClaimMissing("aud")),
        Some(Value::String(found)) => found == audience,
        Some(Value::Array(found)) => {
            if !found.iter().all(Value::is_string) {
                return Err(TokenError::ClaimsMalformed);
            }
            found.iter().any(|found| found.as_str() == Some(audience))
        }
        Some(_) => return Err(TokenError::ClaimsMalformed),
    };
    if ours {
        Ok(())
    } else {
        Err(TokenError::AudienceWrong)
    }
}
