//! API keys of the caller's tenant.

mod body;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tradepost_types::ApiKeyId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::caller::By;
use super::idempotency::IdempotencyKey;
use super::paging::page;
use super::path::Named;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::whence::Whence;
use crate::application::KeyRotation;
pub(super) use body::scope;
use body::{ApiKey, ApiKeyFilter, ApiKeyPage, MadeApiKey, NewApiKey, NewSecret};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, revoke))
        .routes(routes!(rotate))
}

/// Make an API key
///
/// For a program of the tenant; a person makes it, and gives it no more than they have. The secret
/// is in this answer and never again: repeating the request with the same `Idempotency-Key` answers
/// 200 without it.
#[utoipa::path(
    post,
    path = "/v1/api-keys",
    operation_id = "create_api_key",
    tag = "credentials",
    params(IdempotencyKey),
    request_body = NewApiKey,
    responses(
        (status = 201, description = "The key, with its secret", body = MadeApiKey),
        (status = 200, description = "An earlier request made it; without its secret",
            body = MadeApiKey),
    )
)]
async fn create(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    key: IdempotencyKey,
    StrictJson(new): StrictJson<NewApiKey>,
) -> Result<(StatusCode, Json<MadeApiKey>), Problem> {
    let author = whence.by(&caller);
    let now = gateway.guards.clock.now();
    let keys = &gateway.credentials.api_keys;
    let shown = keys
        .create(&caller, &author, new.into_wish(key.key)?, now)
        .await?;
    Ok(MadeApiKey::answer(shown))
}

/// List API keys
///
/// All of the tenant, also those that were revoked, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/api-keys",
    operation_id = "list_api_keys",
    tag = "credentials",
    params(ApiKeyFilter),
    responses((status = 200, description = "A page of keys", body = ApiKeyPage))
)]
async fn list(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(filter): StrictQuery<ApiKeyFilter>,
) -> Result<Json<ApiKeyPage>, Problem> {
    let page = page::<Uuid>(filter.page_size, &filter.page_token, "api-keys")?;
    let after = page.after.map(ApiKeyId::from_uuid);
    let keys = &gateway.credentials.api_keys;
    let found = keys.list(&caller, after, page.limit()).await?;
    let page = page.page(found, |key| key.id.as_uuid());
    Ok(Json(ApiKeyPage::from(page)))
}

/// Read an API key
///
/// Without its secret.
#[utoipa::path(
    get,
    path = "/v1/api-keys/{key_id}",
    operation_id = "get_api_key",
    tag = "credentials",
    params(("key_id" = String, Path, description = "The key's id",
        example = "key_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The key", body = ApiKey))
)]
async fn get(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(key_id): Named,
) -> Result<Json<ApiKey>, Problem> {
    let found = gateway.credentials.api_keys.find(&caller, id(&key_id)?);
    Ok(Json(found.await?.into()))
}

/// Revoke an API key
///
/// For good, everywhere within a second.
#[utoipa::path(
    delete,
    path = "/v1/api-keys/{key_id}",
    operation_id = "revoke_api_key",
    tag = "credentials",
    params(("key_id" = String, Path, description = "The key's id",
        example = "key_01h455vb4pex5vsknk084sn02q")),
    responses((status = 204, description = "It is revoked"))
)]
async fn revoke(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(key_id): Named,
) -> Result<StatusCode, Problem> {
    let author = whence.by(&caller);
    let keys = &gateway.credentials.api_keys;
    keys.revoke(&caller, &author, id(&key_id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give an API key a new secret
///
/// The secret it has goes on until `previous_until`, so that programs can change over without a
/// refused call. A secret that others have seen is ended by revoking the key: after a rotation
/// processes may still know it for half a minute. The new secret is in this answer and never again.
#[utoipa::path(
    post,
    path = "/v1/api-keys/{key_id}/rotate",
    operation_id = "rotate_api_key",
    tag = "credentials",
    params(
        IdempotencyKey,
        ("key_id" = String, Path, description = "The key's id",
            example = "key_01h455vb4pex5vsknk084sn02q"),
    ),
    request_body = NewSecret,
    responses(
        (status = 201, description = "The key, with its new secret", body = MadeApiKey),
        (status = 200, description = "An earlier request rotated it; without its secret",
            body = MadeApiKey),
    )
)]
#[expect(
    clippy::too_many_arguments,
    reason = "each is a part of the request of its own"
)]
async fn rotate(
    State(gateway): State<Shared>,
    By(caller): By,
    whence: Whence,
    Named(key_id): Named,
    key: IdempotencyKey,
    wish: Option<StrictJson<NewSecret>>,
) -> Result<(StatusCode, Json<MadeApiKey>), Problem> {
    let author = whence.by(&caller);
    let now = gateway.guards.clock.now();
    let rotation = KeyRotation {
        id: id(&key_id)?,
        previous_until: wish.and_then(|StrictJson(wish)| wish.previous_until()),
        request_id: key.key,
    };
    let keys = &gateway.credentials.api_keys;
    let shown = keys.rotate(&caller, &author, rotation, now).await?;
    Ok(MadeApiKey::answer(shown))
}

fn id(text: &str) -> Result<ApiKeyId, Problem> {
    text.parse()
        .map_err(|_malformed| Problem::path_fault("key_id", "must be the id of a key"))
}
