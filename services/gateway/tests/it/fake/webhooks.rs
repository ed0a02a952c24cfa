//! The webhooks of the notification service: every RPC, answered with a sample.

use tonic::Request;
use tradepost_proto::notification::v1 as ntf;
use tradepost_proto::notification::v1::webhook_service_server::WebhookService;

use super::services::{Answer, NEXT};
use super::{Fake, samples};

pub(crate) const ENDPOINT_ID: &str = "whe_01h455vb4pex5vsknk084sn02q";

/// What no log and no trail may have.
pub(crate) const SECRET: &str = "whsec_Y2FuYXJ5LXNlY3JldA==";

fn endpoint() -> ntf::Endpoint {
    ntf::Endpoint {
        endpoint_id: ENDPOINT_ID.to_owned(),
        url: "https://shop.example/hooks".to_owned(),
        types: vec!["order.*".to_owned()],
        description: "The till".to_owned(),
        state: ntf::EndpointState::Enabled.into(),
        create_time: samples::at(0),
        ..ntf::Endpoint::default()
    }
}

/// One that everything has gone wrong with.
fn disabled() -> ntf::Endpoint {
    ntf::Endpoint {
        state: ntf::EndpointState::Disabled.into(),
        disabled_reason: ntf::DisabledReason::Failing.into(),
        disable_time: samples::at(60),
        failing_since_time: samples::at(0),
        previous_secret_expire_time: samples::at(120),
        ..endpoint()
    }
}

fn delivery() -> ntf::WebhookDelivery {
    ntf::WebhookDelivery {
        delivery_id: "whd_01h455vb4pex5vsknk084sn02q".to_owned(),
        endpoint_id: ENDPOINT_ID.to_owned(),
        webhook_id: samples::NOTIFICATION_ID.to_owned(),
        r#type: "order.confirmed".to_owned(),
        state: ntf::DeliveryState::Pending.into(),
        next_attempt_time: samples::at(60),
        create_time: samples::at(0),
        ..ntf::WebhookDelivery::default()
    }
}

/// One that was tried to the end.
fn failed() -> ntf::WebhookDelivery {
    ntf::WebhookDelivery {
        state: ntf::DeliveryState::Failed.into(),
        attempts: 10,
        next_attempt_time: None,
        last_attempt_time: samples::at(60),
        last_status: 503,
        last_error: "status".to_owned(),
        ..delivery()
    }
}

#[tonic::async_trait]
impl WebhookService for Fake {
    /// An old request is told no secret: it has been rotated since.
    async fn create_endpoint(
        &self,
        request: Request<ntf::CreateEndpointRequest>,
    ) -> Answer<ntf::CreateEndpointResponse> {
        let secret = match *self.old.lock().unwrap() {
            true => "",
            false => SECRET,
        };
        let sample = || ntf::CreateEndpointResponse {
            endpoint: Some(endpoint()),
            secret: secret.to_owned(),
        };
        self.answer(request, sample).await
    }

    async fn list_endpoints(
        &self,
        request: Request<ntf::ListEndpointsRequest>,
    ) -> Answer<ntf::ListEndpointsResponse> {
        let sample = || ntf::ListEndpointsResponse {
            endpoints: vec![endpoint(), disabled()],
        };
        self.answer(request, sample).await
    }

    async fn get_endpoint(
        &self,
        request: Request<ntf::GetEndpointRequest>,
    ) -> Answer<ntf::GetEndpointResponse> {
        let endpoint = Some(endpoint());
        self.answer(request, || ntf::GetEndpointResponse { endpoint })
            .await
    }

    async fn update_endpoint(
        &self,
        request: Request<ntf::UpdateEndpointRequest>,
    ) -> Answer<ntf::UpdateEndpointResponse> {
        let endpoint = Some(endpoint());
        self.answer(request, || ntf::UpdateEndpointResponse { endpoint })
            .await
    }

    async fn delete_endpoint(
        &self,
        request: Request<ntf::DeleteEndpointRequest>,
    ) -> Answer<ntf::DeleteEndpointResponse> {
        self.answer(request, || ntf::DeleteEndpointResponse {})
            .await
    }

    async fn rotate_secret(
        &self,
        request: Request<ntf::RotateSecretRequest>,
    ) -> Answer<ntf::RotateSecretResponse> {
        let sample = || ntf::RotateSecretResponse {
            endpoint: Some(endpoint()),
            secret: SECRET.to_owned(),
        };
        self.answer(request, sample).await
    }

    async fn list_deliveries(
        &self,
        request: Request<ntf::ListDeliveriesRequest>,
    ) -> Answer<ntf::ListDeliveriesResponse> {
        let sample = || ntf::ListDeliveriesResponse {
            deliveries: vec![delivery(), failed()],
            next_page_token: NEXT.to_owned(),
        };
        self.answer(request, sample).await
    }

    async fn resend_delivery(
        &self,
        request: Request<ntf::ResendDeliveryRequest>,
    ) -> Answer<ntf::ResendDeliveryResponse> {
        let delivery = Some(delivery());
        self.answer(request, || ntf::ResendDeliveryResponse { delivery })
            .await
    }

    async fn test_endpoint(
        &self,
        request: Request<ntf::TestEndpointRequest>,
    ) -> Answer<ntf::TestEndpointResponse> {
        let delivery = Some(delivery());
        self.answer(request, || ntf::TestEndpointResponse { delivery })
            .await
    }
}
