//! PostgreSQL is gone, or says nothing, under a gateway that serves: what it knows goes on, what it
//! would have to find out or write down is refused in so many words, and all is well afterwards
//! without a restart.

use axum::http::Method;
use futures::future::join_all;
use serde_json::json;
use tradepost_gateway::adapters::postgres::MIGRATOR;
use tradepost_postgres::{DatabaseConfig, idempotency};
use tradepost_testkit::{Fault, FaultProxy, Process, Trust, eventually, private_postgres};

use super::process::{builder_over, served_with_admin};
use super::shop::{Gate, OPERATOR, PASSWORD, Session, make_operator, reason};
use crate::fake::{Fake, ORDER_ID};
use crate::stage::{SOON, an_order, migrated};

const OWNER: &str = "ada@example.com";
/// How long the process waits for a connection: longer than a busy machine takes to open one, and
/// well within the time for which it goes on without its database.
const ACQUIRE_MS: &str = "4000";

/// A gateway, and what clients had before its database failed.
struct Outage {
    gate: Gate,
    admin: Gate,
    fake: Fake,
    operator: String,
    owner: Session,
    /// A key that the process has seen.
    seen: String,
    /// A key that it has not.
    unseen: String,
    process: Process,
    _trust: Trust,
}

impl Outage {
    async fn prepare(config: &DatabaseConfig) -> Self {
        let (trust, (fake, url)) = (Trust::new(), Fake::serve().await);
        make_operator(config).await;
        let process = ["ORDER", "INVENTORY", "PAYMENT", "SHIPPING"]
            .into_iter()
            .fold(
                builder_over(config, &trust).env(
                    "TRADEPOST_GATEWAY__DATABASE__ACQUIRE_TIMEOUT_MS",
                    ACQUIRE_MS,
                ),
                |process, name| {
                    process.env(format!("TRADEPOST_GATEWAY__UPSTREAMS__{name}_URL"), &url)
                },
            );
        let (process, gate, admin) = served_with_admin(process).await;
        let operator = gate.login(OPERATOR).await.access;
        let body = json!({"name": "Acme", "owner_email": OWNER, "owner_password": PASSWORD});
        assert_eq!(gate.post("/v1/tenants", &operator, body).await.status, 201);
        let owner = gate.login(OWNER).await;
        let mut keys = Vec::new();
        for name in ["seen", "unseen"] {
            let body = json!({"name": name, "scope": "orders:read"});
            let made = gate.post("/v1/api-keys", &owner.access, body).await;
            keys.push(made.json()["secret"].as_str().unwrap().to_owned());
        }
        let outage = Self {
            gate,
            admin,
            fake,
            operator,
            owner,
            unseen: keys.remove(1),
            seen: keys.remove(0),
            process,
            _trust: trust,
        };
        outage.assert_well().await;
        assert_eq!(outage.order(&outage.seen).await.0, 200);
        outage
    }

    async fn order(&self, credentials: &str) -> (u16, String) {
        let path = format!("/v1/orders/{ORDER_ID}");
        self.outcome(Method::GET, &path, credentials, None).await
    }

    /// The status and, of what is no success, the reason.
    async fn outcome(
        &self,
        method: Method,
        path: &str,
        credentials: &str,
        body: Option<serde_json::Value>,
    ) -> (u16, String) {
        let answer = self.gate.ask(method, path, credentials, body).await;
        let why = match answer.status.is_success() {
            true => String::new(),
            false => reason(&answer),
        };
        (answer.status.as_u16(), why)
    }

    /// Everything works.
    async fn assert_well(&self) {
        assert_eq!(self.order(&self.owner.access).await.0, 200);
        let placed = self.gate.post("/v1/orders", &self.owner.access, an_order());
        assert_eq!(placed.await.status, 201);
        assert_eq!(
            self.gate.get("/v1/users", &self.owner.access).await.status,
            200
        );
        Session::of(&self.gate.try_login(OWNER, PASSWORD).await);
        assert_eq!(self.admin.get("/readyz", "").await.status, 200);
    }

    async fn assert_what_goes_on(&self) {
        let calls = self.fake.calls();
        assert_eq!(self.order(&self.owner.access).await.0, 200);
        assert_eq!(self.order(&self.seen).await.0, 200);
        assert_eq!(self.fake.calls(), calls + 2);
        let (operator, owner) = (&self.operator, &self.owner.access);
        assert!(self.gate.standing(owner).await.is_ok());
        for path in ["/openapi.json", "/.well-known/jwks.json"] {
            assert_eq!(self.gate.get(path, "").await.status, 200, "{path}");
        }

        let unknown = (503, "IDENTITY_UNAVAILABLE".to_owned());
        let unrecorded = (503, "AUDIT_UNAVAILABLE".to_owned());
        let credentials = json!({"email": OWNER, "password": PASSWORD});
        let wrong = json!({"email": "nobody@example.com", "password": PASSWORD});
        let refresh = json!({"refresh_token": self.owner.refresh});
        let member = json!({"email": "b@example.com", "role": "support", "password": PASSWORD});
        let key = json!({"name": "till", "scope": "orders:read"});
        let cancel = format!("/v1/orders/{ORDER_ID}/cancel");
        let (get, post) = (Method::GET, Method::POST);
        let refused = [
            (&post, "/v1/auth/login", "", Some(credentials), &unknown),
            (&post, "/v1/auth/login", "", Some(wrong), &unknown),
            (&post, "/v1/auth/refresh", "", Some(refresh), &unknown),
            (&get, "/v1/users", owner, None, &unknown),
            (&get, "/v1/api-keys", owner, None, &unknown),
            (&get, "/v1/tenants", operator, None, &unknown),
            (&get, "/v1/auth/me", &self.unseen, None, &unknown),
            (&post, "/v1/users", owner, Some(member), &unknown),
            (&post, "/v1/api-keys", owner, Some(key), &unknown),
            (&get, "/v1/audit", owner, None, &unrecorded),
            (&post, "/v1/orders", owner, Some(an_order()), &unrecorded),
            (&post, &cancel, owner, None, &unrecorded),
        ];
        // At once: each of them waits for a connection.
        let outcomes = refused.map(async |(method, path, token, body, expected)| {
            let outcome = self.outcome(method.clone(), path, token, body).await;
            assert_eq!(outcome, *expected, "{method} {path}");
        });
        join_all(outcomes).await;
        let denied = self.gate.post("/v1/tenants", owner, json!({})).await;
        assert_eq!(
            (denied.status.as_u16(), reason(&denied).as_str()),
            (403, "PERMISSION_DENIED")
        );
        assert_eq!(
            self.fake.calls(),
            calls + 2,
            "no service was asked to change anything"
        );

        let ready = self.admin.get("/readyz", "").await;
        assert_eq!(ready.status, 503);
        let checks = ready.json()["checks"].as_array().unwrap().clone();
        let failed: Vec<_> = checks.iter().filter(|check| check["ok"] == false).collect();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0]["name"], "database");
        assert_eq!(self.admin.get("/livez", "").await.status, 200);
    }

    /// The same process, as before.
    async fn assert_recovered(mut self) {
        eventually("it is ready again", SOON, async || {
            let ready = self.admin.get("/readyz", "").await;
            ready.status.is_success().then_some(())
        })
        .await;
        self.assert_well().await;
        assert_eq!(self.order(&self.unseen).await.0, 200);
        Session::of(&self.gate.refresh(&self.owner.refresh).await);
        assert!(self.process.ended().is_none());
    }
}

#[tokio::test]
async fn a_database_that_is_stopped_takes_only_what_needs_it() {
    let postgres = private_postgres().await;
    let extra = [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
    let database = postgres.database(&MIGRATOR, &extra).await;
    let outage = Outage::prepare(&database.config()).await;

    postgres.stop().await;

    outage.assert_what_goes_on().await;
    postgres.start().await;
    outage.assert_recovered().await;
}

#[tokio::test]
async fn a_database_that_says_nothing_takes_only_what_needs_it() {
    let database = migrated().await;
    let mut config = database.config();
    let proxy = FaultProxy::before(&config.url).await;
    config.url = proxy.rewrite(&config.url);
    config.system_url = proxy.rewrite(&config.system_url);
    let outage = Outage::prepare(&config).await;

    proxy.set(Fault::Blackhole);

    outage.assert_what_goes_on().await;
    proxy.set(Fault::None);
    outage.assert_recovered().await;
}
