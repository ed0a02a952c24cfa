//! The listener and its connections. Connections are served by hand rather than by `axum::serve`
//! because a fault must be able to close or reset the one its request came on.

use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a connection is cut off.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// Closed without an answer.
    Close,
    /// Reset.
    Reset,
}

/// The connection that a request came on.
#[derive(Debug, Clone)]
pub(crate) struct Line(mpsc::Sender<Cut>);

impl Line {
    /// Cuts the connection off; never returns, as nobody is left to answer to.
    pub(crate) async fn cut<T>(&self, how: Cut) -> T {
        // Full or closed means that it is being cut off already.
        let _ = self.0.try_send(how);
        std::future::pending().await
    }
}

/// Accepts until the token is cancelled.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(serve(stream, router.clone(), stop.clone()));
            }
            // Out of descriptors, or the peer is gone: let others run and try again.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

async fn serve(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Small answers must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let (sender, mut cuts) = mpsc::channel(1);
    let line = Line(sender);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(line.clone());
        let service = TowerToHyperService::new(router.clone());
        async move { hyper::service::Service::call(&service, request).await }
    });
    let mut connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let cut = tokio::select! {
        _ = &mut connection => return,
        () = stop.cancelled() => return,
        cut = cuts.recv() => cut,
    };
    let stream = connection.into_parts().io.into_inner();
    if let Some(Cut::Reset) = cut {
        // Closing with data unsent for zero seconds is what sends a reset.
        let _ = stream.set_zero_linger();
    }
}
