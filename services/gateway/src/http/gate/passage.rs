//! What the audit trail remembers of one request.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use tradepost_service::Tasks;

use crate::domain::audit::{Entry, Origin, Outcome};
use crate::domain::caller::Caller;
use crate::domain::routes::Route;
use crate::http::edge::Traced;
use crate::http::problem::Problem;
use crate::http::router::Gateway;
use crate::ports::{Trail, Unavailable};

/// The reason of an end that nobody saw, since the caller left or the handler broke: the service may
/// have done what was asked.
const NO_ANSWER: &str = "NO_ANSWER";

/// Where a request goes and where it comes from.
pub(super) struct Place {
    route: &'static Route,
    address: IpAddr,
    user_agent: Option<HeaderValue>,
    uri: Uri,
    traced: Option<Traced>,
}

impl Place {
    pub(super) fn of(route: &'static Route, address: IpAddr, request: &Request) -> Self {
        Self {
            route,
            address,
            user_agent: request.headers().get(USER_AGENT).cloned(),
            uri: request.uri().clone(),
            traced: request.extensions().get().cloned(),
        }
    }
}

impl Place {
    pub(super) const fn route(&self) -> &'static Route {
        self.route
    }

    pub(super) fn trace_id(&self) -> Option<&Arc<str>> {
        self.traced.as_ref().map(|traced| &traced.trace_id)
    }
}

/// One request on its way through the gate.
pub(super) struct Passage<'a> {
    trail: Arc<dyn Trail>,
    tasks: Tasks,
    caller: Arc<Caller>,
    place: &'a Place,
}

impl<'a> Passage<'a> {
    pub(super) fn new(gateway: &Gateway, caller: &Arc<Caller>, place: &'a Place) -> Self {
        Self {
            trail: Arc::clone(&gateway.guards.trail),
            tasks: gateway.tasks.clone(),
            caller: Arc::clone(caller),
            place,
        }
    }

    /// What is known before the end.
    fn entry(&self, outcome: Outcome) -> Entry {
        let place = self.place;
        let agent = place.user_agent.as_ref();
        let agent = agent.and_then(|agent| agent.to_str().ok());
        let entry = Entry::of(&self.caller, place.route.name, outcome)
            .from(Origin::new(Some(place.address), agent));
        let object = object(place.route.template, &place.uri);
        let entry = match object.is_empty() {
            true => entry,
            false => entry.on(object),
        };
        match &place.traced {
            Some(traced) => entry.traced(&traced.trace_id),
            None => entry,
        }
    }

    /// Remembers a denied call. It stays denied when that fails.
    pub(super) async fn denied(self, reason: &str) {
        let entry = self.entry(Outcome::Denied).because(reason);
        self.trail.keep(entry).await;
    }

    pub(super) const fn route(&self) -> &'static Route {
        self.place.route
    }

    /// Forwards a call that leaves no entry, unless what is behind the gate denies it.
    pub(super) async fn unaudited(self, request: Request, next: Next) -> Response {
        let answer = next.run(request).await;
        if answer.status() == StatusCode::FORBIDDEN {
            let problem = answer.extensions().get::<Problem>();
            let reason = problem.map_or("", |problem| problem.reason.as_str());
            self.denied(reason).await;
        }
        answer
    }

    /// Remembers the attempt; without it there is none.
    pub(super) async fn attempted(&self) -> Result<(), Unavailable> {
        self.trail.record(self.entry(Outcome::Attempted)).await
    }

    /// Forwards what was remembered as attempted, and remembers the end: also that of a caller who
    /// leaves.
    pub(super) async fn audited(self, request: Request, next: Next) -> Response {
        let left = self.entry(Outcome::Failed).because(NO_ANSWER);
        let mut end = End {
            trail: Arc::clone(&self.trail),
            tasks: self.tasks.clone(),
            entry: Some(left),
        };
        let answer = next.run(request).await;
        end.entry = Some(self.ended(&answer));
        answer
    }

    fn ended(&self, answer: &Response) -> Entry {
        let entry = self.entry(outcome(answer.status()));
        let entry = entry.with("status", answer.status().as_u16());
        match answer.extensions().get::<Problem>() {
            Some(problem) => entry.because(&problem.reason),
            None => entry,
        }
    }
}

impl dyn Trail {
    /// Remembers what has happened already, whatever comes of remembering it.
    async fn keep(&self, entry: Entry) {
        let action = entry.action();
        if self.record(entry).await.is_err() {
            tracing::error!(
                event = "audit.entry_lost",
                audit.action = action,
                "what became of a call is not in the audit trail"
            );
        }
    }
}

/// Writes the end of a call when it is dropped, beside the answer.
struct End {
    trail: Arc<dyn Trail>,
    tasks: Tasks,
    entry: Option<Entry>,
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            let trail = Arc::clone(&self.trail);
            self.tasks.detach(async move { trail.keep(entry).await });
        }
    }
}

fn outcome(status: StatusCode) -> Outcome {
    match status {
        StatusCode::FORBIDDEN => Outcome::Denied,
        status if status.is_client_error() || status.is_server_error() => Outcome::Failed,
        _ => Outcome::Succeeded,
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
