//! A tenant at the gateway, made as its operator and its owner make one.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tradepost_types::TenantId;

use crate::Unit;

const OPERATOR: &str = "operator@example.com";
const OWNER: &str = "owner@example.com";
/// Whoever logs in here; the shop is gone with the test.
const PASSWORD: &str = "correct horse battery staple";
/// All that a program may do.
const SCOPE: &str = "orders:place orders:read orders:cancel orders:price items:read items:write \
                     inventory:adjust payments:read payments:refund shipments:read";

/// A tenant with an API key.
#[derive(Debug, Clone)]
pub struct Account {
    /// The tenant.
    pub tenant: TenantId,
    /// An API key that may do all that a program may do.
    pub key: SecretString,
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
            key: SecretString::from(""),
            url: gateway.url(),
            http: Client::new(),
        };
        let operator = nobody.log_in(OPERATOR, &password).await;
        let tenant = json!({"name": "Acme", "plan": "internal", "owner_email": OWNER,
            "owner_password": PASSWORD});
        let tenant = operator.make("/v1/tenants", tenant).await;
        let owner = operator.log_in(OWNER, PASSWORD).await;
        let key = owner
            .make("/v1/api-keys", json!({"name": "e2e", "scope": SCOPE}))
            .await;
        Self {
            tenant: tenant["tenant_id"].as_str().unwrap().parse().unwrap(),
            key: key["secret"].as_str().unwrap().into(),
            ..nobody
        }
    }

    /// A request with the account's key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.bearer_auth(self.key.expose_secret())
    }

    async fn log_in(&self, email: &str, password: &str) -> Self {
        let login = self
            .http
            .post(format!("{}/v1/auth/login", self.url))
            .json(&json!({"email": email, "password": password}));
        let answer = login.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{email} logs in");
        let tokens: Value = answer.json().await.unwrap();
        Self {
            key: tokens["access_token"].as_str().unwrap().into(),
            ..self.clone()
        }
    }

    async fn make(&self, path: &str, what: Value) -> Value {
        let request = self.request(Method::POST, path).json(&what);
        let answer = request.header("Idempotency-Key", path).send().await;
        let answer = answer.unwrap();
        let status = answer.status();
        let made: Value = answer.json().await.unwrap();
        assert_eq!(status, StatusCode::CREATED, "{path}: {}", made["detail"]);
        made
    }
}
