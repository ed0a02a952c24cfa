//! A tenant at the gateway, made as its operator and its owner make one.

use std::collections::BTreeMap;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tradepost_notifications::stream::{Position, Stream};
use tradepost_types::{OrderId, TenantId};

use crate::{Listener, Unit};

const OPERATOR: &str = "operator@example.com";
const OWNER: &str = "owner@example.com";
const NEIGHBOUR: &str = "owner@neighbour.example";
/// Whoever logs in here; the shop is gone with the test.
const PASSWORD: &str = "correct horse battery staple";
/// All that a program may do.
const SCOPE: &str = "orders:place orders:read orders:cancel orders:price items:read items:write \
                     inventory:adjust payments:read payments:refund shipments:read metrics:read \
                     analytics:read notifications:send notifications:manage";

/// Somebody of a tenant: its program with an API key, or a member.
#[derive(Debug, Clone)]
pub struct Account {
    /// The tenant.
    pub tenant: TenantId,
    /// What they show: an API key that may do all that a program may do, or an access token.
    credential: SecretString,
    owner: SecretString,
    operator: SecretString,
    url: String,
    http: Client,
}

impl Account {
    /// Makes the first operator by command, the tenant by the operator, and the key by its owner.
    pub(crate) async fn open(gateway: &Unit) -> Self {
        let said = gateway
            .command(&["create-operator", "--email", OPERATOR])
            .await;
        let shown = said
            .lines()
            .find_map(|line| line.split_once("shown this once: "));
        let password = shown.unwrap().1.trim().to_owned();
        let nobody = Self {
            tenant: TenantId::new(),
            credential: SecretString::from(""),
            owner: SecretString::from(""),
            operator: SecretString::from(""),
            url: gateway.url(),
            http: Client::new(),
        };
        let operator = nobody.log_in(OPERATOR, &password).await;
        operator.found("Acme", OWNER).await
    }

    /// A tenant beside this one, with a program of its own.
    pub async fn neighbour(&self) -> Self {
        let operator = self.with(self.operator.clone());
        operator.found("Globex", NEIGHBOUR).await
    }

    /// The tenant by the operator, and its key by its owner.
    async fn found(&self, name: &str, owner_email: &str) -> Self {
        let tenant = json!({"name": name, "plan": "internal", "owner_email": owner_email,
            "owner_password": PASSWORD});
        let tenant = self.make("/v1/tenants", tenant).await;
        let owner = self.log_in(owner_email, PASSWORD).await;
        let key = owner
            .make("/v1/api-keys", json!({"name": "e2e", "scope": SCOPE}))
            .await;
        Self {
            tenant: tenant["tenant_id"].as_str().unwrap().parse().unwrap(),
            credential: key["secret"].as_str().unwrap().into(),
            owner: owner.credential,
            operator: self.credential.clone(),
            ..self.clone()
        }
    }

    /// A new member of the tenant, logged in.
    pub async fn member(&self, email: &str, role: &str) -> Self {
        let owner = self.owner();
        let member = json!({"email": email, "role": role, "password": PASSWORD});
        owner.make("/v1/users", member).await;
        self.log_in(email, PASSWORD).await
    }

    /// The owner of the tenant.
    #[must_use]
    pub fn owner(&self) -> Self {
        self.with(self.owner.clone())
    }

    fn with(&self, credential: SecretString) -> Self {
        Self {
            credential,
            ..self.clone()
        }
    }

    /// The id by which the account is known.
    pub async fn id(&self) -> String {
        let me = self.request(Method::GET, "/v1/auth/me").send().await;
        let me: Value = me.unwrap().json().await.unwrap();
        me["subject"].as_str().unwrap().to_owned()
    }

    /// Where the gateway is: host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// What the account shows, as the value of `Authorization`.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.credential.expose_secret())
    }

    /// Listens to what the account is told; `positions` is what it has already.
    pub async fn listen(&self, positions: BTreeMap<Stream, Position>) -> Listener {
        Listener::open(self.address(), self.credential.expose_secret(), positions).await
    }

    /// The same at the node at `address`, without the gateway in between.
    pub async fn listen_straight(&self, address: &str) -> Listener {
        let credential = self.credential.expose_secret();
        Listener::open(address, credential, BTreeMap::new()).await
    }

    /// A ticket for one connection.
    pub async fn ticket(&self) -> String {
        let made = self.make("/v1/notifications/tickets", json!({})).await;
        made["ticket"].as_str().unwrap().to_owned()
    }

    /// The member of the same name, logged in once more: another session, and its access token.
    pub async fn again(&self, email: &str) -> (Self, SecretString) {
        let again = self.log_in(email, PASSWORD).await;
        let token = again.credential.clone();
        (again, token)
    }

    /// A request with what the account shows.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.bearer_auth(self.credential.expose_secret())
    }

    async fn log_in(&self, email: &str, password: &str) -> Self {
        let login = self
            .http
            .post(format!("{}/v1/auth/login", self.url))
            .json(&json!({"email": email, "password": password}));
        let answer = login.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{email} logs in");
        let tokens: Value = answer.json().await.unwrap();
        self.with(tokens["access_token"].as_str().unwrap().into())
    }

    async fn make(&self, path: &str, what: Value) -> Value {
        let request = self.request(Method::POST, path).json(&what);
        let answer = request.header("Idempotency-Key", key()).send().await;
        let answer = answer.unwrap();
        let status = answer.status();
        let made: Value = answer.json().await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{path}: {}", made["detail"]);
        made
    }
}

/// One that nobody has used.
fn key() -> String {
    OrderId::new().to_string()
}
