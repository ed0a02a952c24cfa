//! What the authorization server can do (RFC 8414).

use serde::Serialize;
use utoipa::ToSchema;

use crate::application::Credentials;
use crate::domain::api_key::ROLE;
use crate::domain::oauth::GrantType;
use crate::domain::pkce;

/// What the authorization server can do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthMetadata)]
pub(super) struct Metadata {
    /// Its name: the issuer of the tokens, and of every answer that sends a user back.
    issuer: String,
    /// Where users are sent.
    authorization_endpoint: String,
    /// Where tokens come from.
    token_endpoint: String,
    /// The public keys of the tokens.
    jwks_uri: String,
    /// What can be asked for.
    scopes_supported: Vec<&'static str>,
    /// What comes back.
    response_types_supported: [&'static str; 1],
    /// How it comes back.
    response_modes_supported: [&'static str; 1],
    /// What tokens are given for.
    grant_types_supported: Vec<&'static str>,
    /// How clients show who they are.
    token_endpoint_auth_methods_supported: [&'static str; 3],
    /// Where tokens end.
    revocation_endpoint: String,
    /// How clients show who they are there.
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    /// Where tokens are asked about.
    introspection_endpoint: String,
    /// How clients show who they are there.
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    /// How codes are bound to who asked for them.
    code_challenge_methods_supported: [&'static str; 1],
    /// Every answer that sends a user back names the issuer (RFC 9207).
    authorization_response_iss_parameter_supported: bool,
}

const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";

impl Metadata {
    pub(super) fn of(credentials: &Credentials) -> Self {
        let issuer = &credentials.issuer;
        let at = |path: &str| format!("{issuer}{path}");
        Self {
            authorization_endpoint: at("/oauth/authorize"),
            token_endpoint: at("/oauth/token"),
            jwks_uri: at("/.well-known/jwks.json"),
            scopes_supported: ROLE.rights().iter().map(|right| right.as_str()).collect(),
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: GrantType::ALL.iter().map(|grant| grant.as_str()).collect(),
            token_endpoint_auth_methods_supported: [BASIC, POST, "none"],
            revocation_endpoint: at("/oauth/revoke"),
            revocation_endpoint_auth_methods_supported: [BASIC, POST, "none"],
            introspection_endpoint: at("/oauth/introspect"),
            introspection_endpoint_auth_methods_supported: [BASIC, POST],
            code_challenge_methods_supported: [pkce::METHOD],
            authorization_response_iss_parameter_supported: true,
            issuer: issuer.clone(),
        }
    }
}
