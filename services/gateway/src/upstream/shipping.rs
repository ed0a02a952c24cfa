//! The shipping service.

use tradepost_proto::shipping::v1 as pb;
use tradepost_proto::shipping::v1::shipping_service_client::ShippingServiceClient;

use super::calls::{Calls, Repeat};
use super::refusal::Refusal;

/// Shipments.
pub struct Shipping {
    pub(super) calls: Calls,
}

impl Shipping {
    /// Reads one shipment with its tracking events.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn get(
        &self,
        request: pb::GetShipmentRequest,
    ) -> Result<pb::GetShipmentResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                ShippingServiceClient::new(channel)
                    .get_shipment(request)
                    .await
            })
            .await
    }
}
