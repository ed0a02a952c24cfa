//! What the audit trail remembers of one request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tradepost_service::Tasks;

use super::unavailable;
use crate::domain::caller::Caller;
use crate::domain::routes::Route;
use crate::http::edge::Arrival;
use crate::http::router::Gateway;
use crate::ports::{Note, Outcome, Phase, Trail};

/// One request on its way through the gate.
pub(super) struct Passage {
    trail: Arc<dyn Trail>,
    tasks: Tasks,
    note: Note,
}

/// Where a request goes and where it comes from.
pub(super) struct Place {
    route: &'static Route,
    address: IpAddr,
    uri: Uri,
    arrival: Option<Arrival>,
}

impl Place {
    pub(super) fn of(route: &'static Route, address: IpAddr, request: &Request) -> Self {
        Self {
            route,
            address,
            uri: request.uri().clone(),
            arrival: request.extensions().get().cloned(),
        }
    }
}

impl Passage {
    pub(super) fn new(gateway: &Gateway, caller: &Arc<Caller>, place: &Place) -> Self {
        let trace_id = place.arrival.as_ref().map(|arrival| &*arrival.trace_id);
        Self {
            trail: Arc::clone(&gateway.guards.trail),
            tasks: gateway.tasks.clone(),
            note: Note {
                caller: Arc::clone(caller),
                action: place.route.name,
                object: object(place.route.template, &place.uri),
                phase: Phase::Attempted,
                address: place.address,
                trace_id: trace_id.unwrap_or_default().to_owned(),
            },
        }
    }

    /// Remembers a denied call. It stays denied when that fails.
    pub(super) async fn denied(self, reason: &'static str) {
        let phase = Phase::Denied { reason };
        self.trail.keep(Note { phase, ..self.note }).await;
    }

    /// Remembers the attempt, forwards, and remembers the end: also that of a caller who leaves.
    pub(super) async fn audited(self, request: Request, next: Next) -> Response {
        if self.trail.record(self.note.clone()).await.is_err() {
            return unavailable("AUDIT_UNAVAILABLE").into_response();
        }
        let mut end = End {
            passage: Some(self),
            outcome: Outcome::Unknown,
        };
        let answer = next.run(request).await;
        end.outcome = outcome(answer.status());
        answer
    }
}

impl dyn Trail {
    /// Remembers what has happened already, whatever comes of remembering it.
    async fn keep(&self, note: Note) {
        let (action, trace_id) = (note.action, note.trace_id.clone());
        if self.record(note).await.is_err() {
            tracing::error!(
                event = "audit.entry_lost",
                audit.action = action,
                trace_id,
                "what became of a call is not in the audit trail"
            );
        }
    }
}

/// Writes the end of a call when it is dropped, beside the answer.
struct End {
    passage: Option<Passage>,
    outcome: Outcome,
}

impl Drop for End {
    fn drop(&mut self) {
        let Some(Passage { trail, tasks, note }) = self.passage.take() else {
            return;
        };
        let phase = Phase::Completed(self.outcome);
        tasks.detach(async move { trail.keep(Note { phase, ..note }).await });
    }
}

fn outcome(status: StatusCode) -> Outcome {
    match status {
        status if status.is_server_error() => Outcome::Unknown,
        status if status.is_client_error() => Outcome::Refused {
            status: status.as_u16(),
        },
        _ => Outcome::Done,
    }
}

/// The parameters of the path, as they were given.
fn object(template: &str, uri: &Uri) -> String {
    let segments = template.split('/').zip(uri.path().split('/'));
    let parameters = segments.filter(|(name, _)| name.starts_with('{'));
    parameters
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .join("/")
}
