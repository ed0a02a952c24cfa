//! The routes.

use std::sync::Arc;

use axum::{Router, middleware};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tradepost_service::Tasks;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::access::Denials;
use super::body::BodyPatience;
use super::cors::Origins;
use super::edge::edge;
use super::gate::Hourly;
use super::notifications::Places;
use super::{
    access, audit, demo, docs, items, orders, payments, problem_docs, shipments, webhooks,
};
use super::{analytics, events, live_metrics};
use super::{api_keys, authorizations, mfa, oauth, oauth_clients};
use super::{auth, tenants, users};
use super::{notification_groups, notifications};
use super::{preferences, presence, recipients, webhook_endpoints};
use crate::application::{Credentials, Identity};
use crate::metrics::Metrics;
use crate::ports::Guards;
use crate::ports::audit::AuditStore;
use crate::upstream::Upstreams;
use tradepost_service::proxies::Proxies;

/// What every request uses.
pub struct Gateway {
    /// Who may come in.
    pub identity: Arc<Identity>,
    /// What callers show besides a password.
    pub credentials: Arc<Credentials>,
    /// Those who are asked before a request reaches its handler.
    pub guards: Guards,
    /// The audit trail, to be read.
    pub audit: Arc<dyn AuditStore>,
    /// What was denied lately.
    pub denials: Denials,
    /// Whose calls are in the trail for this hour.
    pub hourly: Hourly,
    /// The services.
    pub upstreams: Upstreams,
    /// The instruments.
    pub metrics: Metrics,
    /// As many permits as requests may run at once.
    pub running: Arc<Semaphore>,
    /// As many permits as requests may wait for their order at once.
    pub waits: Arc<Semaphore>,
    /// The sockets that are open.
    pub places: Places,
    /// How slow the body of a request may be.
    pub body_patience: BodyPatience,
    /// Whose word on a client's address is taken.
    pub proxies: Proxies,
    /// The pages that may call the API from a browser.
    pub origins: Arc<dyn Origins>,
    /// Cancelled when the process has to stop.
    pub shutdown: CancellationToken,
    /// Runs what outlives a request.
    pub tasks: Tasks,
}

/// The state of the router.
pub(super) type Shared = Arc<Gateway>;

/// The description without its routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Tradepost",
        description = "The REST API of an order backend. Every mutating request needs an \
            `Idempotency-Key`: repeated with the same key and body it has no second effect. Events \
            may have a `producer_id` and a `sequence` instead; where there is no such header, the \
            same twice is the same once. \
            Errors are problem details (RFC 9457); programs go by `reason`. Bodies and queries \
            are taken exactly: unknown fields, fields given twice and fractions are refused.",
    ),
    tags(
        (name = "orders", description = "Orders and what happens to them"),
        (name = "items", description = "The catalogue and its stock"),
        (name = "payments", description = "Payments and refunds"),
        (name = "shipments", description = "Parcels"),
        (name = "webhooks", description = "What others report, and where others are told"),
        (name = "notifications", description = "What happens, as it happens and afterwards"),
        (name = "events", description = "Events: sent, counted, kept"),
        (name = "analytics", description = "What events come to"),
        (name = "credentials", description = "API keys and OAuth clients"),
        (name = "mfa", description = "The caller's own second factor"),
        (name = "oauth", description = "Tokens for programs (RFC 6749)"),
        (name = "auth", description = "Logging in and staying in"),
        (name = "users", description = "The users of a tenant"),
        (name = "tenants", description = "Tenants, for those who run the platform"),
        (name = "access", description = "Who may do what"),
        (name = "audit", description = "Who did what"),
    )
)]
struct Description;

/// The description of the API.
#[must_use]
pub fn openapi() -> OpenApi {
    api().1
}

/// The whole face: the API, its description, and the layer around every request.
///
/// # Errors
/// Fails when the description cannot be rendered.
pub fn router(gateway: Arc<Gateway>) -> anyhow::Result<Router> {
    let (routes, description) = api();
    Ok(routes
        .merge(docs::routes(&description)?)
        .merge(demo::routes())
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), edge))
        .with_state(gateway))
}

/// Routes exist only together with their description.
fn api() -> (Router<Shared>, OpenApi) {
    let (routes, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .merge(orders::routes())
        .merge(items::routes())
        .merge(payments::routes())
        .merge(shipments::routes())
        .merge(webhooks::routes())
        .merge(access::routes())
        .merge(notifications::routes())
        .merge(notification_groups::routes())
        .merge(presence::routes())
        .merge(preferences::routes())
        .merge(recipients::routes())
        .merge(webhook_endpoints::routes())
        .merge(events::routes())
        .merge(live_metrics::routes())
        .merge(analytics::routes())
        .merge(audit::routes())
        .merge(api_keys::routes())
        .merge(oauth_clients::routes())
        .merge(mfa::routes())
        .merge(authorizations::routes())
        .merge(oauth::routes())
        .merge(auth::routes())
        .merge(users::routes())
        .merge(tenants::routes())
        .split_for_parts();
    problem_docs::describe(&mut description);
    (routes, description)
}
