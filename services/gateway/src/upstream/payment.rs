//! The payment service.

use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_client::PaymentServiceClient;

use super::Spoken;
use super::calls::Calls;
use super::refusal::Refusal;

/// Payments and refunds. Cheap to clone.
#[derive(Clone)]
pub struct Payments {
    client: PaymentServiceClient<Spoken>,
    calls: Calls,
}

impl Payments {
    pub(super) fn new(channel: Spoken, calls: Calls) -> Self {
        Self {
            client: PaymentServiceClient::new(channel),
            calls,
        }
    }

    /// Reads one payment with its refunds.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn get(
        &self,
        request: pb::GetPaymentRequest,
    ) -> Result<pb::GetPaymentResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.get_payment(request)).await
    }

    /// Gives money back.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn refund(
        &self,
        request: pb::CreateRefundRequest,
    ) -> Result<pb::CreateRefundResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.create_refund(request)).await
    }

    /// Hands a webhook of the card provider on, as it came.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn webhook(
        &self,
        request: pb::HandleProviderWebhookRequest,
    ) -> Result<pb::HandleProviderWebhookResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls
            .answer(client.handle_provider_webhook(request))
            .await
    }
}
