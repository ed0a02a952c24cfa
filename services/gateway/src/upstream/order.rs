//! The order service.

use tonic::Streaming;
use tradepost_proto::order::v1 as pb;
use tradepost_proto::order::v1::order_service_client::OrderServiceClient;

use super::Spoken;
use super::calls::Calls;
use super::refusal::Refusal;

/// Orders and their saga. Cheap to clone.
#[derive(Clone)]
pub struct Orders {
    client: OrderServiceClient<Spoken>,
    calls: Calls,
}

impl Orders {
    pub(super) fn new(channel: Spoken, calls: Calls) -> Self {
        Self {
            client: OrderServiceClient::new(channel),
            calls,
        }
    }

    /// Places an order.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn place(
        &self,
        request: pb::PlaceOrderRequest,
    ) -> Result<pb::PlaceOrderResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.place_order(request)).await
    }

    /// Reads one order.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn get(&self, request: pb::GetOrderRequest) -> Result<pb::GetOrderResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.get_order(request)).await
    }

    /// Reads a page of orders, without their lines.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn list(
        &self,
        request: pb::ListOrdersRequest,
    ) -> Result<pb::ListOrdersResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.list_orders(request)).await
    }

    /// Asks for an order to be cancelled.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn cancel(
        &self,
        request: pb::CancelOrderRequest,
    ) -> Result<pb::CancelOrderResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.cancel_order(request)).await
    }

    /// Reads what happened to an order.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn timeline(
        &self,
        request: pb::GetOrderTimelineRequest,
    ) -> Result<pb::GetOrderTimelineResponse, Refusal> {
        let mut client = self.client.clone();
        self.calls.answer(client.get_order_timeline(request)).await
    }

    /// Watches one order: now and after every change. The deadline holds until the service takes
    /// the watch, not for how long it lasts.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn watch(&self, order_id: &str) -> Result<Watch, Refusal> {
        let mut client = self.client.clone();
        let request = pb::WatchOrderRequest {
            order_id: order_id.to_owned(),
        };
        let stream = self.calls.answer(client.watch_order(request)).await?;
        Ok(Watch {
            stream,
            calls: self.calls.clone(),
        })
    }
}

/// A watch of one order.
pub struct Watch {
    stream: Streaming<pb::WatchOrderResponse>,
    calls: Calls,
}

impl Watch {
    /// The order now, then after each change, without its lines; `None` when the service ends the
    /// watch.
    ///
    /// # Errors
    /// That the watch broke.
    pub async fn next(&mut self) -> Result<Option<pb::Order>, Refusal> {
        match self.stream.message().await {
            Ok(seen) => Ok(seen.and_then(|seen| seen.order)),
            Err(status) => Err(self.calls.refusal(&status)),
        }
    }
}
