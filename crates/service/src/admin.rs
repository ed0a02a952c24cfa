//! The admin port: for orchestrators and Prometheus, never for clients.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tradepost_telemetry::Registry;

use crate::health::Health;

#[derive(Clone)]
struct Admin {
    health: Health,
    registry: Registry,
}

/// Serves `/livez`, `/readyz` and `/metrics` until `stop`, which comes after the drain: whoever
/// watches the process can see it leave.
#[expect(
    clippy::disallowed_methods,
    reason = "it must outlive the tasks that shutdown waits for"
)]
pub(crate) fn spawn(
    listener: TcpListener,
    health: Health,
    registry: Registry,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(serve(listener, health, registry, stop))
}

async fn serve(listener: TcpListener, health: Health, registry: Registry, stop: CancellationToken) {
    let routes = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Admin { health, registry });
    tokio::select! {
        () = stop.cancelled() => {}
        served = axum::serve(listener, routes) => {
            if let Err(error) = served {
                tracing::error!(event = "admin.failed", %error, "the admin port is lost");
            }
        }
    }
}

async fn readyz(State(admin): State<Admin>) -> Response {
    let readiness = admin.health.readiness().await;
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.registry.render() {
        Ok(text) => ([(CONTENT_TYPE, tradepost_telemetry::CONTENT_TYPE)], text).into_response(),
        Err(_incomplete) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
