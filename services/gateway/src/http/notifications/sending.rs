//! Telling people and groups something.

mod body;

use axum::Json;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::asking::Asking;
use crate::http::idempotency::IdempotencyKey;
use crate::http::path::Named;
use crate::http::problem::Problem;
use crate::http::router::Shared;
use crate::upstream::Refusal;
use body::{Broadcast, NewBroadcast, NewNotification, Sent, Telling};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(send))
        .routes(routes!(broadcast))
}

/// Tell users something
///
/// Durable notifications are stored before this is answered, reach who is connected at once, and
/// the others when they come back. Ephemeral ones reach only who is connected.
#[utoipa::path(
    post,
    path = "/v1/notifications",
    operation_id = "send_notification",
    tag = "notifications",
    params(IdempotencyKey),
    request_body = NewNotification,
    responses(
        (status = 201, description = "It is stored", body = Sent),
        (status = 202, description = "It was ephemeral, and is on its way", body = Sent),
    )
)]
async fn send(
    Asking(services): Asking,
    key: IdempotencyKey,
    Telling(notification, data): Telling<NewNotification>,
) -> Result<(StatusCode, Json<Sent>), Problem> {
    let status = status(notification.is_kept());
    let request = notification.into_request(key.key, data);
    let sent = services.notifications()?.send(request).await;
    Ok((status, Json(sent.map_err(flat)?.into())))
}

/// Tell a group something
///
/// As telling users, but stored once, whatever the number of members. Who joins later is not told.
#[utoipa::path(
    post,
    path = "/v1/notification-groups/{group_id}/notifications",
    operation_id = "broadcast_notification",
    tag = "notifications",
    params(
        IdempotencyKey,
        ("group_id" = String, Path, description = "The group's id", example = "staff"),
    ),
    request_body = NewBroadcast,
    responses(
        (status = 201, description = "It is stored", body = Broadcast),
        (status = 202, description = "It was ephemeral, and is on its way", body = Broadcast),
    )
)]
async fn broadcast(
    Asking(services): Asking,
    Named(group_id): Named,
    key: IdempotencyKey,
    Telling(notification, data): Telling<NewBroadcast>,
) -> Result<(StatusCode, Json<Broadcast>), Problem> {
    let status = status(notification.is_kept());
    let request = notification.into_request(key.key, group_id, data);
    let sent = services.notifications()?.broadcast(request).await;
    Ok((status, Json(sent.map_err(flat)?.into())))
}

const fn status(is_kept: bool) -> StatusCode {
    match is_kept {
        true => StatusCode::CREATED,
        false => StatusCode::ACCEPTED,
    }
}

/// What the service calls `content.title` is `title` in the body.
fn flat(mut refusal: Refusal) -> Problem {
    for fault in &mut refusal.fields {
        if let Some(field) = fault.field.strip_prefix("content.") {
            fault.field = field.to_owned();
        }
    }
    refusal.into()
}
