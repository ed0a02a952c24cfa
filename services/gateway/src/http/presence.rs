//! Who is connected at present, on any node.

mod body;

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::caller::By;
use super::path::Named;
use super::problem::Problem;
use super::query::StrictQuery;
use super::router::Shared;
use body::{PresencePage, Presences, PresentFilter, Watched};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(of_users))
        .routes(routes!(of_group))
}

/// Read whether people are connected
///
/// The caller, or those who are named. A node that dies takes its people with it within half a minute.
#[utoipa::path(
    get,
    path = "/v1/presence",
    operation_id = "get_presence",
    tag = "notifications",
    params(Watched),
    responses((status = 200, description = "Whether they are", body = Presences))
)]
async fn of_users(
    Asking(services): Asking,
    By(caller): By,
    StrictQuery(watched): StrictQuery<Watched>,
) -> Result<Json<Presences>, Problem> {
    let request = watched.into_request(&caller)?;
    let presence = services.notifications()?.presence(request).await?;
    Presences::try_from(presence).map(Json)
}

/// List the members of a group that are connected
///
/// By user id. A page may be empty and not the last one.
#[utoipa::path(
    get,
    path = "/v1/notification-groups/{group_id}/presence",
    operation_id = "get_notification_group_presence",
    tag = "notifications",
    params(
        PresentFilter,
        ("group_id" = String, Path, description = "The group's id", example = "staff"),
    ),
    responses((status = 200, description = "A page of those who are", body = PresencePage))
)]
async fn of_group(
    Asking(services): Asking,
    Named(group_id): Named,
    StrictQuery(filter): StrictQuery<PresentFilter>,
) -> Result<Json<PresencePage>, Problem> {
    let request = filter.into_request(group_id);
    let page = services.notifications()?.present(request).await?;
    PresencePage::try_from(page).map(Json)
}
