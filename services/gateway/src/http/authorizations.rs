//! A user is asked whether an application may act for them.
//!
//! The application sends the user to `/oauth/authorize`, which sends them on to the login page; the
//! page logs them in, asks them, and says so with `POST /v1/oauth/authorizations`.

mod body;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use url::Url;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::By;
use super::problem::Problem;
use super::query::StrictQuery;
use super::router::Shared;
use super::strict_json::StrictJson;
use super::whence::Whence;
use crate::application::OAuthFault;
use crate::domain::oauth::OAuthError;
use body::{Answer, Asked, NewAuthorization};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(authorize))
        .routes(routes!(agree))
}

/// Ask a user
///
/// For the user's browser, not for programs: it is sent on to the login page, or back to the
/// application with an `error` (RFC 6749, 4.1.2.1). When the application is not known, or the place
/// is not one of its own, nobody is sent anywhere.
#[utoipa::path(
    get,
    path = "/oauth/authorize",
    operation_id = "authorize",
    tag = "oauth",
    params(Asked),
    responses((status = 303, description = "To the login page, or back"))
)]
async fn authorize(
    State(gateway): State<Shared>,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Response, Problem> {
    let credentials = &gateway.credentials;
    let Some(page) = &credentials.login_url else {
        return Err(Problem::of_status(StatusCode::NOT_FOUND));
    };
    let wish = asked.wish();
    let client = credentials.oauth.client_of(&wish).await.map_err(problem)?;
    let to = match credentials.oauth.approve(client, &wish) {
        Ok(_approved) => {
            let mut page = page.clone();
            page.query_pairs_mut().extend_pairs(asked.pairs());
            page
        }
        Err(fault) => back(
            &wish.redirect_uri,
            &credentials.issuer,
            asked.state(),
            |query| {
                query.append_pair("error", fault.error.code());
                query.append_pair("error_description", &fault.detail);
            },
        )?,
    };
    see_other(&to)
}

/// Let an application act for the caller
///
/// Called by the login page, after it has asked. The answer says where to send the browser: back to
/// the application, with a code that it redeems within a minute, or with `access_denied`. It names
/// the issuer (RFC 9207).
#[utoipa::path(
    post,
    path = "/v1/oauth/authorizations",
    operation_id = "create_authorization",
    tag = "oauth",
    request_body = NewAuthorization,
    responses((status = 200, description = "Where to send the browser", body = Answer))
)]
async fn agree(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictJson(new): StrictJson<NewAuthorization>,
) -> Result<Json<Answer>, Problem> {
    let credentials = &gateway.credentials;
    let oauth = &credentials.oauth;
    let wish = new.wish();
    let client = oauth.client_of(&wish).await.map_err(problem)?;
    let approved = oauth.approve(client, &wish).map_err(problem)?;
    let (place, state) = (&wish.redirect_uri, new.state());
    let to = if new.is_approved() {
        let author = whence.by(&caller);
        let code = oauth.agree(&caller, &approved, place, &author).await;
        let code = code.map_err(problem)?;
        back(place, &credentials.issuer, state, |query| {
            query.append_pair("code", secrecy::ExposeSecret::expose_secret(&code));
        })?
    } else {
        back(place, &credentials.issuer, state, |query| {
            query.append_pair("error", "access_denied");
        })?
    };
    Ok(Json(Answer::to(&to)))
}

type Query<'a> = url::form_urlencoded::Serializer<'a, url::UrlQuery<'a>>;

/// Where the user is sent back to: the registered place, with the answer in its query.
fn back(
    place: &str,
    issuer: &str,
    state: Option<&str>,
    answer: impl FnOnce(&mut Query<'_>),
) -> Result<Url, Problem> {
    // It was registered as a URI, or is one with another port.
    let mut url = Url::parse(place)
        .map_err(|_malformed| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    {
        let mut query = url.query_pairs_mut();
        answer(&mut query);
        if let Some(state) = state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", issuer);
    }
    Ok(url)
}

fn see_other(to: &Url) -> Result<Response, Problem> {
    let place = HeaderValue::try_from(to.as_str())
        .map_err(|_unprintable| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    Ok((StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response())
}

/// What the login page is told, or the user when nobody may be sent anywhere.
fn problem(fault: OAuthFault) -> Problem {
    let (status, reason) = match fault.error {
        // One of another tenant is not known either.
        OAuthError::InvalidClient => (StatusCode::BAD_REQUEST, "CLIENT_UNKNOWN"),
        OAuthError::UnauthorizedClient => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
        OAuthError::InvalidScope => (StatusCode::BAD_REQUEST, "INVALID_SCOPE"),
        OAuthError::InvalidRequest
        | OAuthError::InvalidGrant
        | OAuthError::UnsupportedGrantType
        | OAuthError::UnsupportedResponseType => {
            (StatusCode::BAD_REQUEST, "INVALID_AUTHORIZATION_REQUEST")
        }
        OAuthError::TemporarilyUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "IDENTITY_UNAVAILABLE")
        }
        OAuthError::ServerError => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    };
    Problem::new(status, reason, fault.detail)
}
