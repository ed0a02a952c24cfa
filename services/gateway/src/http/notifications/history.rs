//! What people were told, and how far they have read.

mod body;

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::asking::Asking;
use crate::http::caller::By;
use crate::http::problem::Problem;
use crate::http::query::StrictQuery;
use crate::http::router::Shared;
use crate::http::strict_json::StrictJson;
use body::{HistoryFilter, NotificationPage, ReadUpTo, Unread, UnreadFilter};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(unread))
        .routes(routes!(mark_read))
}

/// List notifications
///
/// Newest first: what the caller was told by themselves, and what their groups were told while they
/// were a member. Ephemeral ones are not kept.
#[utoipa::path(
    get,
    path = "/v1/notifications",
    operation_id = "list_notifications",
    tag = "notifications",
    params(HistoryFilter),
    responses((status = 200, description = "A page of notifications", body = NotificationPage))
)]
async fn list(
    Asking(services): Asking,
    By(caller): By,
    StrictQuery(filter): StrictQuery<HistoryFilter>,
) -> Result<Json<NotificationPage>, Problem> {
    let request = filter.into_request(&caller)?;
    let page = services.notifications()?.history(request).await?;
    NotificationPage::try_from(page).map(Json)
}

/// Count what is unread
///
/// In all, and by stream. The streams are the caller's own and those of their groups.
#[utoipa::path(
    get,
    path = "/v1/notifications/unread",
    operation_id = "get_unread_notifications",
    tag = "notifications",
    params(UnreadFilter),
    responses((status = 200, description = "How many, and where the caller stands", body = Unread))
)]
async fn unread(
    Asking(services): Asking,
    By(caller): By,
    StrictQuery(filter): StrictQuery<UnreadFilter>,
) -> Result<Json<Unread>, Problem> {
    let request = filter.into_request(&caller)?;
    let unread = services.notifications()?.unread(request).await?;
    Ok(Json(unread.into()))
}

/// Mark notifications as read
///
/// Up to a sequence in each stream that is named, or all there are. What is read stays read, so the
/// same twice is the same once.
#[utoipa::path(
    post,
    path = "/v1/notifications/read",
    operation_id = "mark_notifications_read",
    tag = "notifications",
    request_body = ReadUpTo,
    responses(
        (status = 200, description = "Where the caller stands now", body = Unread),
        (status = 404, description = "`STREAM_NOT_FOUND`: the caller is not in that group"),
    )
)]
async fn mark_read(
    Asking(services): Asking,
    StrictJson(read): StrictJson<ReadUpTo>,
) -> Result<Json<Unread>, Problem> {
    let request = read.into_request()?;
    let read = services.notifications()?.mark_read(request).await?;
    Ok(Json(read.into()))
}
