//! The caller's own second factor.

mod body;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::By;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::tries::Try;
use super::whence::Whence;
use crate::application::person_in_session;
use crate::domain::strict::Strict;
use crate::ports::SecondFactor;
use body::{Code, Enrolment, RecoveryCodes, Shown, SteppedUp};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(enrol, remove))
        .routes(routes!(confirm))
        .routes(routes!(step_up))
        .routes(routes!(replace_recovery))
}

/// Set up one-time codes
///
/// A secret for an authenticator app, shown once. It is asked for at logins once its first code is
/// confirmed; until then, another call replaces it.
#[utoipa::path(
    post,
    path = "/v1/auth/mfa/totp",
    operation_id = "enrol_totp",
    tag = "mfa",
    responses((status = 201, description = "The secret", body = Enrolment))
)]
async fn enrol(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<(StatusCode, Json<Enrolment>), Problem> {
    let factors = &gateway.credentials.factors;
    let enrolment = factors.enrol(&caller, &whence.by(&caller)).await?;
    Ok((StatusCode::CREATED, Json(enrolment.into())))
}

/// Confirm one-time codes
///
/// With the first code that the authenticator shows. From now on logins ask for one. The answer has
/// ten recovery codes, shown once, each good once in place of a code.
#[utoipa::path(
    post,
    path = "/v1/auth/mfa/totp/confirm",
    operation_id = "confirm_totp",
    tag = "mfa",
    request_body = Code,
    responses((status = 200, description = "The recovery codes", body = RecoveryCodes))
)]
async fn confirm(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictJson(code): StrictJson<Code>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let factors = &gateway.credentials.factors;
    let (address, account) = (whence.address(), caller.subject.to_string());
    let counted = Try::count(&gateway, Strict::Totp, address, account).await?;
    let author = whence.by(&caller);
    let codes = factors.confirm(&caller, &code.code, &author).await?;
    counted.was_right().await;
    Ok(Json(codes.into()))
}

/// Remove one-time codes
///
/// And the recovery codes. Whoever has them must have shown one within the last ten minutes: see
/// `POST /v1/auth/mfa/step-up`.
#[utoipa::path(
    delete,
    path = "/v1/auth/mfa/totp",
    operation_id = "remove_totp",
    tag = "mfa",
    responses((status = 204, description = "Logins ask for none any more"))
)]
async fn remove(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<StatusCode, Problem> {
    let factors = &gateway.credentials.factors;
    let now = gateway.guards.clock.now();
    factors.remove(&caller, &whence.by(&caller), now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show the second factor again
///
/// For what asks for one shown lately (`STEP_UP_REQUIRED`): with a code, or a recovery code in its
/// place. The new access token says so, and so do those that the session gets later.
#[utoipa::path(
    post,
    path = "/v1/auth/mfa/step-up",
    operation_id = "step_up",
    tag = "mfa",
    request_body = Shown,
    responses((status = 200, description = "An access token", body = SteppedUp))
)]
async fn step_up(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictJson(shown): StrictJson<Shown>,
) -> Result<Json<SteppedUp>, Problem> {
    let (user, session) = person_in_session(&caller)?;
    let shown = shown.into_factor()?;
    let (address, account) = (whence.address(), user.to_string());
    let counted = Try::count(&gateway, Strict::Totp, address, account).await?;
    let author = whence.by(&caller);
    let taken = gateway.credentials.factors.take(user, &shown, &author);
    taken.await.map_err(crate::application::ChangeError::from)?;
    counted.was_right().await;
    let token = gateway.identity.sessions.prove(session, &author).await?;
    Ok(Json(token.into()))
}

/// Make new recovery codes
///
/// In place of all there are. Whoever has a second factor must have shown it within the last ten
/// minutes.
#[utoipa::path(
    post,
    path = "/v1/auth/mfa/recovery-codes",
    operation_id = "replace_recovery_codes",
    tag = "mfa",
    responses((status = 200, description = "The recovery codes", body = RecoveryCodes))
)]
async fn replace_recovery(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<Json<RecoveryCodes>, Problem> {
    let factors = &gateway.credentials.factors;
    let now = gateway.guards.clock.now();
    let codes = factors
        .replace_recovery(&caller, &whence.by(&caller), now)
        .await?;
    Ok(Json(codes.into()))
}
