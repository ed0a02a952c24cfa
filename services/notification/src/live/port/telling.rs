//! Answers that last: server-sent events.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Either;
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, SetOnce};
use tradepost_notifications::events::{CONTENT_TYPE as TEXT, Heard, LAST_EVENT_ID};

use super::refusal::Refusal;
use super::shown::Offered;
use super::{Answer, Port, limits};
use crate::live::events::{Events, Stream, Told};
use crate::live::line::Way;
use crate::live::session;
use crate::live::straight::{Straight, Unwelcome};
use crate::ports::Refused;

/// How long a client may take for what waits once it is sent away.
const FLUSH_MAX: Duration = Duration::from_secs(3);
/// A proxy that gathers an answer before it passes it on must not.
const UNBUFFERED: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-accel-buffering"),
    HeaderValue::from_static("no"),
);

/// What becomes of a connection whose answer lasts.
pub(super) struct Lasting {
    /// One of those that have no answer yet; given back when the answer has begun.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    events: SetOnce<Arc<Events>>,
}

impl Lasting {
    pub(super) fn of(permit: OwnedSemaphorePermit) -> Self {
        Self {
            permit: Mutex::new(Some(permit)),
            events: SetOnce::new(),
        }
    }

    /// Comes when the client was sent away and had time to read why; never for a whole answer.
    pub(super) async fn is_over(&self) {
        let events = self.events.wait().await;
        events.ended().cancelled().await;
        tokio::time::sleep(FLUSH_MAX).await;
    }

    fn begin(&self, events: Arc<Events>) {
        let mut permit = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        drop(permit.take());
        // There is one request on a connection that is closed after its answer.
        let _first = self.events.set(events);
    }
}

impl Port {
    /// Tells events to somebody who comes straight.
    pub(super) async fn tell(
        &self,
        straight: &Straight,
        request: &Request<Incoming>,
        address: IpAddr,
        lasting: &Lasting,
    ) -> Result<Answer, Refusal> {
        if request.method() != Method::GET {
            return Err(Refusal::NotRead);
        }
        let heard = heard(request.headers())?;
        let offered = Offered::default();
        let (arrival, seat) = self
            .arrive(straight, request, offered, (address, false))
            .await?;
        let positions = heard.positions();
        let events = Arc::new(Events::new(limits(&self.live), heard));
        let way = Way::Events(Arc::clone(&events));
        let entered = session::enter(&self.live, arrival, way);
        let (conn, guest) = entered.map_err(|_gone| Unwelcome::Refused(Refused::Unavailable))?;
        lasting.begin(Arc::clone(&events));
        let told = Told {
            live: Arc::clone(&self.live),
            conn: Arc::clone(&conn),
            events,
            _guest: guest,
            _seat: seat,
        };
        let live = Arc::clone(&self.live);
        drop(self.live.tasks.detach(async move {
            session::start(&live, &conn, positions).await;
        }));
        Ok(answer(Stream::of(told)))
    }
}

/// What the client says it has heard.
fn heard(headers: &HeaderMap) -> Result<Heard, Refusal> {
    let mut ids = headers.get_all(LAST_EVENT_ID).iter();
    let heard = match (ids.next(), ids.next()) {
        (None, _) => Some(Heard::default()),
        (Some(id), None) => id.to_str().ok().and_then(Heard::parse),
        (Some(_), Some(_)) => None,
    };
    heard.ok_or(Refusal::LastEventId)
}

fn answer(stream: Stream) -> Answer {
    let mut answer = Response::new(Either::Right(stream));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.extend([UNBUFFERED]);
    answer
}
