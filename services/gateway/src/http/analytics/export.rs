//! Files of events and sums, streamed as they are written.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures::Stream;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::time::timeout;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::export_events_request::Content as Wanted;
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::Problem;
use crate::http::values::Time;
use crate::upstream::Pieces;

/// How long the next piece may take. There is no bound to the whole but the service's own.
const IDLE_MAX: Duration = Duration::from_secs(120);

/// What is in the file.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Content {
    /// Single events.
    Events,
    /// Sums by time and event type.
    Sums,
}

/// In which form it is.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// RFC 4180 with a header line.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// How the range of a file of sums is cut. The whole range in one is an answer, and no file.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Cut {
    /// Minutes; kept for 7 days.
    Minute,
    /// Hours; kept for 90 days.
    Hour,
    /// Days of UTC; kept for ever.
    #[default]
    Day,
}

impl From<Cut> for pb::Bucket {
    fn from(wanted: Cut) -> Self {
        match wanted {
            Cut::Minute => Self::Minute,
            Cut::Hour => Self::Hour,
            Cut::Day => Self::Day,
        }
    }
}

impl Format {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Which file is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportFilter {
    /// What is in it.
    #[param(inline)]
    content: Content,
    /// In which form it is. Left out: `csv`.
    #[serde(default)]
    #[param(inline, required = false, nullable = false)]
    format: Option<Format>,
    /// From this moment on; of sums, the start of a bucket.
    #[param(value_type = String, format = DateTime, example = "2026-07-01T00:00:00Z")]
    from: Time,
    /// Up to and without this one: of events at most 366 days later, of sums at most 10 years.
    #[param(value_type = String, format = DateTime, example = "2026-08-01T00:00:00Z")]
    to: Time,
    /// How the range of sums is cut: `MINUTE`, `HOUR` or `DAY`. Left out: `DAY`. Not for events.
    #[serde(default)]
    #[param(inline, required = false, nullable = false)]
    bucket: Option<Cut>,
    /// Only this event type; of sums, may be given more than once, at most 100 times.
    #[serde(default)]
    #[param(required = false, explode = true)]
    event_type: Vec<String>,
}

/// A file as it is asked for.
pub(super) struct Export {
    pub(super) request: pb::ExportEventsRequest,
    format: Format,
    name: String,
}

impl ExportFilter {
    /// Fails for what has no meaning together.
    pub(super) fn into_export(self) -> Result<Export, Problem> {
        let format = self.format.unwrap_or(Format::Csv);
        let (from, to) = (
            OffsetDateTime::from(self.from),
            OffsetDateTime::from(self.to),
        );
        let (what, content) = match self.content {
            Content::Sums => {
                let bucket = pb::Bucket::from(self.bucket.unwrap_or_default());
                let sums = pb::SumsContent {
                    bucket: bucket.into(),
                    event_types: self.event_type,
                };
                ("sums", Wanted::Sums(sums))
            }
            Content::Events if self.bucket.is_some() => {
                return Err(refused("bucket", "is for sums only"));
            }
            Content::Events => {
                let mut types = self.event_type.into_iter();
                let event_type = types.next().unwrap_or_default();
                if types.next().is_some() {
                    return Err(refused(
                        "event_type",
                        "may be given once with content=events",
                    ));
                }
                ("events", Wanted::Events(pb::EventsContent { event_type }))
            }
        };
        // Made of our own words and digits: nothing in it needs quoting.
        let name = format!(
            "{what}_{}_{}.{}",
            from.date(),
            to.date(),
            format.extension()
        );
        let form = match format {
            Format::Csv => pb::ExportFormat::Csv,
            Format::Parquet => pb::ExportFormat::Parquet,
        };
        let request = pb::ExportEventsRequest {
            tenant_id: String::new(),
            range: Some(pb::TimeRange {
                start_time: Some(self.from.into()),
                end_time: Some(self.to.into()),
            }),
            content: Some(content),
            format: form.into(),
        };
        Ok(Export {
            request,
            format,
            name,
        })
    }
}

fn refused(parameter: &str, fault: &str) -> Problem {
    let detail = format!("the query parameter {parameter} {fault}");
    Problem::new(StatusCode::BAD_REQUEST, "INVALID_QUERY", detail).parameter(parameter, fault)
}

impl Export {
    /// The answer, once its first piece is here: until then a failure can be told as any other.
    pub(super) async fn answer(&self, mut pieces: Pieces) -> Result<Response, Problem> {
        let first = match timeout(IDLE_MAX, pieces.next()).await {
            Ok(first) => first?,
            Err(_elapsed) => {
                let detail = "the export did not begin in time";
                return Err(Problem::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "DEADLINE_EXCEEDED",
                    detail,
                ));
            }
        };
        let mut answer = Response::new(Body::from_stream(body(first, pieces)));
        let headers = answer.headers_mut();
        let media_type = HeaderValue::from_static(self.format.media_type());
        headers.insert(CONTENT_TYPE, media_type);
        let disposition = format!("attachment; filename=\"{}\"", self.name);
        if let Ok(disposition) = HeaderValue::try_from(disposition) {
            headers.insert(CONTENT_DISPOSITION, disposition);
        }
        Ok(answer)
    }
}

/// The pieces. An error breaks the body off, which every client sees: a length is not known
/// beforehand, so the end of the body is what says that the file is whole.
fn body(
    first: Option<bytes::Bytes>,
    pieces: Pieces,
) -> impl Stream<Item = io::Result<bytes::Bytes>> {
    let ended = first.is_none();
    let state = (!ended).then_some((first, pieces));
    futures::stream::try_unfold(state, async |state| {
        let Some((first, mut pieces)) = state else {
            return Ok(None);
        };
        let next = match first {
            Some(first) => Some(first),
            None => match timeout(IDLE_MAX, pieces.next()).await {
                Ok(next) => next.map_err(|refusal| broken(&refusal.reason))?,
                Err(_elapsed) => return Err(broken("DEADLINE_EXCEEDED")),
            },
        };
        Ok(next.map(|piece| (piece, Some((None, pieces)))))
    })
}

fn broken(reason: &str) -> io::Error {
    tracing::warn!(
        event = "gateway.export_broken",
        reason,
        "a file was broken off amid its way"
    );
    io::Error::other("the export broke off")
}
