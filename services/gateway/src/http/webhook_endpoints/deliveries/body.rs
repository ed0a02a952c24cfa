//! Deliveries as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::notification::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::http::problem::Problem;
use crate::http::values::{Time, instant, maybe_instant, mirrored, text};

mirrored! {
    /// What has become of a delivery.
    WebhookDeliveryState of pb::DeliveryState {
        /// It is sent, or sent again, when it is due.
        Pending,
        /// The endpoint took it.
        Delivered,
        /// It is not tried any more.
        Failed,
    }
}

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliveryFilter {
    /// Only deliveries in this state.
    #[param(inline, nullable = false, example = "FAILED")]
    state: Option<WebhookDeliveryState>,
    /// Deliveries a page: 0 or none = 50, at most 500.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl DeliveryFilter {
    pub(super) fn into_request(self, endpoint_id: String) -> pb::ListDeliveriesRequest {
        let state = self.state.map(pb::DeliveryState::from);
        pb::ListDeliveriesRequest {
            endpoint_id,
            state: state.unwrap_or_default().into(),
            page_size: self.page_size,
            page_token: self.page_token,
        }
    }
}

/// One message for one endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookDelivery {
    /// Its id.
    #[schema(example = "whd_01h455vb4pex5vsknk084sn02q")]
    delivery_id: String,
    /// Whose.
    #[schema(example = "whe_01h455vb4pex5vsknk084sn02q")]
    endpoint_id: String,
    /// What the header `webhook-id` says, in every attempt: the notification's id.
    #[schema(example = "ntf_01h455vb4pex5vsknk084sn02q")]
    webhook_id: String,
    /// The type of what was told.
    #[serde(rename = "type")]
    #[schema(example = "order.confirmed")]
    kind: String,
    /// What has become of it.
    state: WebhookDeliveryState,
    /// Attempts so far, of ten.
    #[schema(example = 1)]
    attempts: i32,
    /// When it is tried next, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_attempt_time: Option<Time>,
    /// When it was tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_attempt_time: Option<Time>,
    /// The HTTP status of the last answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 503)]
    last_status: Option<i32>,
    /// Why the last attempt failed: `status`, `timeout`, `connect`, `tls`, `resolve`,
    /// `forbidden_address`, `invalid_url` or `broken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "status")]
    last_error: Option<String>,
    /// When it was made.
    create_time: Time,
}

impl TryFrom<pb::WebhookDelivery> for WebhookDelivery {
    type Error = Problem;

    fn try_from(delivery: pb::WebhookDelivery) -> Result<Self, Problem> {
        let status = delivery.last_status;
        Ok(Self {
            delivery_id: delivery.delivery_id,
            endpoint_id: delivery.endpoint_id,
            webhook_id: delivery.webhook_id,
            kind: delivery.r#type,
            state: WebhookDeliveryState::of(delivery.state),
            attempts: delivery.attempts,
            next_attempt_time: maybe_instant(delivery.next_attempt_time)?,
            last_attempt_time: maybe_instant(delivery.last_attempt_time)?,
            last_status: (status != 0).then_some(status),
            last_error: text(delivery.last_error),
            create_time: instant(delivery.create_time)?,
        })
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookDeliveryPage {
    /// The newest first.
    deliveries: Vec<WebhookDelivery>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::ListDeliveriesResponse> for WebhookDeliveryPage {
    type Error = Problem;

    fn try_from(page: pb::ListDeliveriesResponse) -> Result<Self, Problem> {
        let deliveries = page.deliveries.into_iter().map(WebhookDelivery::try_from);
        Ok(Self {
            deliveries: deliveries.collect::<Result<_, Problem>>()?,
            next_page_token: text(page.next_page_token),
        })
    }
}
