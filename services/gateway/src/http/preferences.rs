//! How people want to be told: each says it for themselves, or somebody says it for them.

mod body;
mod time_of_day;

use axum::Json;
use tradepost_proto::notification::v1 as pb;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::path::Named;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use super::strict_json::StrictJson;
use super::values::present;
use crate::upstream::{Refusal, Services};
use body::{NewPreferences, Preferences};

/// The caller, as the service has it.
const ONESELF: String = String::new();

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(get_own, put_own))
        .routes(routes!(get, put))
}

/// Read how the caller wants to be told
///
/// Who never said anything has no preferences, and `revision` 0.
#[utoipa::path(
    get,
    path = "/v1/notifications/preferences",
    operation_id = "get_notification_preferences",
    tag = "notifications",
    responses((status = 200, description = "What they prefer", body = Preferences))
)]
async fn get_own(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<Json<Preferences>, Problem> {
    read(&services, ONESELF).await
}

/// Say how the caller wants to be told
///
/// Replaces all of it: what is left out is none. Preferences silence, they do not hide: a notification
/// that is muted, or comes in quiet hours, is stored and counted as unread, and arrives with
/// `"silent": true`. Connections follow at once.
#[utoipa::path(
    put,
    path = "/v1/notifications/preferences",
    operation_id = "put_notification_preferences",
    tag = "notifications",
    request_body = NewPreferences,
    responses(
        (status = 200, description = "What they prefer now", body = Preferences),
        (status = 409, description = "`REVISION_STALE`: they have been changed since that revision"),
    )
)]
async fn put_own(
    Asking(services): Asking,
    StrictJson(preferences): StrictJson<NewPreferences>,
) -> Result<Json<Preferences>, Problem> {
    replace(&services, ONESELF, preferences).await
}

/// Read how somebody wants to be told
#[utoipa::path(
    get,
    path = "/v1/notification-recipients/{user_id}/preferences",
    operation_id = "get_recipient_preferences",
    tag = "notifications",
    params(("user_id" = String, Path,
        description = "Who is told: a user's id, or what orders call `customer_ref`",
        example = "c-1001")),
    responses((status = 200, description = "What they prefer", body = Preferences))
)]
async fn get(
    Asking(services): Asking,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
    Named(user_id): Named,
) -> Result<Json<Preferences>, Problem> {
    read(&services, user_id).await
}

/// Say how somebody wants to be told
///
/// As they would themselves: for customers who have no login of their own.
#[utoipa::path(
    put,
    path = "/v1/notification-recipients/{user_id}/preferences",
    operation_id = "put_recipient_preferences",
    tag = "notifications",
    params(("user_id" = String, Path,
        description = "Who is told: a user's id, or what orders call `customer_ref`",
        example = "c-1001")),
    request_body = NewPreferences,
    responses(
        (status = 200, description = "What they prefer now", body = Preferences),
        (status = 409, description = "`REVISION_STALE`: they have been changed since that revision"),
    )
)]
async fn put(
    Asking(services): Asking,
    Named(user_id): Named,
    StrictJson(preferences): StrictJson<NewPreferences>,
) -> Result<Json<Preferences>, Problem> {
    replace(&services, user_id, preferences).await
}

async fn read(services: &Services, user_id: String) -> Result<Json<Preferences>, Problem> {
    let request = pb::GetPreferencesRequest { user_id };
    let found = services.notifications()?.preferences(request).await?;
    Preferences::try_from(present(found.preferences)?).map(Json)
}

async fn replace(
    services: &Services,
    user_id: String,
    preferences: NewPreferences,
) -> Result<Json<Preferences>, Problem> {
    let request = pb::UpdatePreferencesRequest {
        user_id,
        preferences: Some(preferences.into()),
    };
    let changed = services.notifications()?.update_preferences(request).await;
    let changed = changed.map_err(flat)?;
    Preferences::try_from(present(changed.preferences)?).map(Json)
}

/// What the service calls `preferences.quiet_hours.start_minute` is `quiet_hours.start` in the body.
fn flat(mut refusal: Refusal) -> Problem {
    for fault in &mut refusal.fields {
        let field = &fault.field;
        let field = field.strip_prefix("preferences.").unwrap_or(field);
        let field = match field {
            "quiet_hours.start_minute" => "quiet_hours.start",
            "quiet_hours.end_minute" => "quiet_hours.end",
            field => field,
        };
        fault.field = field.to_owned();
    }
    refusal.into()
}
