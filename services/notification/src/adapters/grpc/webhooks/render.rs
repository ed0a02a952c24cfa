//! From values to answers.

use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::notification::v1 as pb;

use crate::domain::webhook::SigningSecret;
use crate::ports::webhooks::{Delivery, DeliveryState, DisabledReason, Endpoint, Standing};

pub(super) fn endpoint(endpoint: Endpoint) -> pb::Endpoint {
    let types = endpoint.types.iter().map(ToString::to_string).collect();
    let (state, reason, since) = match endpoint.standing {
        Standing::Enabled => (
            pb::EndpointState::Enabled,
            pb::DisabledReason::Unspecified,
            None,
        ),
        Standing::Disabled { reason, since } => {
            (pb::EndpointState::Disabled, disabled(reason), Some(since))
        }
    };
    pb::Endpoint {
        endpoint_id: endpoint.id.to_string(),
        url: endpoint.url,
        types,
        description: endpoint.description,
        state: state.into(),
        disabled_reason: reason.into(),
        disable_time: since.map(timestamp_to_proto),
        failing_since_time: endpoint.failing_since.map(timestamp_to_proto),
        create_time: Some(timestamp_to_proto(endpoint.created_at)),
        previous_secret_expire_time: endpoint.previous_until.map(timestamp_to_proto),
    }
}

const fn disabled(reason: DisabledReason) -> pb::DisabledReason {
    match reason {
        DisabledReason::Asked => pb::DisabledReason::Asked,
        DisabledReason::Gone => pb::DisabledReason::Gone,
        DisabledReason::Failing => pb::DisabledReason::Failing,
    }
}

pub(super) fn secret(secret: Option<&SigningSecret>) -> String {
    secret
        .map(SigningSecret::expose)
        .unwrap_or_default()
        .to_owned()
}

pub(super) fn delivery(delivery: Delivery) -> pb::WebhookDelivery {
    let (state, next) = match delivery.state {
        DeliveryState::Pending => (
            pb::DeliveryState::Pending,
            Some(timestamp_to_proto(delivery.next_attempt_at)),
        ),
        DeliveryState::Delivered => (pb::DeliveryState::Delivered, None),
        DeliveryState::Failed => (pb::DeliveryState::Failed, None),
    };
    pb::WebhookDelivery {
        delivery_id: delivery.id.to_string(),
        endpoint_id: delivery.endpoint.to_string(),
        webhook_id: delivery.notification.to_string(),
        r#type: delivery.kind,
        state: state.into(),
        attempts: i32::try_from(delivery.attempts).unwrap_or(i32::MAX),
        next_attempt_time: next,
        last_attempt_time: delivery.last_attempt_at.map(timestamp_to_proto),
        last_status: delivery.last_status.map(i32::from).unwrap_or_default(),
        last_error: delivery.last_error.unwrap_or_default(),
        create_time: Some(timestamp_to_proto(delivery.created_at)),
    }
}
