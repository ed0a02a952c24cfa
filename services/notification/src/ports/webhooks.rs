//! Outgoing webhooks: what is stored of them, and how they go out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::GroupName;
use tradepost_postgres::DbError;
use tradepost_types::{NotificationId, TenantId, WebhookDeliveryId, WebhookEndpointId};
use url::Url;

use super::channels::Channel;
use super::store::RequestKey;
use crate::domain::webhook::{EndpointUrl, Pattern, SigningSecret, Verdict};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The tenant has no such endpoint.
    #[error("there is no such endpoint")]
    NoEndpoint,
    /// The tenant has no such delivery.
    #[error("there is no such delivery")]
    NoDelivery,
    /// The tenant has as many endpoints as one may have.
    #[error("the tenant has too many endpoints")]
    TooMany,
    /// The endpoint is sent nothing.
    #[error("the endpoint is disabled")]
    Disabled,
    /// The secret before the last rotation still signs.
    #[error("the secret before signs until {until}")]
    Rotating {
        /// Until when.
        until: OffsetDateTime,
    },
    /// The request id came with another request before.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DbError),
}

/// Why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisabledReason {
    /// Somebody wanted it.
    Asked,
    /// It answered that it is gone.
    Gone,
    /// For days nothing could be delivered.
    Failing,
}

/// Whether an endpoint is sent anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Enabled,
    /// It is not.
    Disabled {
        /// Why.
        reason: DisabledReason,
        /// Since when.
        since: OffsetDateTime,
    },
}

/// An endpoint, without what it is signed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Which.
    pub id: WebhookEndpointId,
    /// Where. It was good when it was stored; the rules may have changed since.
    pub url: String,
    /// What it wants.
    pub types: Vec<Pattern>,
    /// For people.
    pub description: String,
    /// Whether it is sent anything.
    pub standing: Standing,
    /// Since when every attempt has failed.
    pub failing_since: Option<OffsetDateTime>,
    /// Until when the secret before this one signs too.
    pub previous_until: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// An endpoint to be made.
#[derive(Debug, Clone)]
pub struct NewEndpoint {
    /// Which.
    pub id: WebhookEndpointId,
    /// Where.
    pub url: EndpointUrl,
    /// What it wants.
    pub types: Vec<Pattern>,
    /// For people.
    pub description: String,
    /// What it is signed with.
    pub secret: SigningSecret,
}

/// What is changed of an endpoint; none: it stays.
#[derive(Debug, Clone, Default)]
pub struct EndpointEdit {
    /// Where.
    pub url: Option<EndpointUrl>,
    /// What it wants.
    pub types: Option<Vec<Pattern>>,
    /// For people.
    pub description: Option<String>,
    /// Whether it is sent anything.
    pub wish: Option<Wish>,
}

/// Whether an endpoint is to be sent anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It is.
    Enable,
    /// It is not.
    Disable,
}

/// What a rotation does with the secret so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Previous {
    /// It signs too for a day.
    Signs,
    /// It signs no more, nor does any before it.
    Ends,
}

/// What has become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is or will be due.
    Pending,
    /// The endpoint took it.
    Delivered,
    /// It is not tried any more.
    Failed,
}

/// One message for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which.
    pub id: WebhookDeliveryId,
    /// To whom.
    pub endpoint: WebhookEndpointId,
    /// Of what.
    pub notification: NotificationId,
    /// Of which type.
    pub kind: String,
    /// What has become of it.
    pub state: DeliveryState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is due.
    pub next_attempt_at: OffsetDateTime,
    /// When it was tried last.
    pub last_attempt_at: Option<OffsetDateTime>,
    /// What the last answer's status was.
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Where a list of deliveries goes on: after the one of this time and id.
#[derive(Debug, Clone, Copy)]
pub struct ListedAfter {
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Which.
    pub id: WebhookDeliveryId,
}

/// What the tenant manages.
#[async_trait]
pub trait WebhookDesk: Send + Sync {
    /// Makes it. The answer has the secret, and so has that of a repetition while it is the same.
    ///
    /// # Errors
    /// [`HookError::TooMany`], [`HookError::RequestIdReused`], [`HookError::Database`].
    async fn create(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        endpoint: &NewEndpoint,
    ) -> Result<(Endpoint, Option<SigningSecret>), HookError>;

    /// All, the oldest first.
    ///
    /// # Errors
    /// [`HookError::Database`].
    async fn list(&self, tenant: TenantId) -> Result<Vec<Endpoint>, HookError>;

    /// One.
    ///
    /// # Errors
    /// [`HookError::NoEndpoint`], [`HookError::Database`].
    async fn load(&self, tenant: TenantId, id: WebhookEndpointId) -> Result<Endpoint, HookError>;

    /// Changes it. One that is enabled again begins with what is told from now on, and with what
    /// still waits for it.
    ///
    /// # Errors
    /// [`HookError::NoEndpoint`], [`HookError::Database`].
    async fn edit(
        &self,
        tenant: TenantId,
        id: WebhookEndpointId,
        edit: &EndpointEdit,
    ) -> Result<Endpoint, HookError>;

    /// Ends it, with its deliveries.
    ///
    /// # Errors
    /// [`HookError::Database`].
    async fn delete(&self, tenant: TenantId, id: WebhookEndpointId) -> Result<(), HookError>;

    /// Gives it another secret. While the one before signs too, it is given none but one that ends
    /// that. The answer is as of `create`.
    ///
    /// # Errors
    /// [`HookError::NoEndpoint`], [`HookError::Rotating`], [`HookError::RequestIdReused`],
    /// [`HookError::Database`].
    async fn rotate(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        id: WebhookEndpointId,
        (secret, previous): (&SigningSecret, Previous),
    ) -> Result<(Endpoint, Option<SigningSecret>), HookError>;

    /// Deliveries of an endpoint, the newest first, of one state or of all.
    ///
    /// # Errors
    /// [`HookError::NoEndpoint`], [`HookError::Database`].
    async fn deliveries(
        &self,
        tenant: TenantId,
        id: WebhookEndpointId,
        state: Option<DeliveryState>,
        (after, limit): (Option<ListedAfter>, i64),
    ) -> Result<Vec<Delivery>, HookError>;

    /// Makes a delivery due, as if it had never been tried.
    ///
    /// # Errors
    /// [`HookError::NoDelivery`], [`HookError::Disabled`], [`HookError::RequestIdReused`],
    /// [`HookError::Database`].
    async fn resend(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        id: WebhookDeliveryId,
    ) -> Result<Delivery, HookError>;

    /// Makes a delivery of this content for the endpoint, whatever it wants.
    ///
    /// # Errors
    /// [`HookError::NoEndpoint`], [`HookError::Disabled`], [`HookError::RequestIdReused`],
    /// [`HookError::Database`].
    async fn test(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        id: WebhookEndpointId,
        content: &Content,
    ) -> Result<Delivery, HookError>;
}

/// As its users hold it.
pub type Endpoints = Arc<dyn WebhookDesk>;

/// A notification, as endpoints are told of it.
#[derive(Debug, Clone)]
pub struct Told {
    /// Which.
    pub id: NotificationId,
    /// When.
    pub at: OffsetDateTime,
    /// Who of the users, the first of them in the order of their ids.
    pub users: Vec<String>,
    /// How many users.
    pub users_count: u64,
    /// The group, if one was told.
    pub group: Option<GroupName>,
    /// What.
    pub content: Content,
}

/// Webhooks, as a channel.
#[derive(Debug, Clone, Copy)]
pub struct Webhooks;

impl Channel for Webhooks {
    const NAME: &'static str = "webhooks";
    const SENT: &'static str = "notification.webhook_sent";
    type Leased = Leased;
    type Noted = Noted;
    /// Why the endpoint was disabled by it, if it was.
    type Effect = Option<DisabledReason>;
}

/// A delivery that is due, on lease to whoever took it.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub id: WebhookDeliveryId,
    /// To whom.
    pub endpoint: WebhookEndpointId,
    /// What the message is called.
    pub notification: NotificationId,
    /// The number of the lease.
    pub lease: i32,
    /// Attempts before this one.
    pub attempts: u32,
    /// Where.
    pub url: String,
    /// What it is signed with, the newest first.
    pub secrets: Vec<SigningSecret>,
    /// What is sent.
    pub body: String,
}

/// What came of an attempt, to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// What is to be done next.
    pub verdict: Verdict,
    /// How it was answered.
    pub answer: Answer,
}

/// A request to make.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Where.
    pub url: &'a Url,
    /// The header `webhook-id`.
    pub id: String,
    /// The header `webhook-timestamp`, in seconds since 1970.
    pub timestamp: i64,
    /// The header `webhook-signature`.
    pub signature: String,
    /// What is sent.
    pub body: String,
}

/// Why there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It took too long.
    Timeout,
    /// Nobody took the connection.
    Connect,
    /// The certificate is not good, or TLS failed otherwise.
    Tls,
    /// The name stands for nothing.
    Resolve,
    /// The name stands for an address that is not on the public internet.
    ForbiddenAddress,
    /// The stored URL is against the rules of now.
    InvalidUrl,
    /// The connection broke, or what came was no HTTP.
    Broken,
}

impl Fault {
    /// As lists and metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Resolve => "resolve",
            Self::ForbiddenAddress => "forbidden_address",
            Self::InvalidUrl => "invalid_url",
            Self::Broken => "broken",
        }
    }
}

/// How an endpoint answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// With this.
    Status {
        /// The HTTP status.
        code: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Not at all.
    None(Fault),
}

/// Takes messages to endpoints.
#[async_trait]
pub trait Courier: Send + Sync {
    /// Makes the request once, in bounded time. It follows no redirect, and connects to no address
    /// that was not checked.
    async fn post(&self, call: Call<'_>) -> Answer;
}

/// As its users hold it.
pub type Couriers = Arc<dyn Courier>;
