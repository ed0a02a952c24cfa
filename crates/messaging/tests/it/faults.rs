//! Brokers, databases and networks that fail under load: nothing is lost, nothing happens twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tradepost_messaging::{MessagingConfig, Outbox};
use tradepost_testkit::{Alarm, Fault, FaultProxy, eventually, private_broker, private_postgres};

use crate::support::{Instance, SOON, Service, event, events, quick};

/// Recovery includes the start of a server.
const RECOVERY: Duration = Duration::from_secs(180);

/// Commits messages until told to stop; returns how many it committed for certain.
struct Writer {
    stop: Arc<AtomicBool>,
    writing: JoinHandle<usize>,
}

impl Writer {
    fn start(service: &Service, outbox: &Outbox) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (database, outbox, told) = (service.database.clone(), outbox.clone(), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "a test has no tracked spawner")]
        let writing = tokio::spawn(async move {
            let mut committed = 0;
            while !told.load(Ordering::Relaxed) {
                let messages = events("ok", 5);
                let Ok(mut tx) = database.system_tx().await else {
                    continue;
                };
                if outbox.append(tx.conn(), &messages).await.is_ok() && tx.commit().await.is_ok() {
                    outbox.wake();
                    committed += messages.len();
                }
            }
            committed
        });
        Self { stop, writing }
    }

    async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.writing.await.unwrap()
    }
}

async fn under_way(service: &Service, more_than: i64) {
    eventually("work is under way", RECOVERY, async || {
        (service.effects().await.1 > more_than).then_some(())
    })
    .await;
}

async fn is_connected(instance: &Instance, wanted: bool) {
    let mut connected = instance.connected.clone();
    tokio::time::timeout(RECOVERY, connected.wait_for(|up| *up == wanted))
        .await
        .expect("the health shows the connection")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_broker_loses_nothing_that_was_committed() {
    let broker = private_broker().await;
    let service = Service::with(quick(broker.url(), "kill")).await;
    let instance = service.start().await;
    let writer = Writer::start(&service, &instance.outbox);
    under_way(&service, 200).await;
    // RabbitMQ 3.10 writes the names of new quorum queues lazily, and a queue whose name is lost
    // comes back empty and without a leader. Our subject is messages, not infant queues.
    broker
        .ctl(&["eval", "[dets:sync(Table) || Table <- dets:all()]."])
        .await;

    broker.kill().await;
    is_connected(&instance, false).await;
    broker.start().await;
    let handled = service.effects().await.1;
    under_way(&service, handled + 200).await;
    let committed = writer.finish().await;

    service.expect_effects(committed, RECOVERY).await;
    service.expect_empty("messaging.outbox").await;
    assert_eq!(service.count("messaging.parked").await, 0);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_stops_publishing_but_not_consuming() {
    let broker = private_broker().await;
    let service = Service::with(quick(broker.url(), "alarm")).await;
    service.start().await.stop().await; // declares the queue
    let relay = service.start_relay().await;
    service.send(&relay.outbox, &events("ok", 50)).await;
    service.expect_empty("messaging.outbox").await;

    broker.set_memory_alarm(Alarm::Raised).await;
    service.send(&relay.outbox, &[event("ok")]).await;
    let consumer = service.start().await;
    service.expect_effects(50, RECOVERY).await;
    let kept = service.count("messaging.outbox").await;
    broker.set_memory_alarm(Alarm::Cleared).await;

    assert_eq!(kept, 1, "the message stayed in the outbox");
    service.expect_effects(51, RECOVERY).await;
    service.expect_empty("messaging.outbox").await;
    relay.stop().await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_closed_by_the_broker_come_back() {
    let broker = private_broker().await;
    let service = Service::with(quick(broker.url(), "close")).await;
    let instance = service.start().await;
    let writer = Writer::start(&service, &instance.outbox);

    for _ in 0..3 {
        let handled = service.effects().await.1;
        under_way(&service, handled + 50).await;
        broker.close_all_connections().await;
    }
    let handled = service.effects().await.1;
    under_way(&service, handled + 50).await;
    let committed = writer.finish().await;

    service.expect_effects(committed, RECOVERY).await;
    service.expect_empty("messaging.outbox").await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_between_commit_and_ack_has_no_second_effect() {
    let broker = tradepost_testkit::broker();
    let proxy = Arc::new(FaultProxy::before(&broker.url()).await);
    let config = quick(proxy.rewrite(&broker.url()), broker.namespace());
    let service = Service::with(config).await;
    let instance = service.start().await;
    let cut = proxy.clone();
    let hook = Box::new(move || cut.cut());
    *instance.prober.after_commit.lock().unwrap() = Some(hook);
    let message = event("ok");

    service
        .send(&instance.outbox, std::slice::from_ref(&message))
        .await;
    eventually("it is delivered again", RECOVERY, async || {
        (instance.prober.calls(message.message.id) >= 2).then_some(())
    })
    .await;

    service.expect_effects(1, SOON).await;
    service.send(&instance.outbox, &[event("ok")]).await;
    service.expect_effects(2, SOON).await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_is_noticed_by_heartbeats() {
    let broker = tradepost_testkit::broker();
    let proxy = FaultProxy::before(&broker.url()).await;
    let config = MessagingConfig {
        heartbeat_seconds: 2,
        ..quick(proxy.rewrite(&broker.url()), broker.namespace())
    };
    let service = Service::with(config).await;
    let instance = service.start().await;
    service.send(&instance.outbox, &events("ok", 20)).await;
    service.expect_effects(20, SOON).await;

    proxy.set(Fault::Blackhole);
    service.send(&instance.outbox, &events("ok", 20)).await;
    is_connected(&instance, false).await;
    proxy.set(Fault::None);

    service.expect_effects(40, RECOVERY).await;
    service.expect_empty("messaging.outbox").await;
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_restarts_costs_no_message_its_place() {
    let postgres = private_postgres().await;
    let service = Service::on_private_postgres(&postgres).await;
    let instance = service.start().await;
    let writer = Writer::start(&service, &instance.outbox);
    under_way(&service, 200).await;

    postgres.restart_immediate().await;
    let handled = service.effects().await.1;
    under_way(&service, handled + 200).await;
    let committed = i64::try_from(writer.finish().await).unwrap();

    service.expect_empty("messaging.outbox").await;
    // A commit whose answer was lost may have happened or not, so there may be a few more.
    let (total, distinct) = eventually("what was committed has its effect", RECOVERY, async || {
        let (total, distinct) = service.effects().await;
        (distinct >= committed).then_some((total, distinct))
    })
    .await;
    assert_eq!(total, distinct, "an effect happened twice");
    assert!(
        distinct <= committed + 50,
        "{distinct} effects of {committed} messages"
    );
    assert_eq!(service.count("messaging.retries").await, 0);
    assert_eq!(service.count("messaging.parked").await, 0);
    instance.stop().await;
}
