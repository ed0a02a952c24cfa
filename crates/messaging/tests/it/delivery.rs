//! The ordinary way of a message, and what redelivery does to it.

use tradepost_messaging::Outgoing;
use tradepost_types::TenantId;

use crate::support::{Long, Probe, SOON, Service, event, events};

#[tokio::test(flavor = "multi_thread")]
async fn a_committed_message_is_handled_and_leaves_the_outbox() {
    let service = Service::new().await;
    let instance = service.start().await;

    service.send(&instance.outbox, &events("ok", 100)).await;

    service.expect_effects(100, SOON).await;
    service.expect_empty("messaging.outbox").await;
    assert_eq!(service.count("messaging.inbox").await, 100);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_many_frames_arrive_whole() {
    let service = Service::new().await;
    let instance = service.start().await;
    let long =
        || Outgoing::required_event("probe.sent", TenantId::new(), &Long::new()).about("long", 1);

    // Together more than the client's buffers hold, among short ones.
    let messages: Vec<_> = (0..20).flat_map(|_| [long(), event("ok")]).collect();
    service.send(&instance.outbox, &messages).await;

    service.expect_effects(40, SOON).await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_message_never_leaves() {
    let service = Service::new().await;
    let instance = service.start().await;

    let mut tx = service.database.system_tx().await.unwrap();
    instance
        .outbox
        .append(tx.conn(), &[event("ok")])
        .await
        .unwrap();
    tx.rollback().await;
    instance.outbox.wake();
    service.send(&instance.outbox, &[event("ok")]).await;

    service.expect_effects(1, SOON).await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_announced_leaves_with_the_next_poll() {
    let service = Service::new().await;
    let instance = service.start().await;

    let mut tx = service.database.system_tx().await.unwrap();
    instance
        .outbox
        .append(tx.conn(), &[event("ok")])
        .await
        .unwrap();
    tx.commit().await.unwrap();

    service.expect_effects(1, SOON).await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_sent_twice_has_one_effect() {
    let service = Service::new().await;
    let instance = service.start().await;
    let message = event("ok");

    service
        .send(&instance.outbox, &[message.clone(), message.clone()])
        .await;
    service.expect_effects(1, SOON).await;
    service
        .send(&instance.outbox, &[message, event("ok")])
        .await;

    service.expect_effects(2, SOON).await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_nobody_listens_to_leaves_when_nobody_must() {
    let service = Service::new().await;
    let instance = service.start_relay().await;
    let fact = Outgoing::event("nobody.cares", TenantId::new(), &Probe { number: 1 });

    service.send(&instance.outbox, &[fact]).await;

    service.expect_empty("messaging.outbox").await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_publish_everything_once_and_share_the_queue() {
    let service = Service::new().await;
    let one = service.start().await;
    let other = service.start().await;

    for _ in 0..20 {
        service.send(&one.outbox, &events("ok", 25)).await;
        service.send(&other.outbox, &events("ok", 25)).await;
    }

    service.expect_effects(1_000, SOON).await;
    service.expect_empty("messaging.outbox").await;
    let busy = |instance: &crate::support::Instance| instance.prober.batches.lock().unwrap().len();
    assert!(
        busy(&one) > 0 && busy(&other) > 0,
        "both consumers had work"
    );
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stopping_instance_has_prefetched_is_handled_by_the_next() {
    let service = Service::new().await;
    let first = service.start().await;
    service.send(&first.outbox, &events("ok", 500)).await;

    first.stop().await;
    let second = service.start().await;

    service.expect_effects(500, SOON).await;
    second.stop().await;
}
