//! The caller's own sessions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tradepost_types::UserId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{SessionList, SessionView, no_session};
use crate::application::UserError;
use crate::domain::caller::{Caller, Subject};
use crate::http::caller::By;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::query::{Nothing, StrictQuery};
use crate::http::router::Shared;
use crate::http::whence::Whence;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(list, revoke_all))
        .routes(routes!(revoke))
}

/// List one's own sessions
#[utoipa::path(
    get,
    path = "/v1/auth/sessions",
    operation_id = "list_sessions",
    tag = "auth",
    responses((status = 200, description = "The live sessions", body = SessionList))
)]
async fn list(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<Json<SessionList>, Problem> {
    let sessions = gateway.identity.sessions.list(user(&caller)?).await?;
    let sessions = sessions.into_iter();
    let sessions = sessions.map(|session| SessionView::new(session, &caller));
    Ok(Json(SessionList {
        sessions: sessions.collect(),
    }))
}

/// End one of one's own sessions
#[utoipa::path(
    delete,
    path = "/v1/auth/sessions/{session_id}",
    operation_id = "revoke_session",
    tag = "auth",
    params(("session_id" = String, Path, description = "The session's id",
        example = "session_01h455vb4pex5vsknk084sn02q")),
    responses((status = 204, description = "The session has ended"))
)]
async fn revoke(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(session): Named,
) -> Result<StatusCode, Problem> {
    let session = session
        .parse()
        .map_err(|_malformed| Problem::path_fault("session_id", "must be a session's id"))?;
    let (user, author) = (user(&caller)?, whence.by(&caller));
    let sessions = &gateway.identity.sessions;
    match sessions
        .revoke(user, session, "revoked by its user", &author)
        .await?
    {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_session()),
    }
}

/// End all of one's own sessions
///
/// The one that asks too.
#[utoipa::path(
    delete,
    path = "/v1/auth/sessions",
    operation_id = "revoke_sessions",
    tag = "auth",
    responses((status = 204, description = "All sessions have ended"))
)]
async fn revoke_all(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<StatusCode, Problem> {
    let (user, author) = (user(&caller)?, whence.by(&caller));
    gateway.identity.sessions.revoke_all(user, &author).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keys and clients have no sessions.
fn user(caller: &Caller) -> Result<UserId, Problem> {
    match caller.subject {
        Subject::User(user) => Ok(user),
        Subject::Key(_) | Subject::Client(_) => Err(UserError::NoUser.into()),
    }
}
