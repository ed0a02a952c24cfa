//! The order service.

use tonic::Streaming;
use tradepost_proto::order::v1 as pb;
use tradepost_proto::order::v1::order_service_client::OrderServiceClient;

use super::calls::{Calls, Repeat};
use super::refusal::Refusal;

/// Orders and their saga.
pub struct Orders {
    pub(super) calls: Calls,
}

impl Orders {
    /// Places an order.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn place(
        &self,
        request: pb::PlaceOrderRequest,
    ) -> Result<pb::PlaceOrderResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                OrderServiceClient::new(channel).place_order(request).await
            })
            .await
    }

    /// Reads one order.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn get(&self, request: pb::GetOrderRequest) -> Result<pb::GetOrderResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                OrderServiceClient::new(channel).get_order(request).await
            })
            .await
    }

    /// Reads a page of orders, without their lines.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn list(
        &self,
        request: pb::ListOrdersRequest,
    ) -> Result<pb::ListOrdersResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                OrderServiceClient::new(channel).list_orders(request).await
            })
            .await
    }

    /// Asks for an order to be cancelled.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn cancel(
        &self,
        request: pb::CancelOrderRequest,
    ) -> Result<pb::CancelOrderResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                OrderServiceClient::new(channel).cancel_order(request).await
            })
            .await
    }

    /// Reads what happened to an order.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn timeline(
        &self,
        request: pb::GetOrderTimelineRequest,
    ) -> Result<pb::GetOrderTimelineResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                OrderServiceClient::new(channel)
                    .get_order_timeline(request)
                    .await
            })
            .await
    }

    /// Watches one order: now and after every change. The deadline holds until the service takes
    /// the watch, not for how long it lasts.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn watch(&self, order_id: &str) -> Result<Watch, Refusal> {
        let request = pb::WatchOrderRequest {
            order_id: order_id.to_owned(),
        };
        // Whoever watches tries again by themselves.
        let stream = self
            .calls
            .answer(Repeat::Never, request, |channel, request| async move {
                OrderServiceClient::new(channel).watch_order(request).await
            })
            .await?;
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
