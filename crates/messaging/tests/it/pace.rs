//! How far batches are kept apart: never what comes alone, and a burst so that it fills them.

use tradepost_messaging::{MessagingConfig, Outgoing};
use tradepost_types::OrderId;

use crate::support::{SOON, Service, event, events, quick};

/// Longer than any test waits.
const HOURS_MS: u64 = 10_000_000;

async fn service(batch_gap_ms: u64) -> Service {
    let broker = tradepost_testkit::broker();
    Service::with(MessagingConfig {
        batch_gap_ms,
        ..quick(broker.url(), broker.namespace())
    })
    .await
}

/// As many messages of one order.
fn of_one_order(count: usize) -> Vec<Outgoing> {
    let order = OrderId::new().as_uuid();
    let ours = |_| event("ok").correlated(order);
    (0..count).map(ours).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_alone_is_never_held_up_by_a_gap() {
    let service = service(HOURS_MS).await;
    let instance = service.start().await;

    for step in 1..=5 {
        service.send(&instance.outbox, &of_one_order(3)).await;
        service.expect_effects(step * 3, SOON).await;
    }

    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_leaves_in_few_windows() {
    let service = service(1_000).await;
    let instance = service.start().await;
    // In the outbox together, so that the relay meets several orders.
    service.send(&instance.outbox, &events("ok", 10)).await;

    for _ in 0..40 {
        service.send(&instance.outbox, &events("ok", 1)).await;
    }

    service.expect_effects(50, SOON).await;
    let windows = instance
        .metric("tradepost_outbox_batch_messages_count")
        .unwrap();
    assert!(windows <= 10.0, "40 commits left in {windows} windows");
    instance.stop().await;
}
