//! The payment service.

use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_client::PaymentServiceClient;

use super::calls::{Calls, Repeat};
use super::refusal::Refusal;

/// Payments and refunds.
pub struct Payments {
    pub(super) calls: Calls,
}

impl Payments {
    /// Reads one payment with its refunds.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn get(
        &self,
        request: pb::GetPaymentRequest,
    ) -> Result<pb::GetPaymentResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                PaymentServiceClient::new(channel)
                    .get_payment(request)
                    .await
            })
            .await
    }

    /// Gives money back.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn refund(
        &self,
        request: pb::CreateRefundRequest,
    ) -> Result<pb::CreateRefundResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                PaymentServiceClient::new(channel)
                    .create_refund(request)
                    .await
            })
            .await
    }

    /// Hands a webhook of the card provider on, as it came. It carries no key of ours; the provider
    /// repeats it.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn webhook(
        &self,
        request: pb::HandleProviderWebhookRequest,
    ) -> Result<pb::HandleProviderWebhookResponse, Refusal> {
        self.calls
            .answer(Repeat::Never, request, |channel, request| async move {
                PaymentServiceClient::new(channel)
                    .handle_provider_webhook(request)
                    .await
            })
            .await
    }
}
