//! The layer around a handler that panics, and around one that is overtaken by others.

use axum::body::to_bytes;
use axum::routing::get;
use axum::{Router, middleware};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tradepost_postgres::{Database, DatabaseConfig};
use tradepost_service::auth::Identity;
use tradepost_telemetry::Registry;
use tradepost_token::{Algorithm, SigningKey};

use super::*;
use crate::adapters::postgres::audit::PgAudit;
use crate::application::Limiter;
use crate::bootstrap;
use crate::config::{IdentityConfig, RateLimitsConfig, UpstreamsConfig};
use crate::demo::Demo;
use crate::metrics::{LimitMetrics, Metrics};
use crate::upstream::Upstreams;

fn gateway(running: usize) -> Shared {
    let metrics = Metrics::register(&Registry::new("gateway"));
    let url = || "http://127.0.0.1:1".parse().unwrap();
    let config = UpstreamsConfig {
        order_url: url(),
        inventory_url: url(),
        payment_url: url(),
        shipping_url: url(),
        notification_url: None,
        notification_live_url: None,
        metrics_url: None,
        deadline_ms: 100,
        slow_ms: 100,
        open_ms: 100,
        calls_max: 1,
        connections: 1,
    };
    let tenant = "tenant_01jd0000000000000000000000".parse().unwrap();
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let identity = Identity::new(key, "gateway");
    let shutdown = CancellationToken::new();
    let user = tradepost_types::UserId::new();
    let limits = LimitMetrics::register(&Registry::new("gateway"));
    let limiter = Limiter::new(&RateLimitsConfig::default(), None, limits);
    let nowhere = DatabaseConfig::new("postgres://127.0.0.1:1/x", "postgres://127.0.0.1:1/x");
    let database = Database::connect_lazy(&nowhere, "test").unwrap();
    let issuer = "http://gateway.test".parse().unwrap();
    let master_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let own = IdentityConfig::new(issuer, master_key.into());
    let doors = bootstrap::doors(&own, &Default::default(), database.clone(), &metrics).unwrap();
    Arc::new(Gateway {
        identity: doors.identity,
        credentials: doors.credentials,
        guards: Demo { tenant, user }.guards(Arc::new(limiter)),
        audit: Arc::new(PgAudit::new(database, &nowhere)),
        upstreams: Upstreams::connect(&config, &identity, None, &metrics).unwrap(),
        denials: Default::default(),
        hourly: Default::default(),
        metrics,
        running: Arc::new(Semaphore::new(running)),
        waits: Arc::new(Semaphore::new(1)),
        places: crate::http::Places::new(Default::default()),
        body_patience: (&crate::config::LimitsConfig::default()).into(),
        proxies: Default::default(),
        origins: Arc::new(vec!["https://shop.example".to_owned()]),
        tasks: tradepost_service::Tasks::new(shutdown.clone()),
        shutdown,
    })
}

async fn ask(gateway: &Shared, path: &str) -> (Response, serde_json::Value) {
    let layer = middleware::from_fn_with_state(Arc::clone(gateway), edge);
    let router = Router::new()
        .route(
            "/openapi.json",
            get(|| async { panic!("on purpose") as () }),
        )
        .route("/docs", get(|| async { "fine" }))
        .route(
            "/new/{name}",
            get(|| async { panic!("nobody gets here") as () }),
        )
        .layer(layer);
    let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    (Response::from_parts(parts, axum::body::Body::empty()), body)
}

#[tokio::test]
async fn a_panic_is_a_problem_that_says_nothing_of_its_cause() {
    let gateway = gateway(1);

    let (answer, problem) = ask(&gateway, "/openapi.json").await;

    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(problem["reason"], "INTERNAL");
    assert_eq!(problem["detail"], "internal error");
    assert_eq!(
        problem["trace_id"],
        answer.headers()["x-request-id"].to_str().unwrap()
    );
    assert_eq!(gateway.running.available_permits(), 1);
}

#[tokio::test]
async fn one_request_too_many_is_asked_back() {
    let gateway = gateway(0);

    let (answer, problem) = ask(&gateway, "/docs").await;

    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(problem["reason"], "OVERLOADED");
    assert_eq!(problem["retry_after_seconds"], 1);
}

#[tokio::test]
async fn an_answer_at_the_end_of_the_process_ends_its_connection() {
    let gateway = gateway(1);
    let (before, _) = ask(&gateway, "/docs").await;
    gateway.shutdown.cancel();

    let (after, _) = ask(&gateway, "/docs").await;

    assert!(!before.headers().contains_key("connection"));
    assert_eq!(after.headers()["connection"], "close");
}

#[tokio::test]
async fn a_route_without_a_rule_is_never_reached() {
    let gateway = gateway(1);

    let (answer, problem) = ask(&gateway, "/new/a").await;

    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(problem["reason"], "PERMISSION_DENIED");
}
