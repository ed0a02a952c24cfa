//! What runs beside the messages: gauges, and forgetting.

use tradepost_testkit::eventually;

use crate::support::{SOON, Service, event, events};

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_and_its_age_is_known() {
    let service = Service::new().await;
    // Nobody takes a required event of that key: it stays.
    let instance = service.start_relay().await;
    service.send(&instance.outbox, &events("ok", 3)).await;

    eventually("three messages wait", SOON, async || {
        let pending = instance.metric("tradepost_outbox_pending_messages")?;
        let age = instance.metric("tradepost_outbox_oldest_age_seconds")?;
        (pending == 3.0 && age > 0.0).then_some(())
    })
    .await;

    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_messages_are_counted() {
    let service = Service::new().await;
    let instance = service.start().await;
    service.send(&instance.outbox, &[event("poison")]).await;

    eventually("one message is parked", SOON, async || {
        (instance.metric("tradepost_messaging_parked_pending")? == 1.0).then_some(())
    })
    .await;

    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handled_messages_are_forgotten_after_their_time() {
    let service = Service::new().await;
    let mut tx = service.database.system_tx().await.unwrap();
    sqlx::query(
        "insert into messaging.inbox (consumer, message_id, tenant_id, handled_at)
         select 'probe', gen_random_uuid(), gen_random_uuid(), now() - age
         from unnest(array[interval '0', '1 day', '8 days', '30 days']) as u(age)",
    )
    .execute(tx.conn())
    .await
    .unwrap();
    tx.commit().await.unwrap();

    let instance = service.start_relay().await;

    eventually("the old ones are gone", SOON, async || {
        (service.count("messaging.inbox").await == 2).then_some(())
    })
    .await;
    instance.stop().await;
}
