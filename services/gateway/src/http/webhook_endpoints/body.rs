//! Webhook endpoints as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::notification::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::Problem;
use crate::http::values::{Time, instant, maybe_instant, mirrored, present, text};

/// How a secret is rotated.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Rotation {
    /// No secret before the new one signs any more: for one that somebody else knows.
    #[serde(default)]
    #[param(required = false)]
    pub(super) at_once: bool,
}

/// An endpoint to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhookEndpoint {
    /// Where to send: https, on the public internet, without user, password and fragment.
    #[schema(
        min_length = 1,
        max_length = 2048,
        example = "https://shop.example/hooks"
    )]
    url: String,
    /// Which types of notifications: `order.confirmed`, all of a family (`order.*`), or `*`.
    #[schema(min_items = 1, max_items = 32, example = json!(["order.*"]))]
    types: Vec<String>,
    /// For people.
    #[schema(nullable = false, max_length = 200, example = "The till")]
    description: Option<String>,
}

impl NewWebhookEndpoint {
    pub(super) fn into_request(self, request_id: String) -> pb::CreateEndpointRequest {
        pb::CreateEndpointRequest {
            request_id,
            url: self.url,
            types: self.types,
            description: self.description.unwrap_or_default(),
        }
    }
}

/// What is to be other about an endpoint. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookEndpointPatch {
    /// Where to send: https, on the public internet, without user, password and fragment.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 2048,
        example = "https://shop.example/hooks"
    )]
    url: Option<String>,
    /// Which types of notifications: `order.confirmed`, all of a family (`order.*`), or `*`.
    #[schema(nullable = false, min_items = 1, max_items = 32, example = json!(["order.*"]))]
    types: Option<Vec<String>>,
    /// For people.
    #[schema(nullable = false, max_length = 200, example = "The till")]
    description: Option<String>,
    /// Whether it is sent anything.
    #[schema(nullable = false, example = false)]
    enabled: Option<bool>,
}

impl WebhookEndpointPatch {
    /// # Errors
    /// No types at all: to the service that would be those it has.
    pub(super) fn into_request(
        self,
        endpoint_id: String,
    ) -> Result<pb::UpdateEndpointRequest, Problem> {
        if self.types.as_ref().is_some_and(Vec::is_empty) {
            let wanted = "must name at least one type, or \"*\"; left out, they stay";
            return Err(Problem::field("/types", wanted));
        }
        Ok(pb::UpdateEndpointRequest {
            endpoint_id,
            url: self.url,
            types: self.types.unwrap_or_default(),
            description: self.description,
            enabled: self.enabled,
        })
    }
}

mirrored! {
    /// Whether an endpoint is sent anything.
    WebhookEndpointState of pb::EndpointState {
        /// It is.
        Enabled,
        /// It is not; `disabled_reason` says why. What is told meanwhile is not sent later.
        Disabled,
    }
}

mirrored! {
    /// Why an endpoint is disabled.
    WebhookDisabledReason of pb::DisabledReason {
        /// Somebody wanted it.
        Asked,
        /// It answered 410 (Gone).
        Gone,
        /// For five days nothing could be delivered.
        Failing,
    }
}

/// An address that is told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookEndpoint {
    /// Its id.
    #[schema(example = "whe_01h455vb4pex5vsknk084sn02q")]
    endpoint_id: String,
    /// Where it is sent to.
    #[schema(example = "https://shop.example/hooks")]
    url: String,
    /// Which types of notifications, each once.
    #[schema(example = json!(["order.*"]))]
    types: Vec<String>,
    /// For people; may be empty.
    #[schema(example = "The till")]
    description: String,
    /// Whether it is sent anything.
    state: WebhookEndpointState,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    disabled_reason: Option<WebhookDisabledReason>,
    /// Since when not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    disable_time: Option<Time>,
    /// Since when every attempt has failed, if the last one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failing_since_time: Option<Time>,
    /// When it was made.
    create_time: Time,
    /// Until when the secret before the last rotation signs too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    previous_secret_expire_time: Option<Time>,
}

impl TryFrom<pb::Endpoint> for WebhookEndpoint {
    type Error = Problem;

    fn try_from(endpoint: pb::Endpoint) -> Result<Self, Problem> {
        let reason = endpoint.disabled_reason;
        Ok(Self {
            endpoint_id: endpoint.endpoint_id,
            url: endpoint.url,
            types: endpoint.types,
            description: endpoint.description,
            state: WebhookEndpointState::of(endpoint.state),
            disabled_reason: (reason != 0).then(|| WebhookDisabledReason::of(reason)),
            disable_time: maybe_instant(endpoint.disable_time)?,
            failing_since_time: maybe_instant(endpoint.failing_since_time)?,
            create_time: instant(endpoint.create_time)?,
            previous_secret_expire_time: maybe_instant(endpoint.previous_secret_expire_time)?,
        })
    }
}

/// The endpoints of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookEndpoints {
    /// The oldest first.
    endpoints: Vec<WebhookEndpoint>,
}

impl TryFrom<pb::ListEndpointsResponse> for WebhookEndpoints {
    type Error = Problem;

    fn try_from(all: pb::ListEndpointsResponse) -> Result<Self, Problem> {
        let endpoints = all.endpoints.into_iter().map(WebhookEndpoint::try_from);
        Ok(Self {
            endpoints: endpoints.collect::<Result<_, Problem>>()?,
        })
    }
}

/// An endpoint that was made or got a new secret. There is no `Debug`: nobody shows it by accident.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeWebhookEndpoint {
    /// The endpoint.
    endpoint: WebhookEndpoint,
    /// What signs: `whsec_` and base64. It is left out when an earlier request made the endpoint and
    /// the secret has been rotated since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
}

impl MadeWebhookEndpoint {
    /// # Errors
    /// A fault of ours, should there be no endpoint.
    pub(super) fn new(endpoint: Option<pb::Endpoint>, secret: String) -> Result<Self, Problem> {
        Ok(Self {
            endpoint: present(endpoint)?.try_into()?,
            secret: text(secret),
        })
    }
}
