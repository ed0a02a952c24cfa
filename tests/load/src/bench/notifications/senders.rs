//! Who tells: calls over gRPC.

use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

use tonic::Request;
use tonic::transport::{Channel, Endpoint};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_client::NotificationServiceClient;
use tradepost_service::auth::{Grant, Identity};
use tradepost_types::TenantId;
use uuid::Uuid;

use super::{Origin, user};
use crate::bench::target::{Server, TargetError, dues};
use crate::samples::Samples;

/// Users of one call.
const USERS_MAX: usize = 1_000;
/// Whom broadcasts are for.
const GROUP: &str = "everybody";
/// As long as a line of a real one.
const MESSAGE: &str = "Your order has left our warehouse and will be with you in two days.";

/// Whether it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is.
    Durable,
    /// It is not.
    Ephemeral,
}

/// Who the bench is, to the service: a tenant of its own.
#[derive(Clone)]
pub struct Caller {
    identity: Identity,
    tenant: TenantId,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller(…)")
    }
}

impl Caller {
    /// Signs with the private key (PKCS#8, PEM) of a file; a tenant that nobody has used.
    ///
    /// # Errors
    /// [`TargetError::Token`]: there is no such key.
    pub fn load(key: &Path, issuer: &str) -> Result<Self, TargetError> {
        let identity = Identity::load(key, issuer);
        Ok(Self {
            identity: identity.map_err(|error| TargetError::Token(error.to_string()))?,
            tenant: TenantId::new(),
        })
    }

    /// The tenant, for other processes of the same bench.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The same in a tenant that is known.
    #[must_use]
    pub fn of_tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = tenant;
        self
    }

    /// With a key that nobody knows.
    #[cfg(test)]
    pub(super) fn unbelieved() -> Self {
        use tradepost_token::{Algorithm, SigningKey};
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        Self {
            identity: Identity::new(key, "bench"),
            tenant: TenantId::new(),
        }
    }

    /// The header of somebody who reads.
    pub(super) fn reader(&self, user: &str) -> Result<String, TargetError> {
        let bearer = self.bearer(user, &["notifications:read"])?;
        let text = bearer.to_str().map(str::to_owned);
        text.map_err(|error| TargetError::Token(error.to_string()))
    }

    fn request<T>(&self, message: T) -> Result<Request<T>, TargetError> {
        let mut request = Request::new(message);
        let bearer = self.bearer("bench", &["notifications:send", "notifications:manage"])?;
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }

    fn bearer(
        &self,
        subject: &str,
        rights: &[&'static str],
    ) -> Result<tonic::metadata::MetadataValue<tonic::metadata::Ascii>, TargetError> {
        let grant = Grant {
            audience: "notification",
            subject: subject.to_owned(),
            tenant: Some(self.tenant),
            rights: rights.to_vec(),
            customer: false,
        };
        let bearer = self.identity.bearer(&grant);
        let bearer = bearer.map_err(|error| TargetError::Token(error.to_string()))?;
        Ok(bearer.to_metadata())
    }
}

/// Senders at a node.
#[derive(Clone)]
pub(super) struct Senders {
    client: NotificationServiceClient<Channel>,
    caller: Caller,
    origin: Origin,
}

/// What became of a stretch of sending.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) accepted: u64,
    pub(super) refused: u64,
    /// From when each was due to its answer.
    pub(super) answers: Samples,
    /// A refusal, in words.
    pub(super) why: Option<String>,
}

impl Senders {
    pub(super) async fn connect(
        server: &Server,
        caller: &Caller,
        origin: Origin,
    ) -> Result<Self, TargetError> {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.addr))?;
        let channel = endpoint.tcp_nodelay(true).connect().await?;
        Ok(Self {
            client: NotificationServiceClient::new(channel),
            caller: caller.clone(),
            origin,
        })
    }

    /// Makes a group of so many users.
    pub(super) async fn gather(&self, users: usize) -> Result<(), TargetError> {
        let mut client = self.client.clone();
        let group = pb::PutGroupRequest {
            group_id: GROUP.to_owned(),
            display_name: "Everybody".to_owned(),
        };
        client.put_group(self.caller.request(group)?).await?;
        let users: Vec<String> = (0..users).map(user).collect();
        for some in users.chunks(USERS_MAX) {
            let join = pb::JoinGroupRequest {
                group_id: GROUP.to_owned(),
                user_ids: some.to_vec(),
            };
            client.join_group(self.caller.request(join)?).await?;
        }
        Ok(())
    }

    /// Tells the group, now.
    pub(super) async fn broadcast(&self, kind: Kind) -> Result<(), TargetError> {
        let message = self.to_group(kind, Instant::now());
        let request = self.request(message)?;
        self.client.clone().broadcast_to_group(request).await?;
        Ok(())
    }

    /// Tells users one after the other over a stream, at a constant rate whatever the answers take.
    pub(super) async fn paced(
        &self,
        kind: Kind,
        rate: NonZeroU32,
        window: Duration,
        users: usize,
    ) -> Result<Sent, TargetError> {
        let sends = self.stream().await?;
        let mut numbers = (0..users).cycle();
        for mut dues in dues(rate, window, 1) {
            while let Some(due) = dues.recv().await {
                sends
                    .tell(kind, due, numbers.next().unwrap_or_default())
                    .await;
            }
        }
        sends.finish().await
    }

    pub(super) fn to_user(
        &self,
        kind: Kind,
        due: Instant,
        number: usize,
    ) -> pb::SendToUsersRequest {
        pb::SendToUsersRequest {
            request_id: Uuid::now_v7().to_string(),
            user_ids: vec![user(number)],
            content: Some(content(self.origin.stamp(due))),
            delivery: delivery(kind).into(),
            collapse_key: String::new(),
        }
    }

    pub(super) fn to_group(&self, kind: Kind, due: Instant) -> pb::BroadcastToGroupRequest {
        pb::BroadcastToGroupRequest {
            request_id: Uuid::now_v7().to_string(),
            group_id: GROUP.to_owned(),
            content: Some(content(self.origin.stamp(due))),
            delivery: delivery(kind).into(),
            collapse_key: String::new(),
        }
    }

    pub(super) fn request<T>(&self, message: T) -> Result<Request<T>, TargetError> {
        self.caller.request(message)
    }

    pub(super) fn client(&self) -> NotificationServiceClient<Channel> {
        self.client.clone()
    }

    pub(super) const fn origin(&self) -> Origin {
        self.origin
    }
}

const fn delivery(kind: Kind) -> pb::Delivery {
    match kind {
        Kind::Durable => pb::Delivery::Durable,
        Kind::Ephemeral => pb::Delivery::Ephemeral,
    }
}

fn content(stamp: u64) -> pb::Content {
    pb::Content {
        r#type: "order.shipped".to_owned(),
        title: "Your order is on its way".to_owned(),
        message: MESSAGE.to_owned(),
        data: format!("{{\"sent_us\":{stamp}}}"),
    }
}
