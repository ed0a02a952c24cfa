//! Why a call is or would be denied, for those who may ask.

mod denials;
mod question;

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::By;
use super::problem::Problem;
use super::query::StrictQuery;
use super::router::Shared;
use question::{Explanation, Question};

pub use denials::Denials;
pub(super) use denials::Denied;
pub(super) use question::{DeniedBy, by};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(explain))
}

/// Explain why a call is allowed or denied
///
/// A call of the one who asks, or of a role, a member or an API key of their tenant. Nothing is
/// called, nothing is changed. Or, by the trace id of its answer, a call that was denied lately.
#[utoipa::path(
    get,
    path = "/v1/access/explain",
    operation_id = "explain_access",
    tag = "access",
    params(Question),
    responses(
        (status = 200, description = "What is decided, and by what", body = Explanation),
        (status = 404, description = "The tenant has no such member, key or denied call"),
    )
)]
async fn explain(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(question): StrictQuery<Question>,
) -> Result<Json<Explanation>, Problem> {
    question.answer(&gateway, &caller).await.map(Json)
}
