//! What the outbox accepts, and what stays in it.

use tradepost_messaging::Outgoing;
use tradepost_testkit::eventually;
use tradepost_types::TenantId;

use crate::support::{Probe, SOON, Service, event, events};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_appends_for_its_own_tenant_only() {
    let service = Service::new().await;
    let instance = service.start_relay().await;
    let (own, foreign) = (TenantId::new(), TenantId::new());
    let message = |tenant| Outgoing::event("probe.sent", tenant, &Probe { number: 1 });

    let mut tx = service.database.tenant_tx(own).await.unwrap();
    let refused = instance.outbox.append(tx.conn(), &[message(foreign)]).await;
    tx.rollback().await;
    let mut tx = service.database.tenant_tx(own).await.unwrap();
    instance
        .outbox
        .append(tx.conn(), &[message(own)])
        .await
        .unwrap();
    tx.commit().await.unwrap();

    assert!(refused.is_err(), "a foreign tenant's message was accepted");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_cannot_read_messages() {
    let service = Service::new().await;

    for table in ["outbox", "inbox", "retries", "parked"] {
        let mut tx = service.database.tenant_tx(TenantId::new()).await.unwrap();
        let read = sqlx::query(sqlx::AssertSqlSafe(format!(
            "select 1 from messaging.{table}"
        )))
        .fetch_all(tx.conn())
        .await;
        assert!(read.is_err(), "{table} is readable");
        tx.rollback().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unroutable_required_event_stays_until_its_queue_is_bound() {
    let service = Service::new().await;
    let publisher = service.start_relay().await;
    service.send(&publisher.outbox, &[event("ok")]).await;
    eventually("the broker returns it", SOON, async || {
        (service.count("messaging.outbox where refusals > 0").await == 1).then_some(())
    })
    .await;

    let consumer = service.start().await;

    service.expect_effects(1, SOON).await;
    service.expect_empty("messaging.outbox").await;
    publisher.stop().await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unroutable_messages_do_not_hold_up_the_others() {
    let service = Service::new().await;
    let instance = service.start().await;
    let lost = |_| {
        Outgoing::required_event("nowhere.bound", TenantId::new(), &Probe { number: 1 })
            .about("lost", 1)
    };
    let mut mixed: Vec<Outgoing> = (0..600).map(lost).collect();
    mixed.extend(events("ok", 200));

    service.send(&instance.outbox, &mixed).await;

    service.expect_effects(200, SOON).await;
    eventually("exactly the unroutable ones stay", SOON, async || {
        (service.count("messaging.outbox").await == 600).then_some(())
    })
    .await;
    assert_eq!(
        service
            .count("messaging.outbox where subject = 'lost'")
            .await,
        600
    );
    instance.stop().await;
}
