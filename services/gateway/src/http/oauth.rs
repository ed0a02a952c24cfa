//! OAuth for programs: tokens, what they are good for, and their end (RFC 6749, 7009, 7662, 8414).
//!
//! These routes are the protocol's own: forms in, its own errors out. A client shows itself by its
//! secret, not by a token, so the gate lets them through.

mod answer;
mod form;
mod metadata;
mod tokens;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::tries::Try;
use super::whence::Whence;
use crate::application::{ClientShown, Introspection};
use crate::domain::oauth::OAuthError;
use crate::domain::strict::Strict;
use answer::{OAuthErrorBody, Refused, fresh};
use form::{ClientForm, Form, introspection, revocation, token};
use metadata::Metadata;
use tokens::{Introspected, Token};

pub(super) use answer::OwnForm;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(issue))
        .routes(routes!(introspect))
        .routes(routes!(revoke))
        .routes(routes!(describe))
}

/// Get an access token
///
/// For a code (with PKCE), for the client itself, or for a refresh token. A confidential client
/// shows its secret by HTTP Basic or in the form, never both.
#[utoipa::path(
    post,
    path = "/oauth/token",
    operation_id = "issue_token",
    tag = "oauth",
    request_body(content = token::TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token", body = Token),
        (status = 400, description = "It is not granted (RFC 6749, 5.2)", body = OAuthErrorBody),
        (status = 401, description = "The client has not shown who it is", body = OAuthErrorBody),
    )
)]
async fn issue(
    State(gateway): State<Shared>,
    whence: Whence,
    form: Form,
) -> Result<Response, Refused> {
    let (shown, form) = form.client::<token::TokenForm>()?;
    let wish = form.into_wish()?;
    let oauth = &gateway.credentials.oauth;
    let (address, account) = (whence.address(), shown.id.as_str());
    let counted = Try::count(&gateway, Strict::ClientSecret, address, account).await?;
    let client = oauth.authenticate(&shown).await?;
    counted.was_right().await;
    let issued = oauth.grant(&client, wish, &whence.stranger()).await?;
    Ok(fresh(Json(Token::from(issued))))
}

/// Ask what a token is good for
///
/// For confidential clients, about access tokens of their own tenant; every other token is told to
/// be inactive.
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    operation_id = "introspect_token",
    tag = "oauth",
    request_body(
        content = introspection::IntrospectionForm,
        content_type = "application/x-www-form-urlencoded"
    ),
    responses(
        (status = 200, description = "What it is good for (RFC 7662)", body = Introspected),
        (status = 400, description = "The form is malformed", body = OAuthErrorBody),
        (status = 401, description = "The client has not shown who it is", body = OAuthErrorBody),
    )
)]
async fn introspect(State(gateway): State<Shared>, form: Form) -> Result<Response, Refused> {
    let (shown, form) = form.client::<introspection::IntrospectionForm>()?;
    let oauth = &gateway.credentials.oauth;
    let client = oauth.authenticate(&shown).await?;
    let token = form.into_token()?;
    let now = gateway.guards.clock.now();
    let told = match oauth.introspect(&client, &token, now).await? {
        Introspection::Active(claims) => Introspected::active(&claims, &gateway.credentials.issuer),
        Introspection::Inactive => Introspected::inactive(),
    };
    Ok(fresh(Json(told)))
}

/// End a token
///
/// An access token, or a refresh token with its session; only the client's own. A token that is
/// none is no error.
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    operation_id = "revoke_token",
    tag = "oauth",
    request_body(
        content = revocation::RevocationForm,
        content_type = "application/x-www-form-urlencoded"
    ),
    responses(
        (status = 200, description = "It is good no longer, if it was"),
        (status = 400, description = "The form is malformed", body = OAuthErrorBody),
        (status = 401, description = "The client has not shown who it is", body = OAuthErrorBody),
    )
)]
async fn revoke(
    State(gateway): State<Shared>,
    whence: Whence,
    form: Form,
) -> Result<Response, Refused> {
    let (shown, form) = form.client::<revocation::RevocationForm>()?;
    let oauth = &gateway.credentials.oauth;
    let client = oauth.authenticate(&shown).await?;
    let token = form.into_token()?;
    let now = gateway.guards.clock.now();
    oauth
        .revoke(&client, &token, &whence.stranger(), now)
        .await?;
    Ok(fresh(()))
}

/// Read what the authorization server can do
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    operation_id = "get_oauth_metadata",
    tag = "oauth",
    responses((status = 200, description = "The metadata (RFC 8414)", body = Metadata))
)]
async fn describe(
    State(gateway): State<Shared>,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Json<Metadata> {
    Json(Metadata::of(&gateway.credentials))
}

/// Who a client says it is, when it says so in the form only.
fn from_form(
    id: Option<String>,
    secret: Option<secrecy::SecretString>,
) -> Result<ClientShown, Refused> {
    let id = id.ok_or_else(|| Refused::from(OAuthError::InvalidClient))?;
    Ok(ClientShown { id, secret })
}

/// A form that a client sends with its own name in it.
trait FromForm: Sized {
    /// Takes its parameters out of the form.
    fn from_form(form: &mut ClientForm) -> Self;
}
