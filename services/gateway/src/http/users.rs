//! The users of a tenant.

mod body;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use tradepost_service::page::PageRequest;
use tradepost_types::UserId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::caller::By;
use super::idempotency::{IdempotencyKey, REPLAYED};
use super::path::Named;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::whence::Whence;
use crate::upstream::Refusal;
use body::{NewUser, Role, User, UserFilter, UserPage};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, remove))
        .routes(routes!(set_role))
        .routes(routes!(revoke))
}

/// Make a user
///
/// A member of the caller's tenant. Nobody gives a role above their own; only owners make owners.
/// 409 `EMAIL_TAKEN` when anybody has the address, in whatever tenant.
#[utoipa::path(
    post,
    path = "/v1/users",
    operation_id = "create_user",
    tag = "users",
    params(IdempotencyKey),
    request_body = NewUser,
    responses(
        (status = 201, description = "The user", body = User),
        (status = 200, description = "The user, made by an earlier request with the key", body = User),
    )
)]
async fn create(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    key: IdempotencyKey,
    StrictJson(new): StrictJson<NewUser>,
) -> Result<(StatusCode, HeaderMap, Json<User>), Problem> {
    let (invitation, author) = (new.into_invitation()?, whence.by(&caller));
    let users = &gateway.identity.users;
    let invited = users.invite(invitation, key.key, &caller, &author).await?;
    let mut headers = HeaderMap::new();
    let status = match invited.member.is_replayed {
        true => {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
            StatusCode::OK
        }
        false => StatusCode::CREATED,
    };
    let location = format!("/v1/users/{}", invited.member.made.user);
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(LOCATION, location);
    }
    Ok((status, headers, Json(User::from(invited))))
}

/// List users
///
/// In the order they were made.
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "list_users",
    tag = "users",
    params(UserFilter),
    responses((status = 200, description = "A page of users", body = UserPage))
)]
async fn list(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(filter): StrictQuery<UserFilter>,
) -> Result<Json<UserPage>, Problem> {
    let page = PageRequest::<Uuid>::parse(filter.page_size, &filter.page_token, b"users")
        .map_err(|status| Refusal::of_list(&status))?;
    let after = page.after.map(UserId::from_uuid);
    let users = &gateway.identity.users;
    let members = users.list(after, page.limit(), &caller).await?;
    let page = page.page(members, |last| last.user.as_uuid());
    Ok(Json(UserPage::from(page)))
}

/// Read a user
#[utoipa::path(
    get,
    path = "/v1/users/{user_id}",
    operation_id = "get_user",
    tag = "users",
    params(("user_id" = String, Path, description = "The user's id",
        example = "user_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The user", body = User))
)]
async fn get(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(user): Named,
) -> Result<Json<User>, Problem> {
    let user = parsed(&user)?;
    let member = gateway.identity.users.find(user, &caller).await?;
    Ok(Json(User::from(member)))
}

/// Remove a user
///
/// Ends the membership and the user's sessions in the tenant, at once. The last owner stays.
#[utoipa::path(
    delete,
    path = "/v1/users/{user_id}",
    operation_id = "remove_user",
    tag = "users",
    params(("user_id" = String, Path, description = "The user's id",
        example = "user_01h455vb4pex5vsknk084sn02q")),
    responses((status = 204, description = "The user is no member any more"))
)]
async fn remove(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(user): Named,
) -> Result<StatusCode, Problem> {
    let (user, author) = (parsed(&user)?, whence.by(&caller));
    gateway
        .identity
        .users
        .remove(user, &caller, &author)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Make a user something else
///
/// Nobody changes their own role, and nobody gives or takes one above their own. What the user's
/// tokens said before is not taken any more; the next refresh says what they are now.
#[utoipa::path(
    put,
    path = "/v1/users/{user_id}/role",
    operation_id = "set_user_role",
    tag = "users",
    params(("user_id" = String, Path, description = "The user's id",
        example = "user_01h455vb4pex5vsknk084sn02q")),
    request_body = Role,
    responses((status = 200, description = "The user", body = User))
)]
async fn set_role(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    Named(user): Named,
    StrictJson(role): StrictJson<Role>,
) -> Result<Json<User>, Problem> {
    let (user, author) = (parsed(&user)?, whence.by(&caller));
    let users = &gateway.identity.users;
    let member = users
        .set_role(user, role.parse()?, &caller, &author)
        .await?;
    Ok(Json(User::from(member)))
}

/// End a user's sessions
///
/// Those in the tenant, at once. The user may log in again.
#[utoipa::path(
    post,
    path = "/v1/users/{user_id}/revoke",
    operation_id = "revoke_user",
    tag = "users",
    params(("user_id" = String, Path, description = "The user's id",
        example = "user_01h455vb4pex5vsknk084sn02q")),
    responses((status = 204, description = "The sessions have ended"))
)]
async fn revoke(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(user): Named,
) -> Result<StatusCode, Problem> {
    let (user, author) = (parsed(&user)?, whence.by(&caller));
    gateway
        .identity
        .users
        .revoke(user, &caller, &author)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn parsed(text: &str) -> Result<UserId, Problem> {
    let id = text.parse();
    id.map_err(|_malformed| Problem::path_fault("user_id", "must be a user's id"))
}
