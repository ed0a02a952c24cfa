//! Stuck orders and the operators' verbs.

use pb::OrderState as S;
use tradepost_proto::order::v1 as pb;
use tradepost_proto::shipping::event::v1 as se;
use tradepost_types::OrderId;

use crate::stage::{Stage, paid_by, reason, request};

fn retry(order: &str) -> pb::RetryStuckOrderRequest {
    pb::RetryStuckOrderRequest {
        request_id: OrderId::new().to_string(),
        order_id: order.to_owned(),
    }
}

fn skip(order: &str) -> pb::SkipStuckStepRequest {
    pb::SkipStuckStepRequest {
        request_id: OrderId::new().to_string(),
        order_id: order.to_owned(),
        reason: "done at the provider's desk".into(),
    }
}

fn abandon(order: &str) -> pb::AbandonStuckOrderRequest {
    pb::AbandonStuckOrderRequest {
        request_id: OrderId::new().to_string(),
        order_id: order.to_owned(),
        reason: "not worth it".into(),
    }
}

/// An order whose void fails for good.
async fn stuck_in_void(stage: &Stage) -> pb::Order {
    let order = stage
        .placed_until(paid_by("pm_void_fails"), S::Confirmed)
        .await;
    stage.cancel(&order.order_id).await.unwrap();
    stage.until(&order.order_id, S::NeedsAttention).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_void_is_listed_and_can_be_skipped_with_a_reason() {
    let stage = Stage::new().await;
    let order = stuck_in_void(&stage).await;

    let mut client = stage.client.clone();
    let list = client.list_stuck_orders(pb::ListStuckOrdersRequest::default());
    let stuck = list.await.unwrap().into_inner().orders;
    assert_eq!(stuck.len(), 1);
    assert_eq!(stuck[0].step, "void_payment");
    assert_eq!(stuck[0].verbs, ["retry", "skip", "abandon"]);
    assert!(order.attention_reason.contains("PROVIDER_REFUSED"));

    stage
        .client
        .clone()
        .skip_stuck_step(skip(&order.order_id))
        .await
        .unwrap();

    stage.until(&order.order_id, S::Cancelled).await;
    let timeline = stage.timeline(&order.order_id).await;
    let skipped = timeline
        .events
        .iter()
        .find(|event| event.r#type == "step_skipped")
        .unwrap();
    assert!(skipped.description.contains("tester"));
    assert!(skipped.description.contains("done at the provider's desk"));
    assert!(skipped.cause.starts_with("request:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_void_can_be_retried_and_abandoned() {
    let stage = Stage::new().await;
    let order = stuck_in_void(&stage).await;

    let request = retry(&order.order_id);
    let mut client = stage.client.clone();
    client.retry_stuck_order(request.clone()).await.unwrap();
    client.retry_stuck_order(request).await.unwrap();
    let order = stage.until(&order.order_id, S::NeedsAttention).await;
    client
        .abandon_stuck_order(abandon(&order.order_id))
        .await
        .unwrap();

    let order = stage.until(&order.order_id, S::Rejected).await;
    assert_eq!(order.reject_reason, "ABANDONED");
    assert_eq!(stage.participants.count(&order.order_id, "void_payment"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_capture_goes_on_after_a_retry() {
    let stage = Stage::new().await;
    let order = stage
        .placed_until(paid_by("pm_capture_fails"), S::Confirmed)
        .await;
    let handed_over = se::ShipmentHandedOver {
        shipment_id: order.shipment_id.clone(),
        order_id: order.order_id.clone(),
        occur_time: None,
    };
    stage.tell(&order.order_id, &handed_over).await;
    stage.until(&order.order_id, S::NeedsAttention).await;

    stage
        .client
        .clone()
        .retry_stuck_order(retry(&order.order_id))
        .await
        .unwrap();

    stage.until(&order.order_id, S::Shipped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_need_a_stuck_order() {
    let stage = Stage::new().await;
    let order = stage.placed_until(request(), S::Confirmed).await;
    let mut client = stage.client.clone();

    let refused = [
        client
            .retry_stuck_order(retry(&order.order_id))
            .await
            .unwrap_err(),
        client
            .skip_stuck_step(skip(&order.order_id))
            .await
            .unwrap_err(),
        client
            .abandon_stuck_order(abandon(&order.order_id))
            .await
            .unwrap_err(),
    ];
    for status in refused {
        assert_eq!(reason(&status), "ORDER_NOT_STUCK");
    }
    let unknown = OrderId::new().to_string();
    let missing = client.retry_stuck_order(retry(&unknown)).await.unwrap_err();
    assert_eq!(reason(&missing), "ORDER_NOT_FOUND");
    let mut empty = skip(&order.order_id);
    empty.reason.clear();
    let refused = client.skip_stuck_step(empty).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
}
