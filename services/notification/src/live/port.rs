//! Where clients open their sockets: HTTP/1.1 up to the upgrade, and no further.

mod refusal;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Parts, Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tradepost_notifications::wire::{MESSAGE_BYTES_MAX, SUBPROTOCOL};
use tradepost_websocket::{Limits, accept_key};

use self::refusal::Refusal;
use super::limits::{Bucket, Places, Seat, connections_max};
use super::service::Live;
use super::session;
use crate::ports::Reader;

/// How long a request's head may take.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// The largest head: hyper's least.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Connections that are not upgraded yet; more wait in the backlog of the port.
const HEADS_MAX: usize = 1_024;
/// How long to wait when no connection can be taken: long enough not to spin.
const BACK_OFF: Duration = Duration::from_millis(100);
/// So many seconds' worth of connections may come at once.
const BURST_SECONDS: u32 = 2;
const VERSION: &str = "13";

struct Port {
    live: Arc<Live>,
    places: Places,
    pace: Mutex<Bucket>,
}

/// Takes connections until the last client was sent away: who comes while the node goes is told so.
pub(super) async fn serve(live: Arc<Live>, listener: TcpListener) {
    let config = &live.config;
    let port = Arc::new(Port {
        places: Places::new(connections_max(config.connections_max)),
        pace: Mutex::new(Bucket::new(
            config.connects_per_second,
            BURST_SECONDS,
            Instant::now(),
        )),
        live: Arc::clone(&live),
    });
    let heads = Arc::new(Semaphore::new(HEADS_MAX));
    let ended = async {
        live.shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_millis(live.config.drain_ms)).await;
    };
    tokio::pin!(ended);
    loop {
        let Ok(permit) = Arc::clone(&heads).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut ended => return,
        };
        let stream = match accepted {
            Ok((stream, _peer)) => stream,
            Err(error) => {
                refused(&error).await;
                continue;
            }
        };
        let port = Arc::clone(&port);
        drop(live.tasks.detach(async move {
            // An error here: the client left, or spoke no HTTP.
            let _ended = head(port, stream).await;
            drop(permit);
        }));
    }
}

/// No file descriptor left, or the client has gone: it passes.
async fn refused(error: &io::Error) {
    if !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        tracing::warn!(event = "live.accept_failed", %error, "no connection taken");
        tokio::time::sleep(BACK_OFF).await;
    }
}

async fn head(port: Arc<Port>, stream: TcpStream) -> hyper::Result<()> {
    let answer = service_fn(move |request| {
        let answer = port.answer(request).unwrap_or_else(|refusal| {
            port.live.metrics.refused(refusal.reason());
            refusal.render()
        });
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades()
        .await
}

impl Port {
    /// Decides everything that can be decided before the upgrade: only then a client learns why.
    fn answer(&self, mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Refusal> {
        if self.live.shutdown.is_cancelled() {
            return Err(Refusal::Going);
        }
        let accept = accept(&request)?;
        let protocol = protocol(request.headers())?;
        let caller = self.live.door.admit(request.headers())?;
        let tenant = caller.tenant.ok_or(Refusal::NoReader)?;
        let user = caller
            .subject
            .parse()
            .map_err(|_unnamed| Refusal::NoReader)?;
        let seat = self.places.take().ok_or(Refusal::Full)?;
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if !pace.takes(Instant::now()) {
            return Err(Refusal::TooFast);
        }
        drop(pace);
        let upgrade = hyper::upgrade::on(&mut request);
        let live = Arc::clone(&self.live);
        let reader = Reader { tenant, user };
        let tasks = self.live.tasks.clone();
        drop(tasks.detach(upgraded(live, upgrade, reader, seat)));
        Ok(switching(accept, protocol))
    }
}

async fn upgraded(live: Arc<Live>, upgrade: OnUpgrade, reader: Reader, seat: Seat) {
    // An error here: the client left before the connection was its own.
    let Ok(upgraded) = upgrade.await else { return };
    let Some((stream, read)) = socket(upgraded) else {
        return;
    };
    let limits = Limits {
        queue_bytes: live.config.queue_bytes_max,
        queue_messages: live.config.queue_messages_max,
        message_bytes: MESSAGE_BYTES_MAX,
    };
    let (sender, receiver) = tradepost_websocket::server(stream, read, limits);
    session::run(&live, reader, sender, receiver).await;
    drop(seat);
}

fn socket(upgraded: Upgraded) -> Option<(TcpStream, Bytes)> {
    let parts: Parts<TokioIo<TcpStream>> = upgraded.downcast().ok()?;
    Some((parts.io.into_inner(), parts.read_buf))
}

/// The answer to the client's key, if this is the request for a WebSocket.
fn accept(request: &Request<Incoming>) -> Result<HeaderValue, Refusal> {
    let headers = request.headers();
    let is_asked = request.method() == Method::GET
        && only(headers, &UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
        && only(headers, &SEC_WEBSOCKET_VERSION) == Some(VERSION.as_bytes())
        && lists(headers, &CONNECTION, "upgrade");
    if !is_asked {
        return Err(Refusal::NoUpgrade);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).and_then(accept_key);
    let accept = key.and_then(|key| HeaderValue::try_from(key).ok());
    accept.ok_or(Refusal::KeyMalformed)
}

/// The subprotocol, where the client offers any: then it must be among them.
fn protocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Ok(None);
    }
    if lists(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Ok(Some(HeaderValue::from_static(SUBPROTOCOL)));
    }
    Err(Refusal::ProtocolUnknown)
}

/// The value of a header that is given once.
fn only<'headers>(headers: &'headers HeaderMap, name: &HeaderName) -> Option<&'headers [u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        (None | Some(_), _) => None,
    }
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|given| given.trim().eq_ignore_ascii_case(wanted))
}

fn switching(accept: HeaderValue, protocol: Option<HeaderValue>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    answer
}
