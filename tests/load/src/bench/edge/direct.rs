//! The load without a gateway: what it measures of itself. It sends on a timer of a millisecond and
//! shares its core with the stub, so a part of every latency is its own.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Answers every request with as many bytes as an order has, while `load` runs.
pub(super) async fn beside<T>(load: impl AsyncFnOnce(SocketAddr) -> T) -> std::io::Result<T> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::select! {
        done = load(address) => Ok(done),
        ended = serve(listener) => Err(ended),
    }
}

/// Returns why it can go on no longer.
async fn serve(listener: TcpListener) -> std::io::Error {
    let body = Bytes::from(vec![b' '; BODY_BYTES]);
    let mut connections = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _peer)) => stream,
            Err(error) => return error,
        };
        if let Err(error) = stream.set_nodelay(true) {
            return error;
        }
        let body = body.clone();
        let answer = service_fn(move |_request| {
            let answer = Response::new(Full::new(body.clone()));
            async { Ok::<_, Infallible>(answer) }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

/// About what the order of the stub takes as JSON.
const BODY_BYTES: usize = 1_200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::edge::connection::Connection;

    #[tokio::test]
    async fn a_request_is_answered_as_the_gateway_would() {
        let asked = beside(async |address| {
            let mut connection = Connection::open(address).await.unwrap();
            connection
                .ask(b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n")
                .await
        })
        .await;

        assert!(asked.unwrap().is_ok());
    }
}
