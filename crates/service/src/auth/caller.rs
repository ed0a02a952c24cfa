//! Who calls, once it is verified.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tradepost_types::TenantId;

/// The longest subject that is taken over into tables and logs.
const SUBJECT_CHARS_MAX: usize = 128;
/// The most rights of one token.
const RIGHTS_MAX: usize = 64;

/// Who calls, as the issuer of the call's token has signed it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Claims")]
pub struct Caller {
    /// Who vouches for it: `gateway`, a service, `operator/NAME`.
    pub issuer: String,
    /// Who acts: a user, a key, a service, an operator. For a customer it is their reference.
    pub subject: String,
    /// Whose rows the call may see; none for what belongs to no tenant.
    pub tenant: Option<TenantId>,
    /// What the caller may do.
    pub rights: Vec<String>,
    /// Whether the caller reaches only what is their own.
    pub customer: bool,
}

impl Caller {
    /// Someone of a tenant with these rights: for tests of handlers, which put it into the
    /// extensions of a request as the server does.
    #[must_use]
    pub fn of_tenant(tenant: TenantId, subject: &str, rights: &[&str]) -> Self {
        Self {
            issuer: "test".to_owned(),
            subject: subject.to_owned(),
            tenant: Some(tenant),
            rights: rights.iter().map(|right| (*right).to_owned()).collect(),
            customer: false,
        }
    }

    /// Whether the caller has this right.
    #[must_use]
    pub fn may(&self, right: &str) -> bool {
        self.rights.iter().any(|owned| owned == right)
    }
}

/// The claims of an internal token.
#[derive(Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<String>,
    #[serde(default)]
    pub(super) rights: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) customer: bool,
    pub(super) jti: String,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
}

/// Why claims say nobody. The token crate does not pass it on.
#[derive(Debug, Error)]
#[error("the claims name no caller")]
pub(super) struct NoCaller;

impl TryFrom<Claims> for Caller {
    type Error = NoCaller;

    fn try_from(claims: Claims) -> Result<Self, NoCaller> {
        let subject = claims.sub;
        let chars = subject.chars().count();
        let printable = !subject.chars().any(char::is_control);
        let counted = claims.rights.len() <= RIGHTS_MAX;
        if !(1..=SUBJECT_CHARS_MAX).contains(&chars) || !printable || !counted {
            return Err(NoCaller);
        }
        let tenant = claims.tenant.map(|text| text.parse()).transpose();
        Ok(Self {
            issuer: claims.iss,
            subject,
            tenant: tenant.map_err(|_malformed| NoCaller)?,
            rights: claims.rights,
            customer: claims.customer,
        })
    }
}
