//! A platform with gateways over one database, and its clients.

use std::net::SocketAddr;

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tradepost_gateway::adapters::postgres::PgIdentity;
use tradepost_gateway::application::{HashSettings, Identity, Passwords, RotateError};
use tradepost_gateway::bootstrap::{GatewayProgram, identity};
use tradepost_gateway::config::GatewayConfig;
use tradepost_gateway::metrics::Metrics;
use tradepost_gateway::ports::identity::{Author, NewOperator, UserStore};
use tradepost_postgres::{Database, DatabaseConfig};
use tradepost_service::{Program, Runtime};
use tradepost_telemetry::Registry;
use tradepost_testkit::{TestDatabase, Trust};
use tradepost_token::SigningKey;
use tradepost_types::UserId;

use crate::stage::{Answer, SOON, config, migrated};

pub(crate) const PASSWORD: &str = "canary-Ottawa-77-lantern";
pub(crate) const OPERATOR: &str = "operator@example.com";

/// One gateway.
pub(crate) struct Gate {
    addr: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    registry: Option<Registry>,
}

pub(crate) struct Shop {
    pub(crate) database: TestDatabase,
    pub(crate) gate: Gate,
    config: GatewayConfig,
    _trust: Trust,
    shutdown: CancellationToken,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// What a login or a refresh answers with.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: String,
    pub(crate) user: String,
}

impl Session {
    /// Fails for any other answer.
    pub(crate) fn of(answer: &Answer) -> Self {
        let json = answer.json();
        assert_eq!(answer.status, 200, "{json}");
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            session: text("session_id"),
            user: text("user_id"),
        }
    }
}

impl Gate {
    pub(crate) fn at(addr: SocketAddr) -> Self {
        Self {
            addr,
            client: Client::builder(TokioExecutor::new()).build_http(),
            registry: None,
        }
    }

    /// Whether the metrics of a gateway in this process have this line.
    pub(crate) fn counts(&self, line: &str) -> bool {
        let metrics = self.registry.as_ref().unwrap().render().unwrap();
        metrics.lines().any(|one| one == line)
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A request with a token, if one is given, and a key of its own.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Answer {
        self.try_ask(method, path, token, body).await.unwrap()
    }

    pub(crate) async fn try_ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
    ) -> Result<Answer, hyper_util::client::legacy::Error> {
        let key = UserId::new().to_string();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.addr))
            .header("idempotency-key", key);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(request.body(Full::from(body)).unwrap()).await
    }

    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, hyper_util::client::legacy::Error> {
        let (parts, body) = self.client.request(request).await?.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            bytes: body.collect().await.unwrap().to_bytes(),
        })
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::GET, path, token, None).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, token, Some(body)).await
    }

    /// A `POST` without a body.
    pub(crate) async fn call(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::POST, path, token, None).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> Answer {
        self.ask(Method::DELETE, path, token, None).await
    }

    pub(crate) async fn try_login(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password, "device": "test"});
        self.post("/v1/auth/login", "", body).await
    }

    pub(crate) async fn login(&self, email: &str) -> Session {
        Session::of(&self.try_login(email, PASSWORD).await)
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        let body = json!({"refresh_token": token});
        self.post("/v1/auth/refresh", "", body).await
    }

    /// Whether a token is taken, and if not, why.
    pub(crate) async fn standing(&self, token: &str) -> Result<Value, (u16, String)> {
        let answer = self.get("/v1/auth/me", token).await;
        match answer.status.as_u16() {
            200 => Ok(answer.json()),
            status => Err((status, reason(&answer))),
        }
    }
}

pub(crate) fn reason(answer: &Answer) -> String {
    answer.problem()["reason"].as_str().unwrap().to_owned()
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        let database = migrated().await;
        let trust = Trust::new();
        let mut config = config();
        config.server.auth = trust.config("gateway");
        config.database = database.config();
        // All tests share two cores with the servers: the first connections may take their time.
        config.database.acquire_timeout_ms = 20_000;
        config.database.lock_timeout_ms = 20_000;
        config.database.statement_timeout_ms = 30_000;
        config.identity.poll_ms = 50;
        config.rate_limits.strict_factor = 1_000;
        config.identity.passwords.waiting_max = 1_000;
        adjust(&mut config);
        let shutdown = CancellationToken::new();
        let gate = serve(&config, &shutdown).await;
        let shop = Self {
            database,
            gate,
            config,
            _trust: trust,
            shutdown,
        };
        make_operator(&shop.config.database).await;
        shop
    }

    /// Another gateway over the same database.
    pub(crate) async fn second(&self) -> Gate {
        serve(&self.config, &self.shutdown).await
    }

    /// Another gateway over the same database, with another configuration.
    pub(crate) async fn second_with(&self, adjust: impl FnOnce(&mut GatewayConfig)) -> Gate {
        let mut config = self.config.clone();
        adjust(&mut config);
        serve(&config, &self.shutdown).await
    }

    /// A tenant whose owner has the address; its id.
    pub(crate) async fn tenant(&self, owner: &str) -> String {
        let operator = self.gate.login(OPERATOR).await.access;
        let body = json!({"name": "Acme", "owner_email": owner, "owner_password": PASSWORD});
        let made = self.gate.post("/v1/tenants", &operator, body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        made.json()["tenant_id"].as_str().unwrap().to_owned()
    }

    /// A member of the tenant of `by`; their user id.
    pub(crate) async fn member(&self, email: &str, role: &str, by: &str) -> String {
        let body = json!({"email": email, "role": role, "password": PASSWORD});
        let made = self.gate.post("/v1/users", by, body).await;
        assert_eq!(made.status, 201, "{}", made.json());
        made.json()["user_id"].as_str().unwrap().to_owned()
    }

    /// Publishes the next key, as the command does.
    pub(crate) async fn rotate(&self) {
        self.identity().keys.rotate().await.unwrap();
    }

    /// Takes nothing any more that the present keys have signed.
    pub(crate) async fn adopt(&self, key: &SigningKey) -> Result<String, RotateError> {
        self.identity().keys.adopt(key).await
    }

    /// Takes nothing any more that the present keys have signed.
    pub(crate) async fn replace_keys(&self) {
        self.identity().keys.replace_at_once().await.unwrap();
    }

    /// What another process with the same configuration has.
    fn identity(&self) -> Identity {
        let metrics = Metrics::register(&Registry::new("test"));
        let database = Database::connect_lazy(&self.config.database, "test").unwrap();
        identity(
            &self.config.identity,
            &self.config.credentials,
            database,
            &metrics,
        )
        .unwrap()
    }

    /// How many entries of the audit trail are of this kind.
    pub(crate) async fn entries(&self, action: &str) -> i64 {
        sqlx::query_scalar("select count(*) from audit_entries where action = $1")
            .bind(action)
            .fetch_one(&mut self.database.admin().await)
            .await
            .unwrap()
    }
}

/// An operator, with a hash that is cheap to check.
pub(crate) async fn make_operator(config: &DatabaseConfig) {
    let passwords = Passwords::new(HashSettings {
        memory_kib: 64,
        passes: 1,
        at_once: None,
        waiting_max: 1,
    });
    let new = NewOperator {
        user: UserId::new(),
        email: OPERATOR.parse().unwrap(),
        password_hash: passwords.unwrap().hash(&PASSWORD.into()).await.unwrap(),
    };
    let database = Database::connect_lazy(config, "test").unwrap();
    let store = PgIdentity::new(database);
    store.add_operator(&new, &Author::process()).await.unwrap();
}

async fn serve(config: &GatewayConfig, shutdown: &CancellationToken) -> Gate {
    let mut runtime = Runtime::bind("gateway", config.server.clone())
        .await
        .unwrap();
    runtime.shutdown = shutdown.child_token();
    let (addr, registry) = (
        runtime.listener.local_addr().unwrap(),
        runtime.registry.clone(),
    );
    let mut serving = runtime.health.serving();
    let served = tokio::spawn(GatewayProgram::serve(config.clone(), runtime));
    let is_serving = serving.wait_for(|is_serving| *is_serving);
    if tokio::time::timeout(SOON, is_serving).await.is_err() {
        panic!("the gateway does not serve: {:?}", served.await);
    }
    Gate {
        registry: Some(registry),
        ..Gate::at(addr)
    }
}
