//! Groups of people who are told things together.

mod body;

use axum::Json;
use axum::http::StatusCode;
use tradepost_proto::notification::v1 as pb;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::caller::By;
use super::path::{Named, NamedWithin};
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::values::present;
use crate::upstream::Refusal;
use body::{Group, GroupFilter, GroupPage, MemberFilter, MemberPage, NewGroup};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(put))
        .routes(routes!(members))
        .routes(routes!(join, leave))
}

/// List groups
///
/// By id: all of the tenant for who has the permission `notifications:manage`, else those that the
/// caller is in. `staff` is told what staff should know of orders.
#[utoipa::path(
    get,
    path = "/v1/notification-groups",
    operation_id = "list_notification_groups",
    tag = "notifications",
    params(GroupFilter),
    responses((status = 200, description = "A page of groups", body = GroupPage))
)]
async fn list(
    Asking(services): Asking,
    By(caller): By,
    StrictQuery(filter): StrictQuery<GroupFilter>,
) -> Result<Json<GroupPage>, Problem> {
    let request = filter.into_request(&caller)?;
    let page = services.notifications()?.list_groups(request).await?;
    Ok(Json(page.into()))
}

/// Make a group, or name it anew
///
/// Its members and what it was told stay.
#[utoipa::path(
    put,
    path = "/v1/notification-groups/{group_id}",
    operation_id = "put_notification_group",
    tag = "notifications",
    params(("group_id" = String, Path, description = "Its id: of `a-z 0-9 . _ -`",
        max_length = 64, example = "staff")),
    request_body = NewGroup,
    responses((status = 200, description = "The group", body = Group))
)]
async fn put(
    Asking(services): Asking,
    Named(group_id): Named,
    StrictJson(group): StrictJson<NewGroup>,
) -> Result<Json<Group>, Problem> {
    let request = group.into_request(group_id);
    let put = services.notifications()?.put_group(request).await?;
    Ok(Json(present(put.group)?.into()))
}

/// List the members of a group
///
/// By user id.
#[utoipa::path(
    get,
    path = "/v1/notification-groups/{group_id}/members",
    operation_id = "list_notification_group_members",
    tag = "notifications",
    params(
        MemberFilter,
        ("group_id" = String, Path, description = "The group's id", example = "staff"),
    ),
    responses((status = 200, description = "A page of members", body = MemberPage))
)]
async fn members(
    Asking(services): Asking,
    Named(group_id): Named,
    StrictQuery(filter): StrictQuery<MemberFilter>,
) -> Result<Json<MemberPage>, Problem> {
    let request = filter.into_request(group_id);
    let page = services.notifications()?.members(request).await?;
    Ok(Json(page.into()))
}

/// Make a user a member of a group
///
/// From now on: what the group was told before is not theirs. Who is a member stays one.
#[utoipa::path(
    put,
    path = "/v1/notification-groups/{group_id}/members/{user_id}",
    operation_id = "join_notification_group",
    tag = "notifications",
    params(
        ("group_id" = String, Path, description = "The group's id", example = "staff"),
        ("user_id" = String, Path, description = "The user's id",
            example = "user_01h455vb4pex5vsknk084sn02q"),
    ),
    responses((status = 204, description = "The user is a member"))
)]
async fn join(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    NamedWithin(group_id, user_id): NamedWithin,
) -> Result<StatusCode, Problem> {
    let request = pb::JoinGroupRequest {
        group_id,
        user_ids: vec![user_id],
    };
    let joined = services.notifications()?.join(request).await;
    joined.map_err(of_path)?;
    Ok(StatusCode::NO_CONTENT)
}

/// End a user's membership of a group
///
/// What the group was told until now stays in their history.
#[utoipa::path(
    delete,
    path = "/v1/notification-groups/{group_id}/members/{user_id}",
    operation_id = "leave_notification_group",
    tag = "notifications",
    params(
        ("group_id" = String, Path, description = "The group's id", example = "staff"),
        ("user_id" = String, Path, description = "The user's id",
            example = "user_01h455vb4pex5vsknk084sn02q"),
    ),
    responses((status = 204, description = "The user is no member"))
)]
async fn leave(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    NamedWithin(group_id, user_id): NamedWithin,
) -> Result<StatusCode, Problem> {
    let request = pb::LeaveGroupRequest {
        group_id,
        user_ids: vec![user_id],
    };
    let left = services.notifications()?.leave(request).await;
    left.map_err(of_path)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the service calls `user_ids[0]` is the user of the path.
fn of_path(mut refusal: Refusal) -> Problem {
    for fault in &mut refusal.fields {
        if fault.field.starts_with("user_ids") {
            "user_id".clone_into(&mut fault.field);
        }
    }
    refusal.into()
}
