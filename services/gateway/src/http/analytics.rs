//! What events come to, for good: sums by time and type, the greatest, and the report over tenants.

mod body;
mod daily;
mod export;
mod plan;

use axum::Json;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::{Asking, AskingForPlatform};
use super::caller::By;
use super::problem::Problem;
use super::query::StrictQuery;
use super::router::Shared;
use body::{SumFilter, SumPage, Top, TopFilter};
use daily::{DailyFilter, DailyPage};
use export::ExportFilter;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(query))
        .routes(routes!(top))
        .routes(routes!(daily))
        .routes(routes!(export))
}

/// Sum events up
///
/// By time and event type, newest first: of the caller's tenant, with `analytics:read`, or of all
/// tenants of a plan together, with `analytics:read_any`. Every event that was stored is in it at once,
/// late ones too. Of a plan, users of two tenants who have the same id count as one user.
#[utoipa::path(
    get,
    path = "/v1/analytics/events",
    operation_id = "query_events",
    tag = "analytics",
    params(SumFilter),
    responses((status = 200, description = "A page of sums", body = SumPage))
)]
async fn query(
    AskingForPlatform(services): AskingForPlatform,
    By(caller): By,
    StrictQuery(filter): StrictQuery<SumFilter>,
) -> Result<Json<SumPage>, Problem> {
    let request = filter.into_request(&caller)?;
    let page = services.analytics()?.query(request).await?;
    SumPage::try_from(page).map(Json)
}

/// List the event types that have most
///
/// Of events, or of the sum of their values, over whole days: of the caller's tenant, with
/// `analytics:read`, or of all tenants of a plan together, with `analytics:read_any`.
#[utoipa::path(
    get,
    path = "/v1/analytics/top",
    operation_id = "list_top_event_types",
    tag = "analytics",
    params(TopFilter),
    responses((status = 200, description = "Them, greatest first", body = Top))
)]
async fn top(
    AskingForPlatform(services): AskingForPlatform,
    By(caller): By,
    StrictQuery(filter): StrictQuery<TopFilter>,
) -> Result<Json<Top>, Problem> {
    let request = filter.into_request(&caller)?;
    let top = services.analytics()?.top(request).await?;
    Ok(Json(top.into()))
}

/// Report the days of all tenants
///
/// For those who run the platform: one line a tenant and day, newest day first.
#[utoipa::path(
    get,
    path = "/v1/analytics/daily",
    operation_id = "report_daily",
    tag = "analytics",
    params(DailyFilter),
    responses((status = 200, description = "A page of the report", body = DailyPage))
)]
async fn daily(
    AskingForPlatform(services): AskingForPlatform,
    StrictQuery(filter): StrictQuery<DailyFilter>,
) -> Result<Json<DailyPage>, Problem> {
    let request = filter.into_request()?;
    let page = services.analytics()?.report(request).await?;
    DailyPage::try_from(page).map(Json)
}

/// Take events or sums away as a file
///
/// Oldest first, as it is at this moment, streamed. A file is whole when the body ends as HTTP has
/// it end; one that breaks off is not. In CSV a text that a spreadsheet would calculate has an
/// apostrophe in front, as has one that begins with an apostrophe: programs take one leading
/// apostrophe away.
#[utoipa::path(
    get,
    path = "/v1/analytics/export",
    operation_id = "export_events",
    tag = "analytics",
    params(ExportFilter),
    responses(
        (
            status = 200,
            description = "The file",
            headers(("Content-Disposition" = String, description = "Its name")),
            content(
                (String = "text/csv"),
                (String = "application/vnd.apache.parquet"),
            ),
        ),
        (status = 409, description = "`EXPORT_TOO_LARGE`: more rows than a file may have"),
    )
)]
async fn export(
    Asking(services): Asking,
    StrictQuery(filter): StrictQuery<ExportFilter>,
) -> Result<Response, Problem> {
    let export = filter.into_export()?;
    let pieces = services.analytics()?.export(export.request.clone()).await?;
    export.answer(pieces).await
}
