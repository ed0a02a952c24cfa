//! Where clients come: HTTP/1.1 up to the upgrade and no further, or to an answer of events.

mod handshake;
mod pages;
mod refusal;
mod shown;
mod telling;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tradepost_notifications::wire::MESSAGE_BYTES_MAX;
use tradepost_websocket::Limits;

use self::pages::Page;
use self::refusal::Refusal;
use self::shown::Offered;
use self::telling::Lasting;
use super::events::Stream;
use super::limits::{Bucket, Places, Seat, connections_max};
use super::service::Live;
use super::session::{self, Who};
use super::straight::{Arrival, Straight};
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
/// Where those who come straight open a WebSocket. The gateway comes anywhere.
const SOCKETS: &str = "/v1/notifications/ws";
/// Where they hear events.
const EVENTS: &str = "/v1/notifications/sse";

/// An answer: in whole, or events without end.
type Answer = Response<Either<Full<Bytes>, Stream>>;

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
            Ok(accepted) => accepted,
            Err(error) => {
                refused(&error).await;
                continue;
            }
        };
        let port = Arc::clone(&port);
        drop(live.tasks.detach(async move {
            // An error here: the client left, or spoke no HTTP.
            let _ended = head(port, stream, permit).await;
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

async fn head(
    port: Arc<Port>,
    (stream, peer): (TcpStream, SocketAddr),
    permit: OwnedSemaphorePermit,
) -> hyper::Result<()> {
    let lasting = Arc::new(Lasting::of(permit));
    let answering = Arc::clone(&lasting);
    let answer = service_fn(move |request| {
        let (port, lasting) = (Arc::clone(&port), Arc::clone(&answering));
        async move {
            let mut page = Page::of(&request);
            let answer = port.answer(request, peer, &lasting).await;
            let mut answer = answer.unwrap_or_else(|refusal| {
                port.live.metrics.refused(refusal.label());
                page.refused(&refusal);
                refusal.render()
            });
            page.dress(answer.headers_mut());
            Ok::<_, Infallible>(answer)
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    tokio::select! {
        served = serving => served,
        () = lasting.is_over() => Ok(()),
    }
}

impl Port {
    /// Decides everything that can be decided before the upgrade: only then a client learns why.
    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        lasting: &Lasting,
    ) -> Result<Answer, Refusal> {
        if self.live.shutdown.is_cancelled() {
            return Err(Refusal::Going);
        }
        let Some(straight) = &self.live.straight else {
            return self.relay(request);
        };
        let is_event = request.uri().path() == EVENTS;
        if is_event && pages::is_preflight(&request) {
            return Ok(pages::preflight());
        }
        let address = straight.client(peer, request.headers());
        // A service's own token opens any path, as it always did.
        let is_relayed = !is_event
            && request.headers().contains_key(AUTHORIZATION)
            && self.live.door.admit(request.headers()).is_ok();
        match request.uri().path() {
            EVENTS => self.tell(straight, &request, address, lasting).await,
            SOCKETS if !is_relayed => self.greet(straight, request, address).await,
            _ => self.relay(request),
        }
    }

    /// A connection that the gateway vouches for.
    fn relay(&self, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let accept = handshake::accept(&request)?;
        let protocol = handshake::protocol(&Offered::of(request.headers()))?;
        let caller = self.live.door.admit(request.headers())?;
        let tenant = caller.tenant.ok_or(Refusal::NoReader)?;
        let user = caller
            .subject
            .parse()
            .map_err(|_unnamed| Refusal::NoReader)?;
        let seat = self.seat()?;
        self.upgrade(request, Who::Relayed(Reader { tenant, user }), seat);
        Ok(handshake::switching(accept, protocol))
    }

    /// One of somebody who comes straight.
    async fn greet(
        &self,
        straight: &Straight,
        request: Request<Incoming>,
        address: IpAddr,
    ) -> Result<Answer, Refusal> {
        let accept = handshake::accept(&request)?;
        let offered = Offered::of(request.headers());
        let protocol = handshake::protocol(&offered)?;
        let (arrival, seat) = self
            .arrive(straight, &request, offered, (address, true))
            .await?;
        self.upgrade(request, Who::Straight(arrival), seat);
        Ok(handshake::switching(accept, protocol))
    }

    /// What holds for everybody who comes straight. Bounds are looked at before anybody is asked.
    async fn arrive(
        &self,
        straight: &Straight,
        request: &Request<Incoming>,
        offered: Offered,
        (address, may_wait): (IpAddr, bool),
    ) -> Result<(Box<Arrival>, Seat), Refusal> {
        if request.uri().query().is_some() {
            return Err(Refusal::Query);
        }
        let headers = request.headers();
        let origin = shown::origin(headers)?;
        let mut arrival = straight.visit(address, origin)?;
        let credentials = shown::credentials(headers, offered)?;
        let seat = self.seat()?;
        match credentials {
            Some(credentials) => straight.admit(&mut arrival, credentials).await?,
            None if may_wait => arrival.wait()?,
            None => return Err(Refusal::Missing),
        }
        Ok((arrival, seat))
    }

    /// A place, if the node has one and they do not come too fast.
    fn seat(&self) -> Result<Seat, Refusal> {
        let seat = self.places.take().ok_or(Refusal::Full)?;
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        if !pace.takes(Instant::now()) {
            return Err(Refusal::TooFast);
        }
        Ok(seat)
    }

    fn upgrade(&self, mut request: Request<Incoming>, who: Who, seat: Seat) {
        let upgrade = hyper::upgrade::on(&mut request);
        let live = Arc::clone(&self.live);
        let tasks = self.live.tasks.clone();
        drop(tasks.detach(upgraded(live, upgrade, who, seat)));
    }
}

async fn upgraded(live: Arc<Live>, upgrade: OnUpgrade, who: Who, seat: Seat) {
    // An error here: the client left before the connection was its own.
    let Ok(upgraded) = upgrade.await else { return };
    let Some((stream, read)) = handshake::socket(upgraded) else {
        return;
    };
    let (sender, receiver) = tradepost_websocket::server(stream, read, limits(&live));
    session::run(&live, who, sender, receiver).await;
    drop(seat);
}

/// What may wait for one client.
fn limits(live: &Live) -> Limits {
    Limits {
        queue_bytes: live.config.queue_bytes_max,
        queue_messages: live.config.queue_messages_max,
        message_bytes: MESSAGE_BYTES_MAX,
    }
}

/// The body of an answer that is whole.
fn full(bytes: Bytes) -> Either<Full<Bytes>, Stream> {
    Either::Left(Full::new(bytes))
}
