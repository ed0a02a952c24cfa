//! What was and is to be sent to webhook endpoints.

mod body;

use axum::Json;
use axum::http::StatusCode;
use tradepost_proto::notification::v1 as pb;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::asking::Asking;
use crate::http::idempotency::IdempotencyKey;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::query::{Nothing, StrictQuery};
use crate::http::router::Shared;
use crate::http::values::present;
use body::{DeliveryFilter, WebhookDelivery, WebhookDeliveryPage};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(test))
        .routes(routes!(resend))
}

/// List the deliveries to a webhook endpoint
///
/// What was and is to be sent to it, the newest first, for 30 days.
#[utoipa::path(
    get,
    path = "/v1/webhook-endpoints/{endpoint_id}/deliveries",
    operation_id = "list_webhook_deliveries",
    tag = "webhooks",
    params(
        DeliveryFilter,
        ("endpoint_id" = String, Path, description = "The endpoint's id",
            example = "whe_01h455vb4pex5vsknk084sn02q"),
    ),
    responses((status = 200, description = "A page of deliveries", body = WebhookDeliveryPage))
)]
async fn list(
    Asking(services): Asking,
    Named(endpoint_id): Named,
    StrictQuery(filter): StrictQuery<DeliveryFilter>,
) -> Result<Json<WebhookDeliveryPage>, Problem> {
    let request = filter.into_request(endpoint_id);
    let page = services.notifications()?.deliveries(request).await?;
    WebhookDeliveryPage::try_from(page).map(Json)
}

/// Send a webhook endpoint a test message
///
/// Of the type `webhook.test`, whatever the endpoint's types.
#[utoipa::path(
    post,
    path = "/v1/webhook-endpoints/{endpoint_id}/test",
    operation_id = "test_webhook_endpoint",
    tag = "webhooks",
    params(
        IdempotencyKey,
        ("endpoint_id" = String, Path, description = "The endpoint's id",
            example = "whe_01h455vb4pex5vsknk084sn02q"),
    ),
    responses((status = 202, description = "It is on its way", body = WebhookDelivery))
)]
async fn test(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(endpoint_id): Named,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<WebhookDelivery>), Problem> {
    let request = pb::TestEndpointRequest {
        request_id: key.key,
        endpoint_id,
    };
    let tested = services.notifications()?.test_endpoint(request).await?;
    due(tested.delivery)
}

/// Send a delivery again
///
/// From its first attempt on, whatever became of it.
#[utoipa::path(
    post,
    path = "/v1/webhook-deliveries/{delivery_id}/resend",
    operation_id = "resend_webhook_delivery",
    tag = "webhooks",
    params(
        IdempotencyKey,
        ("delivery_id" = String, Path, description = "The delivery's id",
            example = "whd_01h455vb4pex5vsknk084sn02q"),
    ),
    responses((status = 202, description = "It is on its way", body = WebhookDelivery))
)]
async fn resend(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(delivery_id): Named,
    key: IdempotencyKey,
) -> Result<(StatusCode, Json<WebhookDelivery>), Problem> {
    let request = pb::ResendDeliveryRequest {
        request_id: key.key,
        delivery_id,
    };
    let resent = services.notifications()?.resend_delivery(request).await?;
    due(resent.delivery)
}

fn due(
    delivery: Option<pb::WebhookDelivery>,
) -> Result<(StatusCode, Json<WebhookDelivery>), Problem> {
    let delivery = WebhookDelivery::try_from(present(delivery)?)?;
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}
