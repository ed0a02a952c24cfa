//! The four services, each RPC that the gateway uses.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tokio_stream::wrappers::WatchStream;
use tonic::{Request, Response, Status};
use tradepost_proto::inventory::v1 as inv;
use tradepost_proto::order::v1 as ord;
use tradepost_proto::payment::v1 as pay;
use tradepost_proto::shipping::v1 as shp;

use super::{Fake, samples};

pub(super) type Answer<T> = Result<Response<T>, Status>;
type Watching = Pin<Box<dyn Stream<Item = Result<ord::WatchOrderResponse, Status>> + Send>>;

/// As lists end: with a page, after which there is another.
pub(super) const NEXT: &str = "next";

#[tonic::async_trait]
impl ord::order_service_server::OrderService for Fake {
    type WatchOrderStream = Watching;

    async fn place_order(
        &self,
        request: Request<ord::PlaceOrderRequest>,
    ) -> Answer<ord::PlaceOrderResponse> {
        let replayed = *self.old.lock().unwrap();
        let state = *self.state.borrow();
        let order = Some(samples::order(state));
        let sample = || ord::PlaceOrderResponse { order, replayed };
        self.answer(request, sample).await
    }

    async fn get_order(
        &self,
        request: Request<ord::GetOrderRequest>,
    ) -> Answer<ord::GetOrderResponse> {
        self.find(&request, &request.get_ref().order_id)?;
        let order = Some(samples::order(ord::OrderState::Confirmed));
        self.answer(request, || ord::GetOrderResponse { order })
            .await
    }

    async fn list_orders(
        &self,
        request: Request<ord::ListOrdersRequest>,
    ) -> Answer<ord::ListOrdersResponse> {
        let mut order = samples::order(ord::OrderState::NeedsAttention);
        order.lines.clear();
        let sample = || ord::ListOrdersResponse {
            orders: vec![order],
            next_page_token: NEXT.to_owned(),
        };
        self.answer(request, sample).await
    }

    async fn cancel_order(
        &self,
        request: Request<ord::CancelOrderRequest>,
    ) -> Answer<ord::CancelOrderResponse> {
        self.find(&request, &request.get_ref().order_id)?;
        let order = Some(samples::order(ord::OrderState::Cancelling));
        self.answer(request, || ord::CancelOrderResponse { order })
            .await
    }

    async fn watch_order(&self, request: Request<ord::WatchOrderRequest>) -> Answer<Watching> {
        self.note(request);
        {
            let mut broken = self.broken_watches.lock().unwrap();
            if *broken > 0 {
                *broken -= 1;
                return Err(Status::unavailable("not now"));
            }
        }
        let seen = WatchStream::new(self.state.subscribe()).map(|state| {
            let mut order = samples::order(state);
            order.lines.clear();
            order.version += 1;
            Ok(ord::WatchOrderResponse { order: Some(order) })
        });
        Ok(Response::new(Box::pin(seen)))
    }

    async fn get_order_timeline(
        &self,
        request: Request<ord::GetOrderTimelineRequest>,
    ) -> Answer<ord::GetOrderTimelineResponse> {
        self.find(&request, &request.get_ref().order_id)?;
        let sample = || ord::GetOrderTimelineResponse {
            events: vec![samples::timeline_event()],
            waiting: Some(samples::waiting()),
        };
        self.answer(request, sample).await
    }

    async fn list_stuck_orders(
        &self,
        _: Request<ord::ListStuckOrdersRequest>,
    ) -> Answer<ord::ListStuckOrdersResponse> {
        Err(Status::unimplemented("list_stuck_orders"))
    }

    async fn retry_stuck_order(
        &self,
        _: Request<ord::RetryStuckOrderRequest>,
    ) -> Answer<ord::RetryStuckOrderResponse> {
        Err(Status::unimplemented("retry_stuck_order"))
    }

    async fn skip_stuck_step(
        &self,
        _: Request<ord::SkipStuckStepRequest>,
    ) -> Answer<ord::SkipStuckStepResponse> {
        Err(Status::unimplemented("skip_stuck_step"))
    }

    async fn abandon_stuck_order(
        &self,
        _: Request<ord::AbandonStuckOrderRequest>,
    ) -> Answer<ord::AbandonStuckOrderResponse> {
        Err(Status::unimplemented("abandon_stuck_order"))
    }
}

#[tonic::async_trait]
impl inv::inventory_service_server::InventoryService for Fake {
    async fn put_item(
        &self,
        request: Request<inv::PutItemRequest>,
    ) -> Answer<inv::PutItemResponse> {
        let created = !*self.old.lock().unwrap();
        let item = Some(samples::item());
        self.answer(request, || inv::PutItemResponse { item, created })
            .await
    }

    async fn get_item(
        &self,
        request: Request<inv::GetItemRequest>,
    ) -> Answer<inv::GetItemResponse> {
        let item = Some(samples::item());
        self.answer(request, || inv::GetItemResponse { item }).await
    }

    async fn list_items(
        &self,
        request: Request<inv::ListItemsRequest>,
    ) -> Answer<inv::ListItemsResponse> {
        let sample = || inv::ListItemsResponse {
            items: vec![samples::item()],
            next_page_token: String::new(),
        };
        self.answer(request, sample).await
    }

    async fn record_stock_movement(
        &self,
        request: Request<inv::RecordStockMovementRequest>,
    ) -> Answer<inv::RecordStockMovementResponse> {
        let sample = || inv::RecordStockMovementResponse {
            movement: Some(samples::movement()),
            stock: Some(samples::stock()),
        };
        self.answer(request, sample).await
    }

    async fn list_stock_movements(
        &self,
        request: Request<inv::ListStockMovementsRequest>,
    ) -> Answer<inv::ListStockMovementsResponse> {
        let sample = || inv::ListStockMovementsResponse {
            movements: vec![samples::movement()],
            next_page_token: NEXT.to_owned(),
        };
        self.answer(request, sample).await
    }

    async fn batch_get_items(
        &self,
        _: Request<inv::BatchGetItemsRequest>,
    ) -> Answer<inv::BatchGetItemsResponse> {
        Err(Status::unimplemented("batch_get_items"))
    }

    async fn get_reservation(
        &self,
        _: Request<inv::GetReservationRequest>,
    ) -> Answer<inv::GetReservationResponse> {
        Err(Status::unimplemented("get_reservation"))
    }
}

#[tonic::async_trait]
impl pay::payment_service_server::PaymentService for Fake {
    async fn get_payment(
        &self,
        request: Request<pay::GetPaymentRequest>,
    ) -> Answer<pay::GetPaymentResponse> {
        let payment = Some(samples::payment());
        self.answer(request, || pay::GetPaymentResponse { payment })
            .await
    }

    async fn create_refund(
        &self,
        request: Request<pay::CreateRefundRequest>,
    ) -> Answer<pay::CreateRefundResponse> {
        let refund = Some(samples::refund());
        self.answer(request, || pay::CreateRefundResponse { refund })
            .await
    }

    async fn handle_provider_webhook(
        &self,
        request: Request<pay::HandleProviderWebhookRequest>,
    ) -> Answer<pay::HandleProviderWebhookResponse> {
        let sample = || pay::HandleProviderWebhookResponse { duplicate: false };
        self.answer(request, sample).await
    }

    async fn list_ledger_entries(
        &self,
        _: Request<pay::ListLedgerEntriesRequest>,
    ) -> Answer<pay::ListLedgerEntriesResponse> {
        Err(Status::unimplemented("list_ledger_entries"))
    }

    async fn get_balances(
        &self,
        _: Request<pay::GetBalancesRequest>,
    ) -> Answer<pay::GetBalancesResponse> {
        Err(Status::unimplemented("get_balances"))
    }
}

#[tonic::async_trait]
impl shp::shipping_service_server::ShippingService for Fake {
    async fn get_shipment(
        &self,
        request: Request<shp::GetShipmentRequest>,
    ) -> Answer<shp::GetShipmentResponse> {
        let shipment = Some(samples::shipment());
        self.answer(request, || shp::GetShipmentResponse { shipment })
            .await
    }

    async fn list_rates(
        &self,
        _: Request<shp::ListRatesRequest>,
    ) -> Answer<shp::ListRatesResponse> {
        Err(Status::unimplemented("list_rates"))
    }

    async fn record_tracking_event(
        &self,
        _: Request<shp::RecordTrackingEventRequest>,
    ) -> Answer<shp::RecordTrackingEventResponse> {
        Err(Status::unimplemented("record_tracking_event"))
    }
}
