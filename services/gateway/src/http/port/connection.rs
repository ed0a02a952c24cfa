//! One connection, from its handshake to its end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::Arrival;
use super::head::HEADERS_MAX;
use super::slots::Slot;
use super::tls::Certificate;
use super::watch::{Patience, Running, Watch};
use super::wire::Wire;
use crate::metrics::Metrics;
use tradepost_service::proxies::Peer;

/// What is read or written at once. Heads are smaller, by our own limit.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long a connection without a running request may last when the port is closed.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// What all connections of a port share.
pub(super) struct Line {
    pub(super) router: Router,
    pub(super) certificate: Option<Arc<Certificate>>,
    pub(super) patience: Patience,
    /// After this age every answer ends its connection.
    pub(super) age_max: Duration,
    /// Cancelled when connections have to end.
    pub(super) close: CancellationToken,
    pub(super) metrics: Metrics,
}

impl Line {
    /// Serves a connection to its end.
    pub(super) async fn serve(&self, stream: TcpStream, mut peer: Peer, slot: Slot) {
        // Without it an answer could wait 40 ms for a full packet.
        let _ = stream.set_nodelay(true);
        let Some(certificate) = &self.certificate else {
            return self.drive(stream, peer, slot).await;
        };
        peer.is_encrypted = true;
        let handshake = certificate.acceptor().accept(stream);
        let handshake = timeout(certificate.handshake_max(), handshake);
        let shaken = tokio::select! {
            shaken = handshake => shaken,
            () = self.close.cancelled() => return,
        };
        match shaken {
            Ok(Ok(stream)) => Box::pin(self.drive(stream, peer, slot)).await,
            Ok(Err(_)) => self.metrics.connection_refused("handshake"),
            Err(_elapsed) => self.metrics.client_cut("handshake"),
        }
    }

    async fn drive<S>(&self, stream: S, peer: Peer, slot: Slot)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let watch = Watch::new();
        let wire = Wire::new(stream, watch.clone(), slot);
        let since = Instant::now();
        let service = service_fn(|request| self.answer(request, peer, &watch, since));
        // Time is watched by `overrun`, for every phase of a connection and not for heads alone.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_buf_size(BUFFER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(wire), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let mut overrun = std::pin::pin!(watch.overrun(&self.patience));
        tokio::select! {
            _ended = connection.as_mut() => return,
            slow = overrun.as_mut() => return self.cut(slow),
            () = self.close.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        loop {
            tokio::select! {
                _ended = connection.as_mut() => return,
                slow = overrun.as_mut() => return self.cut(slow),
                () = tokio::time::sleep(STOP_PATIENCE) => {
                    if !watch.is_busy(STOP_PATIENCE) {
                        return;
                    }
                }
            }
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        watch: &Watch,
        since: Instant,
    ) -> Result<Response<Answered>, Infallible> {
        let (running, fault) = watch.begin();
        if let Some(fault) = fault {
            self.metrics.head_refused(fault.name());
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Arrival { peer, fault });
        let mut answer = self.router.clone().call(request).await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            watch.upgraded();
        } else if since.elapsed() >= self.age_max {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(CONNECTION, close);
        }
        Ok(answer.map(|body| Answered { body, running }))
    }

    fn cut(&self, slow: super::watch::Slow) {
        if let Some(name) = slow.name() {
            self.metrics.client_cut(name);
        }
    }
}

/// The body of an answer. Its request runs until it is written.
struct Answered {
    body: Body,
    #[expect(dead_code, reason = "what matters is when it is dropped")]
    running: Running,
}

impl hyper::body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
