//! What happens now.

mod body;

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asking::Asking;
use super::problem::Problem;
use super::query::StrictQuery;
use super::router::Shared;
use body::{LiveFilter, LiveMetrics};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(get))
}

/// Read live metrics
///
/// What the tenant's events of the last minutes come to, by event type. From memory: `completeness`
/// says how far that can be trusted. For sums that last, see `GET /v1/analytics/events`.
#[utoipa::path(
    get,
    path = "/v1/metrics/live",
    operation_id = "get_live_metrics",
    tag = "analytics",
    params(LiveFilter),
    responses((status = 200, description = "The aggregates", body = LiveMetrics))
)]
async fn get(
    Asking(services): Asking,
    StrictQuery(filter): StrictQuery<LiveFilter>,
) -> Result<Json<LiveMetrics>, Problem> {
    let answer = services.analytics()?.live(filter.into()).await?;
    LiveMetrics::try_from(answer).map(Json)
}
