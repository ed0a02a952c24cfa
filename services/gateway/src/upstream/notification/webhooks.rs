//! Where a tenant's own systems are told what its people are told.

use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::webhook_service_client::WebhookServiceClient;

use super::Notifications;
use crate::upstream::calls::Repeat;
use crate::upstream::refusal::Refusal;

impl Notifications {
    /// Makes an endpoint.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn create_endpoint(
        &self,
        request: pb::CreateEndpointRequest,
    ) -> Result<pb::CreateEndpointResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .create_endpoint(request)
                    .await
            })
            .await
    }

    /// Reads all endpoints.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn list_endpoints(&self) -> Result<pb::ListEndpointsResponse, Refusal> {
        let request = pb::ListEndpointsRequest {};
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .list_endpoints(request)
                    .await
            })
            .await
    }

    /// Reads an endpoint.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn endpoint(
        &self,
        request: pb::GetEndpointRequest,
    ) -> Result<pb::GetEndpointResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .get_endpoint(request)
                    .await
            })
            .await
    }

    /// Changes an endpoint; the same twice is the same once.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn update_endpoint(
        &self,
        request: pb::UpdateEndpointRequest,
    ) -> Result<pb::UpdateEndpointResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .update_endpoint(request)
                    .await
            })
            .await
    }

    /// Ends an endpoint; one that is not there stays so.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn delete_endpoint(
        &self,
        request: pb::DeleteEndpointRequest,
    ) -> Result<pb::DeleteEndpointResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .delete_endpoint(request)
                    .await
            })
            .await
    }

    /// Gives an endpoint another secret.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn rotate_secret(
        &self,
        request: pb::RotateSecretRequest,
    ) -> Result<pb::RotateSecretResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .rotate_secret(request)
                    .await
            })
            .await
    }

    /// Reads a page of what was and is to be sent to an endpoint.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn deliveries(
        &self,
        request: pb::ListDeliveriesRequest,
    ) -> Result<pb::ListDeliveriesResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .list_deliveries(request)
                    .await
            })
            .await
    }

    /// Sends a delivery again.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn resend_delivery(
        &self,
        request: pb::ResendDeliveryRequest,
    ) -> Result<pb::ResendDeliveryResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .resend_delivery(request)
                    .await
            })
            .await
    }

    /// Sends an endpoint a test message.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn test_endpoint(
        &self,
        request: pb::TestEndpointRequest,
    ) -> Result<pb::TestEndpointResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                WebhookServiceClient::new(channel)
                    .test_endpoint(request)
                    .await
            })
            .await
    }
}
