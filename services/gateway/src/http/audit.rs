//! The audit trail, for those who may read it: their tenant's chain, or the platform's for
//! operators.

mod body;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::By;
use super::problem::Problem;
use super::query::{Nothing, StrictQuery};
use super::router::Shared;
use crate::adapters::audit_files::{EXPORT_FORMAT, ExportEnd, ExportHead, ExportRow};
use crate::domain::audit::{Chain, Entry, Outcome};
use crate::ports::audit::AuditStoreError;
use body::{AuditPage, AuditQuery};

/// How many rows of an export are read at once.
const EXPORT_PAGE: u16 = 500;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(export))
}

/// List audit entries
///
/// Newest first: those of your tenant, or of the platform for operators.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "list_audit_entries",
    tag = "audit",
    params(AuditQuery),
    responses((status = 200, description = "A page of entries", body = AuditPage))
)]
async fn list(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(query): StrictQuery<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    let chain = Chain::from(caller.tenant);
    let page = query.page(chain)?;
    let filter = query.into_filter();
    let kept = gateway
        .audit
        .list(chain, &filter, page.after, page.limit())
        .await
        .map_err(|error| unreadable(&error))?;
    Ok(Json(AuditPage::of(page.page(kept, |kept| kept.entry.seq))))
}

/// Export the audit trail
///
/// All entries, oldest first, a line of JSON each, with what `gateway audit verify` needs. The
/// first line names the form, the last one counts the entries: without it the export was cut off.
/// An export is an entry of the trail itself.
#[utoipa::path(
    get,
    path = "/v1/audit/export",
    operation_id = "export_audit",
    tag = "audit",
    responses((status = 200, description = "The trail", body = String,
        content_type = "application/x-ndjson"))
)]
async fn export(
    State(gateway): State<Shared>,
    By(caller): By,
    StrictQuery(Nothing {}): StrictQuery<Nothing>,
) -> Result<Response, Problem> {
    let entry = Entry::of(&caller, "export_audit", Outcome::Succeeded);
    let recorded = gateway.guards.trail.record(entry).await;
    recorded.map_err(|_unavailable| unavailable())?;
    let head = ExportHead {
        format: EXPORT_FORMAT.to_owned(),
        exported_at: gateway.guards.clock.now(),
    };
    let begin = Exporting {
        gateway,
        chain: Chain::from(caller.tenant),
        after: 0,
        rows: 0,
        text: line(&head).map_err(|_unwritable| unavailable())?,
        is_over: false,
    };
    // A trail that cannot be read is said before the answer has begun.
    let begun = begin.next().await.map_err(|_said| unavailable())?;
    let (first, rest) = begun.ok_or_else(unavailable)?;
    let rest = stream::try_unfold(rest, Exporting::next);
    let body = Body::from_stream(stream::iter([Ok(first)]).chain(rest));
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    Ok(([(CONTENT_TYPE, ndjson)], body).into_response())
}

/// How far an export is.
struct Exporting {
    gateway: Shared,
    chain: Chain,
    after: i64,
    rows: u64,
    text: String,
    is_over: bool,
}

/// The stream ends without its last line, and the connection is reset.
#[derive(Debug, thiserror::Error)]
enum CutOff {
    #[error(transparent)]
    Store(#[from] AuditStoreError),
    #[error("a line cannot be written")]
    Line(#[from] serde_json::Error),
}

impl Exporting {
    /// The next lines.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, CutOff> {
        if self.is_over {
            return Ok(None);
        }
        let page = self
            .gateway
            .audit
            .read(self.chain, self.after, EXPORT_PAGE)
            .await
            .inspect_err(said)?;
        // A page that is not full was the last: a chain that grows meanwhile does not go on
        // without end.
        self.is_over = page.len() < usize::from(EXPORT_PAGE);
        for kept in page {
            self.after = kept.entry.seq;
            self.rows += 1;
            self.text.push_str(&line(&ExportRow::from(kept))?);
        }
        if self.is_over {
            self.text.push_str(&line(&ExportEnd { rows: self.rows })?);
        }
        let text = std::mem::take(&mut self.text);
        Ok(Some((Bytes::from(text), self)))
    }
}

fn line(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(value).map(|line| line + "\n")
}

fn said(error: &AuditStoreError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(
        event = "audit.read_failed",
        error,
        "the trail cannot be read"
    );
}

fn unreadable(error: &AuditStoreError) -> Problem {
    said(error);
    unavailable()
}

fn unavailable() -> Problem {
    let detail = "the audit trail is not available at the moment; try again later";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "AUDIT_UNAVAILABLE", detail)
}
