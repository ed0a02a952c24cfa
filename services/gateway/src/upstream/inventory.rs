//! The inventory service.

use tradepost_proto::inventory::v1 as pb;
use tradepost_proto::inventory::v1::inventory_service_client::InventoryServiceClient;

use super::Spoken;
use super::calls::Calls;
use super::refusal::Refusal;

/// The catalogue and its stock. Cheap to clone.
#[derive(Clone)]
pub struct Inventory {
    client: InventoryServiceClient<Spoken>,
    calls: Calls,
}

impl Inventory {
    pub(super) fn new(channel: Spoken, calls: Calls) -> Self {
        Self {
            client: InventoryServiceClient::new(channel),
            calls,
        }
    }

    /// Creates or replaces a catalogue entry.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn put_item(
        &self,
        request: pb::PutItemRequest,
    ) -> Result<pb::PutItemResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.put_item(request)).await
    }

    /// Reads one item.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn get_item(
        &self,
        request: pb::GetItemRequest,
    ) -> Result<pb::GetItemResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.get_item(request)).await
    }

    /// Reads a page of items.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn list_items(
        &self,
        request: pb::ListItemsRequest,
    ) -> Result<pb::ListItemsResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.list_items(request)).await
    }

    /// Records a change of stock.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn record_movement(
        &self,
        request: pb::RecordStockMovementRequest,
    ) -> Result<pb::RecordStockMovementResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls
            .answer(client.record_stock_movement(request))
            .await
    }

    /// Reads a page of an item's movements.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn list_movements(
        &self,
        request: pb::ListStockMovementsRequest,
    ) -> Result<pb::ListStockMovementsResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls
            .answer(client.list_stock_movements(request))
            .await
    }
}
