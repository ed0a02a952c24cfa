//! A gateway before scripted services, and a client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as Broken};
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tradepost_gateway::adapters::postgres::MIGRATOR;
use tradepost_gateway::adapters::postgres::audit::PgAudit;
use tradepost_gateway::bootstrap::{Parts, doors, limiter, serve_guarded, upstreams};
use tradepost_gateway::config::{
    CredentialsConfig, GatewayConfig, IdentityConfig, LimitsConfig, UpstreamsConfig,
};
use tradepost_gateway::metrics::Metrics;
use tradepost_gateway::ports::Guards;
use tradepost_postgres::{Database, DatabaseConfig, idempotency};
use tradepost_service::auth::Caller;
use tradepost_service::{CommonConfig, Health, Runtime, Tasks};
use tradepost_telemetry::Registry;
use tradepost_testkit::{TestDatabase, Trust};

use crate::doubles::Doubles;
use crate::fake::Fake;

/// How long anything may take that has to happen.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// 32 bytes that are no secret.
pub(crate) const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A database that is not there: the services behind the gateway do without.
const NOWHERE: &str = "postgres://nobody:nothing@127.0.0.1:1/gateway";

/// The issuer of the tokens.
pub(crate) const ISSUER: &str = "http://gateway.test";

/// A migrated database of its own.
pub(crate) async fn migrated() -> TestDatabase {
    let extra = [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
    tradepost_testkit::database(&MIGRATOR, &extra).await
}

pub(crate) struct Stage {
    pub(crate) fake: Fake,
    /// Where the services are.
    pub(crate) url: String,
    pub(crate) doubles: Doubles,
    pub(crate) addr: SocketAddr,
    pub(crate) registry: Registry,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    pub(crate) tasks: Tasks,
    pub(crate) served: tokio::task::JoinHandle<anyhow::Result<()>>,
    pub(crate) trust: Trust,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().unwrap();
        assert_eq!(values.next(), None, "{name} stands once");
        Some(value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    /// Whether it is an error in the form that OAuth's own routes must give it.
    pub(crate) fn is_oauth_error(&self) -> bool {
        self.header("content-type") == Some("application/json")
            && self.json()["error"].is_string()
            && self.json()["error_description"].is_string()
    }

    /// The problem, after the checks that hold for every problem.
    pub(crate) fn problem(&self) -> Value {
        let problem = self.json();
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{problem}"
        );
        assert_eq!(problem["status"], self.status.as_u16());
        let reason = problem["reason"].as_str().unwrap();
        assert_eq!(problem["type"], format!("urn:tradepost:reason:{reason}"));
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap());
        assert_eq!(problem["trace_id"].as_str().unwrap().len(), 32);
        assert!(problem["instance"].as_str().unwrap().starts_with('/'));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }

    /// Status, reason, and the places at fault with what they are.
    pub(crate) fn faults(&self) -> (u16, String, Vec<(String, String)>) {
        let problem = self.problem();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let place = |error: &Value| {
            ["pointer", "parameter", "header"]
                .into_iter()
                .find_map(|kind| {
                    let name = error[kind].as_str()?;
                    Some((kind.to_owned(), name.to_owned()))
                })
        };
        let places = errors.iter().filter_map(place).collect();
        (
            self.status.as_u16(),
            problem["reason"].as_str().unwrap().to_owned(),
            places,
        )
    }
}

/// A configuration whose services and database are nowhere.
pub(crate) fn config() -> GatewayConfig {
    let url = || "http://127.0.0.1:1".parse().unwrap();
    GatewayConfig {
        server: CommonConfig {
            listen_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..CommonConfig::default()
        },
        database: DatabaseConfig {
            acquire_timeout_ms: 100,
            ..DatabaseConfig::new(NOWHERE, NOWHERE)
        },
        identity: IdentityConfig::new(ISSUER.parse().unwrap(), MASTER_KEY.into()),
        credentials: CredentialsConfig {
            login_url: Some("https://shop.example/login".parse().unwrap()),
            ..CredentialsConfig::default()
        },
        upstreams: UpstreamsConfig {
            order_url: url(),
            inventory_url: url(),
            payment_url: url(),
            shipping_url: url(),
            notification_url: None,
            notification_live_url: None,
            metrics_url: None,
            deadline_ms: 20_000,
            slow_ms: 10_000,
            open_ms: 200,
            calls_max: 256,
            connections: 2,
        },
        limits: LimitsConfig::default(),
        redis: Default::default(),
        rate_limits: Default::default(),
        tls: Default::default(),
        cors: Default::default(),
        proxies: Default::default(),
        sockets: Default::default(),
        audit: Default::default(),
        access: Default::default(),
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::guarded(adjust, |doubles, _, _| doubles.guards()).await
    }

    /// With real limits.
    pub(crate) async fn limited(adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        Self::guarded(adjust, |doubles, config, runtime| Guards {
            limits: Arc::new(limiter(config, runtime).unwrap()),
            ..doubles.guards()
        })
        .await
    }

    async fn guarded(
        adjust: impl FnOnce(&mut GatewayConfig),
        guards: impl FnOnce(&Doubles, &GatewayConfig, &Runtime) -> Guards,
    ) -> Self {
        let (fake, url) = Fake::serve().await;
        let services = url.clone();
        let url = || url.parse().unwrap();
        let trust = Trust::new();
        let mut config = config();
        config.server.auth = trust.config("gateway");
        config.upstreams = UpstreamsConfig {
            order_url: url(),
            inventory_url: url(),
            payment_url: url(),
            shipping_url: url(),
            notification_url: Some(url()),
            metrics_url: Some(url()),
            ..config.upstreams
        };
        adjust(&mut config);
        let runtime = Runtime::bind("gateway", config.server.clone())
            .await
            .unwrap();
        let doubles = Doubles::new();
        let metrics = Metrics::register(&runtime.registry);
        let database = Database::connect_lazy(&config.database, "test").unwrap();
        let parts = Parts {
            guards: guards(&doubles, &config, &runtime),
            doors: doors(
                &config.identity,
                &config.credentials,
                database.clone(),
                &metrics,
            )
            .unwrap(),
            audit: Arc::new(PgAudit::new(database, &config.database)),
            upstreams: upstreams(&config, &runtime, &metrics).unwrap(),
            metrics,
        };
        Self {
            fake,
            url: services,
            doubles,
            addr: runtime.listener.local_addr().unwrap(),
            registry: runtime.registry.clone(),
            health: runtime.health.clone(),
            shutdown: runtime.shutdown.clone(),
            tasks: runtime.tasks.clone(),
            trust,
            served: tokio::spawn(serve_guarded(config, runtime, parts)),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Who the service that was asked last takes the caller to be.
    pub(crate) fn seen_by(&self, service: &str) -> Arc<Caller> {
        let metadata = self.fake.metadata();
        let header = metadata.get("authorization").expect("a token");
        self.trust.caller(service, header.to_str().unwrap())
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.answering(request).await.unwrap().into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            bytes: body.collect().await.unwrap().to_bytes(),
        }
    }

    /// An answer whose body is still on its way.
    pub(crate) async fn answering(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Broken> {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("http://{}{}", self.addr, parts.uri)
            .parse()
            .unwrap();
        let request = Request::from_parts(parts, body);
        self.client.request(request).await
    }

    /// Whether the metrics have this text.
    pub(crate) fn counts(&self, text: &str) -> bool {
        self.registry.render().unwrap().contains(text)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(bare(Method::GET, path)).await
    }

    /// A mutating request as it should be.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(keyed(Method::POST, path, body.to_string())).await
    }

    /// A mutating request with the body as it is given.
    pub(crate) async fn post_raw(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(keyed(Method::POST, path, body)).await
    }
}

pub(crate) fn bare(method: Method, path: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path);
    request.body(Full::default()).unwrap()
}

pub(crate) fn keyed(method: Method, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("idempotency-key", "key-1")
        .header("content-type", "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}

/// The body of a small order.
pub(crate) fn an_order() -> Value {
    json!({
        "customer_ref": "c-1",
        "currency_code": "GBP",
        "lines": [
            {"sku": "A 1/2", "quantity": 2},
            {"sku": "B", "quantity": 1,
                "agreed_unit_price": {"currency_code": "GBP", "minor_units": 5}},
        ],
        "shipping_address": {
            "recipient": "Ada", "lines": ["1 Main St"], "city": "London",
            "postal_code": "N1", "country_code": "GB",
        },
        "payment_method": "pm_card_visa",
    })
}
