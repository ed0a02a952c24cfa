//! The inventory service.

use tradepost_proto::inventory::v1 as pb;
use tradepost_proto::inventory::v1::inventory_service_client::InventoryServiceClient;

use super::calls::{Calls, Repeat};
use super::refusal::Refusal;

/// The catalogue and its stock.
pub struct Inventory {
    pub(super) calls: Calls,
}

impl Inventory {
    /// Creates or replaces a catalogue entry.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn put_item(
        &self,
        request: pb::PutItemRequest,
    ) -> Result<pb::PutItemResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                InventoryServiceClient::new(channel).put_item(request).await
            })
            .await
    }

    /// Reads one item.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn get_item(
        &self,
        request: pb::GetItemRequest,
    ) -> Result<pb::GetItemResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                InventoryServiceClient::new(channel).get_item(request).await
            })
            .await
    }

    /// Reads a page of items.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn list_items(
        &self,
        request: pb::ListItemsRequest,
    ) -> Result<pb::ListItemsResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                InventoryServiceClient::new(channel)
                    .list_items(request)
                    .await
            })
            .await
    }

    /// Records a change of stock.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn record_movement(
        &self,
        request: pb::RecordStockMovementRequest,
    ) -> Result<pb::RecordStockMovementResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                InventoryServiceClient::new(channel)
                    .record_stock_movement(request)
                    .await
            })
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
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                InventoryServiceClient::new(channel)
                    .list_stock_movements(request)
                    .await
            })
            .await
    }
}
