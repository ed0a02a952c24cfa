//! Logging in and staying in.

mod body;
mod sessions;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::By;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::tries::Try;
use super::whence::Whence;
use crate::application::UserError;
use crate::domain::caller::Subject;
use crate::domain::session::FIRST_PARTY;
use crate::domain::strict::Strict;
use body::{Login, Me, NewPassword, Refresh, Tokens};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(me))
        .routes(routes!(set_password))
        .routes(routes!(jwks))
        .merge(sessions::routes())
}

/// Log in
///
/// Answers 401 `LOGIN_FAILED` whatever was wrong. Only after the right password: 401
/// `MFA_REQUIRED` when a second factor is needed, 409 `TENANT_REQUIRED` with `choices` when the
/// user is a member of several tenants, 403 `TENANT_SUSPENDED`.
#[utoipa::path(
    post,
    path = "/v1/auth/login",
    operation_id = "log_in",
    tag = "auth",
    request_body = Login,
    responses((status = 200, description = "The tokens of a new session", body = Tokens))
)]
async fn login(
    State(gateway): State<Shared>,
    whence: Whence,
    StrictJson(login): StrictJson<Login>,
) -> Result<Json<Tokens>, Problem> {
    let attempt = login.into_attempt()?;
    let (address, account) = (whence.address(), attempt.email.as_str());
    let counted = Try::count(&gateway, Strict::Login, address, account).await?;
    let issued = gateway
        .identity
        .log_in
        .run(attempt, &whence.stranger())
        .await?;
    counted.was_right().await;
    Ok(Json(Tokens::from(&issued)))
}

/// Exchange a refresh token
///
/// Each is used once. If the answer is lost, or two tabs race, the same token answers with the
/// same successor for a few seconds; after that, or once the successor was used, it is taken for
/// stolen: 401 `REFRESH_REUSED`, and the session ends. 409 `REFRESH_SUPERSEDED` tells one of many
/// that race to use what the others got.
#[utoipa::path(
    post,
    path = "/v1/auth/refresh",
    operation_id = "refresh",
    tag = "auth",
    request_body = Refresh,
    responses((status = 200, description = "The next tokens of the session", body = Tokens))
)]
async fn refresh(
    State(gateway): State<Shared>,
    whence: Whence,
    StrictJson(refresh): StrictJson<Refresh>,
) -> Result<Json<Tokens>, Problem> {
    let address = whence.address();
    let (author, token) = (whence.stranger(), refresh.refresh_token);
    // Nothing is forgiven: a token that is right could be sent without end.
    Try::count(&gateway, Strict::Refresh, address, token.expose_secret()).await?;
    let sessions = &gateway.identity.sessions;
    let issued = sessions.refresh(&token, FIRST_PARTY, &author).await?;
    Ok(Json(Tokens::from(&issued)))
}

/// Log out
///
/// Ends the session of the token that is shown.
#[utoipa::path(
    post,
    path = "/v1/auth/logout",
    operation_id = "log_out",
    tag = "auth",
    responses((status = 204, description = "The session has ended"))
)]
async fn logout(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<StatusCode, Problem> {
    if let (Subject::User(user), Some(session)) = (caller.subject, caller.session) {
        let author = whence.by(&caller);
        let sessions = &gateway.identity.sessions;
        sessions.revoke(user, session, "logout", &author).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Who am I
#[utoipa::path(
    get,
    path = "/v1/auth/me",
    operation_id = "get_me",
    tag = "auth",
    responses((status = 200, description = "The caller as the gateway knows them", body = Me))
)]
async fn me(By(caller): By, StrictQuery(Nothing {}): StrictQuery<Nothing>) -> Json<Me> {
    Json(Me::from(caller.as_ref()))
}

/// Change one's own password
///
/// All other sessions end.
#[utoipa::path(
    post,
    path = "/v1/auth/password",
    operation_id = "set_password",
    tag = "auth",
    request_body = NewPassword,
    responses((status = 204, description = "The new password counts"))
)]
async fn set_password(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictJson(body): StrictJson<NewPassword>,
) -> Result<StatusCode, Problem> {
    let (current, new) = (&body.current_password, &body.new_password);
    let (address, account) = (whence.address(), caller.subject.to_string());
    let counted = Try::count(&gateway, Strict::PasswordChange, address, account).await?;
    let author = whence.by(&caller);
    let users = &gateway.identity.users;
    let changed = users.change_password(current, new, &caller, &author).await;
    changed.map_err(|error| match error {
        UserError::Password(fault) => Problem::field("/new_password", &fault.to_string()),
        UserError::NoTenant
        | UserError::NoUser
        | UserError::WrongPassword
        | UserError::Hash(_)
        | UserError::Member(_) => error.into(),
    })?;
    counted.was_right().await;
    Ok(StatusCode::NO_CONTENT)
}

/// The public keys of access tokens
///
/// A JWKS document (RFC 7517). A key stands here for at least as long as an answer may be kept
/// before it signs, and for as long as its tokens live after it has.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "get_jwks",
    tag = "auth",
    responses((status = 200, description = "The keys", content_type = "application/json"))
)]
async fn jwks(
    State(gateway): State<Shared>,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=300"),
        ),
    ];
    (headers, gateway.identity.tokens.jwks()).into_response()
}
