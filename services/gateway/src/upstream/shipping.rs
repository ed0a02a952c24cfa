//! The shipping service.

use tradepost_proto::shipping::v1 as pb;
use tradepost_proto::shipping::v1::shipping_service_client::ShippingServiceClient;

use super::Spoken;
use super::calls::Calls;
use super::refusal::Refusal;

/// Shipments. Cheap to clone.
#[derive(Clone)]
pub struct Shipping {
    client: ShippingServiceClient<Spoken>,
    calls: Calls,
}

impl Shipping {
    pub(super) fn new(channel: Spoken, calls: Calls) -> Self {
        Self {
            client: ShippingServiceClient::new(channel),
            calls,
        }
    }

    /// Reads one shipment with its tracking events.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn get(
        &self,
        request: pb::GetShipmentRequest,
    ) -> Result<pb::GetShipmentResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.get_shipment(request)).await
    }
}
