//! A plan as a query parameter.

use axum::http::StatusCode;

use crate::domain::caller::{Caller, Plan};
use crate::domain::rights::Permission;
use crate::http::caller::need;
use crate::http::problem::Problem;

/// The plan as the service knows it; empty where none is given.
///
/// # Errors
/// A plan that there is not: nobody would be on it, and the answer empty without a reason.
pub(super) fn plan(given: Option<&str>) -> Result<String, Problem> {
    let plan = given.map(str::parse::<Plan>).transpose();
    let plan = plan.map_err(|_unknown| {
        let wanted = "must be one of standard, plus, internal";
        let detail = format!("the query parameter plan {wanted}");
        Problem::new(StatusCode::BAD_REQUEST, "INVALID_QUERY", detail).parameter("plan", wanted)
    })?;
    Ok(plan.map_or("", Plan::as_str).to_owned())
}

/// The same where a plan stands for all of its tenants together: it is for those who run the platform,
/// and without it the sums are those of the caller's tenant.
///
/// # Errors
/// Also a caller without the permission for what is asked.
pub(super) fn plan_or_own(given: Option<&str>, caller: &Caller) -> Result<String, Problem> {
    let plan = plan(given)?;
    if plan.is_empty() {
        need(caller, Permission::AnalyticsRead)?;
    } else {
        let wanted = "must be left out, or needs the permission analytics:read_any";
        need(caller, Permission::AnalyticsReadAny)
            .map_err(|problem| problem.parameter("plan", wanted))?;
    }
    Ok(plan)
}
