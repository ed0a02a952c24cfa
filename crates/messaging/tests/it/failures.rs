//! Handlers that fail, messages nobody can read, and the way back from the parking place.

use std::sync::atomic::Ordering;

use lapin::options::{BasicGetOptions, BasicPublishOptions, BasicRejectOptions};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use secrecy::ExposeSecret;
use tradepost_messaging::parked::{self, ParkedCommand, ParkedError, Redrive};
use tradepost_testkit::eventually;

use crate::support::{QUEUE, SOON, Service, event, events};

fn everything() -> Redrive {
    Redrive {
        id: None,
        fingerprint: None,
        all: true,
        dry_run: false,
    }
}

/// A channel of a stranger, and the broker's name of our queue. The connection must be kept.
async fn stranger(service: &Service) -> (Connection, Channel, String) {
    let url = service.config.url.expose_secret();
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let namespace = service.config.namespace.clone().unwrap();
    (connection, channel, format!("{namespace}.{QUEUE}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_parked_and_its_neighbours_are_handled() {
    let service = Service::new().await;
    let instance = service.start().await;
    let mut messages = events("ok", 60);
    for place in [3, 17, 44] {
        messages.insert(place, event("poison"));
    }

    service.send(&instance.outbox, &messages).await;

    service.expect_effects(60, SOON).await;
    eventually("all three are parked", SOON, async || {
        (service.count("messaging.parked").await == 3).then_some(())
    })
    .await;
    let fingerprints = service
        .count("(select distinct fingerprint from messaging.parked) as one")
        .await;
    assert_eq!(fingerprints, 1, "one failure has one fingerprint");
    assert_eq!(service.count("messaging.retries").await, 0);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_room_for_waits_and_is_neither_retried_later_nor_parked() {
    let service = Service::new().await;
    let instance = service.start().await;
    let messages = [event("ok"), event("busy"), event("ok")];

    service.send(&instance.outbox, &messages).await;

    service.expect_effects(3, SOON).await;
    assert_eq!(service.count("effects where attempt = 1").await, 3);
    assert_eq!(service.count("messaging.retries").await, 0);
    assert_eq!(service.count("messaging.parked").await, 0);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_room_in_a_retry_row_is_no_round_of_it() {
    let service = Service::new().await;
    let instance = service.start().await;

    service
        .send(&instance.outbox, &[event("busy_second_round")])
        .await;

    service.expect_effects(1, SOON).await;
    service.expect_empty("messaging.retries").await;
    assert_eq!(service.count("effects where attempt = 2").await, 1);
    assert_eq!(service.count("messaging.parked").await, 0);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_message_succeeds_from_its_retry_row() {
    let service = Service::new().await;
    let instance = service.start().await;

    service
        .send(&instance.outbox, &[event("fail_first_round")])
        .await;

    service.expect_effects(1, SOON).await;
    service.expect_empty("messaging.retries").await;
    assert_eq!(service.count("effects where attempt = 2").await, 1);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_handler_is_only_a_failed_try() {
    let service = Service::new().await;
    let instance = service.start().await;

    service
        .send(&instance.outbox, &[event("panic_once"), event("ok")])
        .await;

    service.expect_effects(2, SOON).await;
    assert_eq!(service.count("messaging.parked").await, 0);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_message_is_parked_shown_and_redriven() {
    let service = Service::new().await;
    let instance = service.start().await;
    // Three tries from the queue, two from the retry row: then it is parked.
    let message = event("fail_5");

    service
        .send(&instance.outbox, std::slice::from_ref(&message))
        .await;
    let parked = async || (service.count("messaging.parked").await == 1).then_some(());
    eventually("it is parked", SOON, parked).await;

    let list = parked::report(ParkedCommand::List, &service.database)
        .await
        .unwrap();
    assert!(
        list.contains("told_to_fail") && list.contains(QUEUE),
        "{list}"
    );
    let mut dry = everything();
    dry.dry_run = true;
    let dry = parked::report(ParkedCommand::Redrive(dry), &service.database)
        .await
        .unwrap();
    assert!(dry.contains("would redrive 1"), "{dry}");
    assert_eq!(service.count("messaging.parked").await, 1);
    let id: i64 = sqlx::query_scalar("select parked_id from messaging.parked")
        .fetch_one(&mut service.test_database.admin().await)
        .await
        .unwrap();
    let show = ParkedCommand::Show { id };
    let shown = parked::report(show, &service.database).await.unwrap();
    assert!(
        shown.contains("tradepost.test.v1.Probe") && shown.contains("0807"),
        "{shown}"
    );
    assert_eq!(instance.prober.calls(message.message.id), 5);

    parked::report(ParkedCommand::Redrive(everything()), &service.database)
        .await
        .unwrap();

    service.expect_effects(1, SOON).await;
    service.expect_empty("messaging.parked").await;
    service.expect_empty("messaging.retries").await;
    instance.stop().await;
}

/// Redrives, and returns the report.
async fn redrive(service: &Service, which: Redrive) -> String {
    let again = ParkedCommand::Redrive(which);
    parked::report(again, &service.database).await.unwrap()
}

fn nothing() -> Redrive {
    Redrive {
        all: false,
        ..everything()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_messages_of_the_named_failure_are_redriven() {
    let service = Service::new().await;
    let instance = service.start().await;
    let mut messages = events("broken", 3);
    messages.extend(events("poison", 2));
    service.send(&instance.outbox, &messages).await;
    eventually("all are parked", SOON, async || {
        (service.count("messaging.parked").await == 5).then_some(())
    })
    .await;
    let failed: String = sqlx::query_scalar(
        "select distinct fingerprint from messaging.parked where reason = 'broken_probe'",
    )
    .fetch_one(&mut service.test_database.admin().await)
    .await
    .unwrap();
    let which = Redrive {
        fingerprint: Some(failed),
        ..nothing()
    };

    instance.prober.is_mended.store(true, Ordering::SeqCst);
    let dry = Redrive {
        dry_run: true,
        ..which.clone()
    };
    let dry = redrive(&service, dry).await;
    assert_eq!(service.count("messaging.parked").await, 5);
    let done = redrive(&service, which).await;

    assert_eq!(dry, "would redrive 3 messages\n");
    assert_eq!(done, "3 messages will be tried again now\n");
    service.expect_effects(3, SOON).await;
    service.expect_empty("messaging.retries").await;
    let left = service.count("messaging.parked").await;
    let poison = service
        .count("messaging.parked where reason = 'bad_probe'")
        .await;
    assert_eq!((left, poison), (2, 2), "the other failure stays");
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_is_redriven_by_its_number_and_an_unknown_number_is_an_error() {
    let service = Service::new().await;
    let instance = service.start().await;
    service.send(&instance.outbox, &events("broken", 2)).await;
    eventually("both are parked", SOON, async || {
        (service.count("messaging.parked").await == 2).then_some(())
    })
    .await;
    let ids: Vec<i64> = sqlx::query_scalar("select parked_id from messaging.parked order by 1")
        .fetch_all(&mut service.test_database.admin().await)
        .await
        .unwrap();
    let numbered = |id| Redrive {
        id: Some(id),
        ..nothing()
    };

    instance.prober.is_mended.store(true, Ordering::SeqCst);
    let done = redrive(&service, numbered(ids[0])).await;
    let unknown = ParkedCommand::Redrive(numbered(ids[1] + 1));
    let unknown = parked::report(unknown, &service.database).await;

    assert_eq!(done, "1 messages will be tried again now\n");
    assert!(
        matches!(unknown, Err(ParkedError::NotFound(id)) if id == ids[1] + 1),
        "{unknown:?}"
    );
    service.expect_effects(1, SOON).await;
    service.expect_empty("messaging.retries").await;
    let left: Vec<i64> = sqlx::query_scalar("select parked_id from messaging.parked")
        .fetch_all(&mut service.test_database.admin().await)
        .await
        .unwrap();
    assert_eq!(left, ids[1..]);
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_message_is_parked_whole() {
    let service = Service::new().await;
    let instance = service.start().await;
    let (_connection, channel, queue) = stranger(&service).await;

    for body in [b"one\0".as_slice(), b"two"] {
        let key = queue.as_str().into();
        let properties = BasicProperties::default().with_type("no\0thing".into());
        channel
            .basic_publish(
                "".into(),
                key,
                BasicPublishOptions::default(),
                body,
                properties,
            )
            .await
            .unwrap();
    }
    service.send(&instance.outbox, &events("ok", 5)).await;

    service.expect_effects(5, SOON).await;
    eventually("both are parked", SOON, async || {
        (service
            .count("messaging.parked where reason = 'undecodable'")
            .await
            == 2)
            .then_some(())
    })
    .await;
    assert_eq!(
        service
            .count(r"messaging.parked where body = '\x6f6e6500'")
            .await,
        1
    );
    instance.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_gives_up_is_parked_by_the_intake() {
    let service = Service::new().await;
    service.start().await.stop().await; // declares the queue
    let relay = service.start_relay().await;
    let message = event("ok");
    service
        .send(&relay.outbox, std::slice::from_ref(&message))
        .await;
    service.expect_empty("messaging.outbox").await;
    let (_connection, channel, queue) = stranger(&service).await;
    let taken = channel
        .basic_get(queue.as_str().into(), BasicGetOptions::default())
        .await
        .unwrap()
        .expect("the message is in the queue");

    taken
        .reject(BasicRejectOptions { requeue: false })
        .await
        .unwrap();
    let instance = service.start().await;

    eventually("it is parked", SOON, async || {
        (service
            .count("messaging.parked where reason = 'dead_lettered'")
            .await
            == 1)
            .then_some(())
    })
    .await;
    let again = ParkedCommand::Redrive(everything());
    parked::report(again, &service.database).await.unwrap();
    service.expect_effects(1, SOON).await;
    relay.stop().await;
    instance.stop().await;
}
