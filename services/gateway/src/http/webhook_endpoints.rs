//! Where the systems of the caller's tenant are told what its people are told (`deliveries`: what was
//! and is to be sent there). The service fetches nothing before it has looked at the address itself.

mod body;
mod deliveries;

use axum::Json;
use axum::http::StatusCode;
use tradepost_proto::notification::v1 as pb;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::idempotency::IdempotencyKey;
use super::path::Named;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::values::present;
use body::{
    MadeWebhookEndpoint, NewWebhookEndpoint, Rotation, WebhookEndpoint, WebhookEndpointPatch,
    WebhookEndpoints,
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(create, list))
        .routes(routes!(get, change, remove))
        .routes(routes!(rotate))
        .merge(deliveries::routes())
}

/// Make a webhook endpoint
///
/// It gets what is told from now on. The secret that signs is in this answer; repeated with the same
/// `Idempotency-Key` the request is answered with it as long as it has not been rotated, and it is read
/// nowhere else. A tenant has up to 20 endpoints.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints",
    operation_id = "create_webhook_endpoint",
    tag = "webhooks",
    params(IdempotencyKey),
    request_body = NewWebhookEndpoint,
    responses(
        (status = 201, description = "The endpoint, with its secret", body = MadeWebhookEndpoint),
        (status = 429, description = "`TOO_MANY_ENDPOINTS`, or too much at once; see `Retry-After`"),
    )
)]
async fn create(
    Asking(services): Asking,
    key: IdempotencyKey,
    StrictJson(endpoint): StrictJson<NewWebhookEndpoint>,
) -> Result<(StatusCode, Json<MadeWebhookEndpoint>), Problem> {
    let request = endpoint.into_request(key.key);
    let made = services.notifications()?.create_endpoint(request).await?;
    let made = MadeWebhookEndpoint::new(made.endpoint, made.secret)?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// List webhook endpoints
///
/// All of the tenant, the oldest first, without their secrets.
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints",
    operation_id = "list_webhook_endpoints",
    tag = "webhooks",
    responses((status = 200, description = "The endpoints", body = WebhookEndpoints))
)]
async fn list(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<Json<WebhookEndpoints>, Problem> {
    let all = services.notifications()?.list_endpoints().await?;
    WebhookEndpoints::try_from(all).map(Json)
}

/// Read a webhook endpoint
///
/// Without its secret.
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{endpoint_id}",
    operation_id = "get_webhook_endpoint",
    tag = "webhooks",
    params(("endpoint_id" = String, Path, description = "The endpoint's id",
        example = "whe_01h455vb4pex5vsknk084sn02q")),
    responses((status = 200, description = "The endpoint", body = WebhookEndpoint))
)]
async fn get(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(endpoint_id): Named,
) -> Result<Json<WebhookEndpoint>, Problem> {
    let request = pb::GetEndpointRequest { endpoint_id };
    let found = services.notifications()?.endpoint(request).await?;
    WebhookEndpoint::try_from(present(found.endpoint)?).map(Json)
}

/// Change a webhook endpoint
///
/// What is left out stays. `"enabled": false` stops it: what is told meanwhile is not sent later, what
/// waits goes on when it is enabled again.
#[utoipa::path(
    patch,
    path = "/v1/webhook-endpoints/{endpoint_id}",
    operation_id = "change_webhook_endpoint",
    tag = "webhooks",
    params(("endpoint_id" = String, Path, description = "The endpoint's id",
        example = "whe_01h455vb4pex5vsknk084sn02q")),
    request_body = WebhookEndpointPatch,
    responses((status = 200, description = "The endpoint", body = WebhookEndpoint))
)]
async fn change(
    Asking(services): Asking,
    Named(endpoint_id): Named,
    StrictJson(patch): StrictJson<WebhookEndpointPatch>,
) -> Result<Json<WebhookEndpoint>, Problem> {
    let request = patch.into_request(endpoint_id)?;
    let changed = services.notifications()?.update_endpoint(request).await?;
    WebhookEndpoint::try_from(present(changed.endpoint)?).map(Json)
}

/// Remove a webhook endpoint
///
/// For good, with all that waits for it.
#[utoipa::path(
    delete,
    path = "/v1/webhook-endpoints/{endpoint_id}",
    operation_id = "remove_webhook_endpoint",
    tag = "webhooks",
    params(("endpoint_id" = String, Path, description = "The endpoint's id",
        example = "whe_01h455vb4pex5vsknk084sn02q")),
    responses((status = 204, description = "There is no such endpoint any more"))
)]
async fn remove(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(endpoint_id): Named,
) -> Result<StatusCode, Problem> {
    let request = pb::DeleteEndpointRequest { endpoint_id };
    services.notifications()?.delete_endpoint(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a webhook endpoint a new secret
///
/// For 24 hours the secret it has signs too, so that a receiver can change over without a refused
/// message; until then there is no further rotation but with `at_once`. The new secret is in this
/// answer, as that of a new endpoint.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{endpoint_id}/secret",
    operation_id = "rotate_webhook_secret",
    tag = "webhooks",
    params(
        IdempotencyKey,
        Rotation,
        ("endpoint_id" = String, Path, description = "The endpoint's id",
            example = "whe_01h455vb4pex5vsknk084sn02q"),
    ),
    responses(
        (status = 201, description = "The endpoint, with its new secret", body = MadeWebhookEndpoint),
        (status = 409, description = "`ROTATION_UNDER_WAY`: the secret before the last rotation still signs"),
    )
)]
async fn rotate(
    Asking(services): Asking,
    StrictQuery(rotation): StrictQuery<Rotation>,
    Named(endpoint_id): Named,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<MadeWebhookEndpoint>), Problem> {
    let request = pb::RotateSecretRequest {
        request_id: key.key,
        endpoint_id,
        at_once: rotation.at_once,
    };
    let rotated = services.notifications()?.rotate_secret(request).await?;
    let rotated = MadeWebhookEndpoint::new(rotated.endpoint, rotated.secret)?;
    Ok((StatusCode::CREATED, Json(rotated)))
}
