//! A shop whose gateway is asked by the notification service.

use serde_json::{Value, json};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tradepost_gateway::config::GatewayConfig;
use tradepost_proto::gateway::v1 as pb;
use tradepost_proto::gateway::v1::access_service_client::AccessServiceClient;
use tradepost_proto::gateway::v1::admit_request::Credentials;
use tradepost_service::auth::{Grant, Identity};
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_service::error::ErrorDetails;
use tradepost_testkit::{Trust, free_port};

use crate::identity::shop::Shop;

pub(crate) const OWNER: &str = "ada@example.com";
pub(crate) const MEMBER: &str = "bob@example.com";
pub(crate) const TICKETS: &str = "/v1/notifications/tickets";
pub(crate) const RIGHT: &str = "access:admit";

pub(crate) type Client = AccessServiceClient<InterceptedService<Channel, CallContext>>;

pub(crate) struct Door {
    pub(crate) shop: Shop,
    pub(crate) tenant: String,
    /// The notification service.
    pub(crate) service: Identity,
    /// A service that may not ask.
    pub(crate) other: Identity,
    /// Asks in the name of the notification service.
    pub(crate) client: Client,
    pub(crate) url: String,
    _trust: Trust,
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(adjust: impl FnOnce(&mut GatewayConfig)) -> Self {
        let trust = Trust::new();
        let service = trust.believe("notification", &[RIGHT]);
        let other = trust.believe("order", &["items:read"]);
        let port = free_port();
        let shop = Shop::with(|config| {
            config.server.auth = trust.config("gateway");
            config.access.listen_addr = Some(([127, 0, 0, 1], port).into());
            adjust(config);
        })
        .await;
        let tenant = shop.tenant(OWNER).await;
        let url = format!("http://127.0.0.1:{port}");
        Self {
            client: client(&url, &service, &[RIGHT]),
            shop,
            tenant,
            service,
            other,
            url,
            _trust: trust,
        }
    }

    pub(crate) async fn token(&self) -> String {
        self.shop.gate.login(OWNER).await.access
    }

    /// An API key of the owner's; its id and its secret.
    pub(crate) async fn key(&self, owner: &str, scope: &str) -> (String, String) {
        let body = json!({"name": "till", "scope": scope});
        let made = self.shop.gate.post("/v1/api-keys", owner, body).await;
        let made = made.json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["api_key"]["key_id"]), text(&made["secret"]))
    }

    pub(crate) async fn ticket(&self, token: &str) -> String {
        let given = self.shop.gate.post(TICKETS, token, json!({})).await;
        assert_eq!(given.status, 201, "{}", given.json());
        given.json()["ticket"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn admit(
        &self,
        credentials: Credentials,
    ) -> Result<pb::AdmitResponse, Status> {
        self.ask(asking(credentials)).await
    }

    pub(crate) async fn ask(&self, request: pb::AdmitRequest) -> Result<pb::AdmitResponse, Status> {
        let admitted = self.client.clone().admit(request).await;
        admitted.map(tonic::Response::into_inner)
    }

    /// Why they are not admitted.
    pub(crate) async fn refused(&self, credentials: Credentials) -> (Code, String) {
        reason(&self.admit(credentials).await.unwrap_err())
    }
}

pub(crate) fn client(url: &str, identity: &Identity, rights: &[&'static str]) -> Client {
    let channel = channel(url, &ClientOptions::default()).unwrap();
    let grant = Grant {
        audience: "gateway",
        subject: "notification".to_owned(),
        tenant: None,
        rights: rights.to_vec(),
        customer: false,
    };
    AccessServiceClient::with_interceptor(channel, CallContext::new(identity, grant))
}

pub(crate) fn asking(credentials: Credentials) -> pb::AdmitRequest {
    pb::AdmitRequest {
        credentials: Some(credentials),
        address: "192.0.2.7".to_owned(),
        origin: String::new(),
        audience: "notification".to_owned(),
    }
}

pub(crate) fn bearer(token: &str) -> Credentials {
    Credentials::AccessToken(token.to_owned())
}

pub(crate) fn ticket(ticket: &str) -> Credentials {
    Credentials::Ticket(ticket.to_owned())
}

pub(crate) fn reason(status: &Status) -> (Code, String) {
    (status.code(), ErrorDetails::from_status(status).reason)
}
