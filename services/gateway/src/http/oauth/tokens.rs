//! Tokens as OAuth's JSON.

use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::application::{AUDIENCE, AccessClaims, OAuthIssued};

/// A token and what it allows (RFC 6749, section 5.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthToken)]
pub(super) struct Token {
    /// The access token.
    access_token: String,
    /// How it is sent.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// How many seconds it lives.
    #[schema(example = 600)]
    expires_in: i64,
    /// For the next one; a client that acts for itself has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// What it allows: permissions with a space between two.
    scope: String,
}

impl From<OAuthIssued> for Token {
    fn from(issued: OAuthIssued) -> Self {
        let refresh = issued.refresh_token;
        Self {
            access_token: issued.access_token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: issued.lifetime.whole_seconds(),
            refresh_token: refresh.map(|token| token.expose_secret().to_owned()),
            scope: issued.scope.to_string(),
        }
    }
}

/// What a token is good for (RFC 7662).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Introspected {
    /// Whether it is good now; when not, nothing else is told.
    active: bool,
    #[serde(flatten)]
    told: Option<Told>,
}

/// What is told of a token that is good.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Told {
    /// What it allows: permissions with a space between two.
    scope: String,
    /// The client it was issued to; absent for a login of the platform's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// How it is sent.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// When it runs out, in seconds since 1970.
    exp: i64,
    /// When it was issued.
    iat: i64,
    /// Who acts.
    sub: String,
    /// For whom it is.
    aud: &'static str,
    /// Who issued it.
    iss: String,
    /// Its own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jti: Option<String>,
    /// The tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    org: Option<String>,
    /// What the subject is there.
    role: &'static str,
}

impl Introspected {
    pub(super) const fn inactive() -> Self {
        Self {
            active: false,
            told: None,
        }
    }

    pub(super) fn active(claims: &AccessClaims, issuer: &str) -> Self {
        let basis = &claims.basis;
        let told = Told {
            scope: claims.rights.to_string(),
            client_id: basis.client.map(|client| client.to_string()),
            token_type: "Bearer",
            exp: claims.expires_at.unix_timestamp(),
            iat: basis.issued_at.unix_timestamp(),
            sub: basis.subject.to_string(),
            aud: AUDIENCE,
            iss: issuer.to_owned(),
            jti: basis.token.map(|token| token.to_string()),
            org: basis.tenant.map(|tenant| tenant.to_string()),
            role: claims.role.as_str(),
        };
        Self {
            active: true,
            told: Some(told),
        }
    }
}
