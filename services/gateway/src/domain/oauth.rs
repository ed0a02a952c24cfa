//! OAuth clients and what they may ask for (RFC 6749 as narrowed by RFC 9700).

mod code;
mod redirect;

pub use code::{CodeFault, Redemption, StoredCode};
pub use redirect::{RedirectFault, RedirectUri};

use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use tradepost_types::{ClientId, TenantId, UserId};

use super::base62::{CHECKSUM_LEN, SECRET_LEN, checksum, encode, is_base62};
use super::rights::{Rights, Unknown};

/// How long an authorization code is good.
pub const CODE_LIFETIME: Duration = Duration::seconds(60);
/// How many redirect URIs a client may have.
pub const REDIRECT_URIS_MAX: usize = 10;
/// The longest name of a client, in characters.
pub const NAME_LEN_MAX: usize = 100;

/// Whether a client can keep a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// A server: it shows a secret.
    Confidential,
    /// An app on somebody's device or in a page: it has none.
    Public,
}

impl ClientKind {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Confidential, Self::Public];

    /// The form that tables hold.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }
}

impl std::str::FromStr for ClientKind {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let found = Self::ALL.iter().find(|kind| kind.as_str() == text);
        found.copied().ok_or_else(|| Unknown(text.to_owned()))
    }
}

/// A client without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Whose rows it reaches, and whose users it may act for.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// Where users may be sent back to.
    pub redirect_uris: Vec<RedirectUri>,
    /// The most it may ask for.
    pub scope: Rights,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: OffsetDateTime,
}

impl Client {
    /// Whether users may be sent back to `asked`.
    #[must_use]
    pub fn admits(&self, asked: &str) -> bool {
        self.redirect_uris.iter().any(|uri| uri.admits(asked))
    }

    /// What is granted of a `scope` parameter; without one, all that the client may ask for.
    ///
    /// # Errors
    /// [`OAuthError::InvalidScope`] for a word that is none, or more than the client may have.
    pub fn narrow(&self, asked: Option<&str>) -> Result<Rights, OAuthError> {
        let Some(asked) = asked else {
            return Ok(self.scope);
        };
        match asked.parse::<Rights>() {
            Ok(asked) if asked != Rights::NONE && asked.within(self.scope) => Ok(asked),
            Ok(_) | Err(_) => Err(OAuthError::InvalidScope),
        }
    }
}

/// How an access token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantType {
    /// By a code that a user has got for the client.
    AuthorizationCode,
    /// By the client for itself.
    ClientCredentials,
    /// By a refresh token of an earlier answer.
    RefreshToken,
}

impl GrantType {
    /// All there are.
    pub const ALL: &'static [Self] = &[
        Self::AuthorizationCode,
        Self::ClientCredentials,
        Self::RefreshToken,
    ];

    /// The value of the parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
        }
    }
}

impl std::str::FromStr for GrantType {
    type Err = OAuthError;

    fn from_str(text: &str) -> Result<Self, OAuthError> {
        let found = Self::ALL.iter().find(|grant| grant.as_str() == text);
        found.copied().ok_or(OAuthError::UnsupportedGrantType)
    }
}

/// Why OAuth says no (RFC 6749, sections 4.1.2.1 and 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// A parameter is missing, malformed or given twice.
    #[error("a parameter is missing, malformed or given twice")]
    InvalidRequest,
    /// The client is not known, or has not shown who it is.
    #[error("the client is not known or its authentication failed")]
    InvalidClient,
    /// The code or refresh token is not good, or another client's.
    #[error("the grant is not valid, has run out, was used or was revoked")]
    InvalidGrant,
    /// A client of this kind must not do that.
    #[error("the client must not use this grant")]
    UnauthorizedClient,
    /// There is no such grant here.
    #[error("grant_type must be authorization_code, client_credentials or refresh_token")]
    UnsupportedGrantType,
    /// There is no such response here.
    #[error("response_type must be code")]
    UnsupportedResponseType,
    /// More is asked for than the client may have.
    #[error("the scope is unknown or beyond what the client may have")]
    InvalidScope,
    /// It cannot be done at the moment.
    #[error("the server cannot do that at the moment; try again later")]
    TemporarilyUnavailable,
    /// A fault of ours.
    #[error("internal error")]
    ServerError,
}

impl OAuthError {
    /// The code, for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

const CLIENT_SECRET_PREFIX: &str = "tps_";

/// A new secret of a client, to be shown once: `tps_{secret}_{checksum}`.
#[must_use]
pub fn client_secret(bytes: &[u8; 32]) -> SecretString {
    let signed = format!("{CLIENT_SECRET_PREFIX}{}", encode(bytes));
    let sum = checksum(&signed);
    format!("{signed}_{sum}").into()
}

/// Whether a text can be the secret of a client at all.
#[must_use]
pub fn is_client_secret(text: &SecretString) -> bool {
    let text = text.expose_secret();
    let Some((signed, sum)) = text.rsplit_once('_') else {
        return false;
    };
    let Some(secret) = signed.strip_prefix(CLIENT_SECRET_PREFIX) else {
        return false;
    };
    let is_formed = secret.len() == SECRET_LEN && is_base62(secret) && sum.len() == CHECKSUM_LEN;
    is_formed && checksum(signed) == sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rights::Permission;

    fn client() -> Client {
        Client {
            id: ClientId::new(),
            tenant: TenantId::new(),
            name: "erp".to_owned(),
            kind: ClientKind::Confidential,
            redirect_uris: Vec::new(),
            scope: Rights::of(&[Permission::OrdersRead, Permission::ItemsRead]),
            created_by: UserId::new(),
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_client_gets_no_more_than_it_has() {
        let client = client();

        assert_eq!(client.narrow(None), Ok(client.scope));
        let read = Rights::of(&[Permission::OrdersRead]);
        assert_eq!(client.narrow(Some("orders:read")), Ok(read));
        for scope in [
            "",
            " ",
            "orders:place",
            "orders:read orders:place",
            "openid",
        ] {
            assert_eq!(
                client.narrow(Some(scope)),
                Err(OAuthError::InvalidScope),
                "{scope}"
            );
        }
    }

    #[test]
    fn a_mistyped_secret_is_no_secret() {
        let secret = client_secret(&[9; 32]);
        let text = secret.expose_secret();

        assert!(is_client_secret(&secret));
        assert_eq!(text.len(), 54);
        for wrong in [
            "",
            "tps_",
            "tps__",
            &text[1..],
            &text[..53],
            &format!("{text}0"),
        ] {
            assert!(!is_client_secret(&wrong.into()), "{wrong}");
        }
        assert!(!is_client_secret(&text.replacen('_', "_x", 1).into()));
    }
}
