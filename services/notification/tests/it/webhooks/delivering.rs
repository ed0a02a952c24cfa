//! What endpoints get, and what becomes of a delivery by what they answer.

use std::collections::HashSet;
use std::time::Duration;

use tradepost_notification::domain::webhook::{SigningSecret, Verdict, signatures};
use tradepost_notification::ports::channels::{ChannelQueue, Noting};
use tradepost_notification::ports::webhooks::{Answer, Noted};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::webhook_service_server::WebhookService;
use tradepost_testkit::eventually;

use super::receiver::{Receiver, Reply};
use super::stage::{LOOSE, Stage, WAIT};

const TAKEN: i32 = pb::DeliveryState::Delivered as i32;
const PENDING: i32 = pb::DeliveryState::Pending as i32;
const FAILED: i32 = pb::DeliveryState::Failed as i32;

const SHORT: Duration = Duration::from_millis(300);

fn secret(text: &str) -> SigningSecret {
    SigningSecret::parse(text.to_owned()).unwrap()
}

#[tokio::test]
async fn an_endpoint_gets_a_signed_message() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(204)).await;
    let (endpoint, text) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work();

    let told = stage.tell("order.confirmed").await.to_string();
    let delivery = stage.after(&endpoint, 1).await;

    assert_eq!((delivery.state, delivery.last_status), (TAKEN, 204));
    let got = receiver.got().remove(0);
    assert_eq!(got.head, "POST /hook HTTP/1.1");
    assert_eq!(got.headers["content-type"], "application/json");
    assert_eq!(got.headers["webhook-id"], told);
    let timestamp = got.headers["webhook-timestamp"].parse().unwrap();
    let signed = signatures([&secret(&text)], &told, timestamp, got.body.as_bytes()).unwrap();
    assert_eq!(got.headers["webhook-signature"], signed);
    assert!(
        got.body.contains("\"type\":\"order.confirmed\""),
        "{}",
        got.body
    );
    assert!(got.body.contains("\"data\":{\"n\":1.10}"), "{}", got.body);
}

#[tokio::test]
async fn a_failure_is_tried_again_with_the_same_message_and_a_success_ends_it() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(500)).await;
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work();

    stage.tell("a.b").await;
    let first = stage.after(&endpoint, 1).await;
    let failing = stage.get(&endpoint).await.failing_since_time;
    receiver.reply(Reply::status(200));
    stage.time_passes().await;
    let second = stage.after(&endpoint, 2).await;

    assert_eq!((first.state, first.last_status), (PENDING, 500));
    assert_eq!(first.last_error, "status");
    assert!(
        first.next_attempt_time.unwrap().seconds >= first.last_attempt_time.unwrap().seconds + 4
    );
    assert!(failing.is_some());
    assert_eq!((second.state, second.last_error.as_str()), (TAKEN, ""));
    assert_eq!(stage.get(&endpoint).await.failing_since_time, None);
    let got = receiver.got();
    assert_eq!(got[0].headers["webhook-id"], got[1].headers["webhook-id"]);
    assert_eq!(got[0].body, got[1].body);
}

#[tokio::test]
async fn after_ten_attempts_it_has_failed() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(503)).await;
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work();

    stage.tell("a.b").await;
    for attempts in 1..10 {
        assert_eq!(stage.after(&endpoint, attempts).await.state, PENDING);
        stage.time_passes().await;
    }
    let last = stage.after(&endpoint, 10).await;

    assert_eq!((last.state, last.next_attempt_time), (FAILED, None));
    assert_eq!(receiver.got().len(), 10);
}

#[tokio::test]
async fn an_endpoint_may_ask_to_be_left_alone() {
    let stage = Stage::open().await;
    let wish = Reply::Status(429, "retry-after: 7200\r\n".to_owned());
    let receiver = Receiver::start(wish).await;
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work();

    stage.tell("a.b").await;
    let delivery = stage.after(&endpoint, 1).await;

    let (last, next) = (delivery.last_attempt_time, delivery.next_attempt_time);
    assert!(next.unwrap().seconds >= last.unwrap().seconds + 7_199);
}

#[tokio::test]
async fn one_that_is_gone_is_sent_nothing_more() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(410)).await;
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work();

    stage.tell("a.b").await;
    let delivery = stage.after(&endpoint, 1).await;

    assert_eq!(delivery.state, FAILED);
    let endpoint = stage.get(&endpoint).await;
    assert_eq!(endpoint.state(), pb::EndpointState::Disabled);
    assert_eq!(endpoint.disabled_reason(), pb::DisabledReason::Gone);
    assert!(endpoint.disable_time.is_some());
}

#[tokio::test]
async fn one_that_failed_for_five_days_is_disabled_and_goes_on_when_it_is_enabled() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(500)).await;
    let (id, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work();
    stage.tell("a.b").await;
    stage.after(&id, 1).await;
    let days = async |text: &str| {
        let sql = "update webhook_endpoints set failing_since = now() - interval";
        stage.sabotage(&format!("{sql} '{text}'")).await;
        stage.time_passes().await;
    };

    days("4 days 23 hours").await;
    stage.after(&id, 2).await;
    let before = stage.get(&id).await;
    days("5 days 1 hour").await;
    stage.after(&id, 3).await;
    let after = stage.get(&id).await;
    receiver.reply(Reply::status(200));
    let request = pb::UpdateEndpointRequest {
        endpoint_id: id.clone(),
        enabled: Some(true),
        ..Default::default()
    };
    let enabled = stage.api.update_endpoint(stage.call(request)).await;
    stage.time_passes().await;
    let delivery = stage.after(&id, 4).await;

    assert_eq!(before.state(), pb::EndpointState::Enabled);
    assert_eq!(after.disabled_reason(), pb::DisabledReason::Failing);
    let enabled = enabled.unwrap().into_inner().endpoint.unwrap();
    assert_eq!(enabled.state(), pb::EndpointState::Enabled);
    assert_eq!(
        (enabled.failing_since_time, enabled.disable_time),
        (None, None)
    );
    assert_eq!(delivery.state, TAKEN);
}

/// What comes of an attempt under way while the endpoint moves from `from` to another URL.
async fn moved_meanwhile(stage: &Stage, from: &str, to: &str, verdict: Verdict) -> String {
    let (id, _) = stage.endpoint(from, &["*"]).await;
    stage.tell("a.b").await;
    stage.follow_until(1).await;
    let leased = stage
        .hooks
        .lease(10, 4, Duration::from_secs(1_000))
        .await
        .unwrap()
        .remove(0);
    stage
        .sabotage("update webhook_endpoints set failing_since = now() - interval '6 days'")
        .await;
    let request = pb::UpdateEndpointRequest {
        endpoint_id: id.clone(),
        url: Some(to.to_owned()),
        ..Default::default()
    };
    stage
        .api
        .update_endpoint(stage.call(request))
        .await
        .unwrap();
    let answer = Answer::Status {
        code: 500,
        retry_after: None,
    };

    let noting = stage.hooks.note(&leased, Noted { verdict, answer }).await;

    assert_eq!(noting.unwrap(), Noting::Done(None));
    id
}

#[tokio::test]
async fn an_answer_of_the_url_before_does_not_end_the_endpoint_that_has_moved() {
    for verdict in [
        Verdict::Gone,
        Verdict::Failed,
        Verdict::Again(Duration::from_secs(3_600)),
    ] {
        let stage = Stage::open().await;
        let receiver = Receiver::start(Reply::status(200)).await;
        let (from, to) = ("http://127.0.0.1:1/", receiver.url());

        let id = moved_meanwhile(&stage, from, &to, verdict).await;
        let endpoint = stage.get(&id).await;
        stage.work();
        let delivery = stage.after(&id, 2).await;

        assert_eq!(endpoint.state(), pb::EndpointState::Enabled, "{verdict:?}");
        assert_eq!(endpoint.failing_since_time, None, "{verdict:?}");
        assert_eq!(delivery.state, TAKEN, "{verdict:?}");
        assert_eq!(receiver.got().len(), 1);
    }
}

#[tokio::test]
async fn what_the_url_before_has_taken_is_delivered() {
    let stage = Stage::open().await;
    let (from, to) = ("http://127.0.0.1:1/", "http://127.0.0.1:2/");

    let id = moved_meanwhile(&stage, from, to, Verdict::Delivered).await;

    assert_eq!(stage.after(&id, 1).await.state, TAKEN);
}

#[tokio::test]
async fn an_edit_that_leaves_the_url_leaves_how_long_it_has_failed() {
    let stage = Stage::open().await;
    let url = "http://127.0.0.1:1/";
    let (id, _) = stage.endpoint(url, &["*"]).await;
    stage
        .sabotage("update webhook_endpoints set failing_since = now() - interval '4 days'")
        .await;
    let request = pb::UpdateEndpointRequest {
        endpoint_id: id.clone(),
        url: Some(url.to_owned()),
        description: Some("another".to_owned()),
        ..Default::default()
    };

    stage
        .api
        .update_endpoint(stage.call(request))
        .await
        .unwrap();

    assert!(stage.get(&id).await.failing_since_time.is_some());
}

#[tokio::test]
async fn one_that_hangs_delays_nobody_and_holds_four_at_most() {
    let stage = Stage::open().await;
    let hanging = Receiver::start(Reply::Hang).await;
    let good = Receiver::start(Reply::status(200)).await;
    stage.endpoint(&hanging.url(), &["*"]).await;
    stage.endpoint(&good.url(), &["*"]).await;
    stage.work_with(LOOSE, Duration::from_secs(50), vec![]);
    stage.work_with(LOOSE, Duration::from_secs(50), vec![]);

    for _ in 0..30 {
        stage.tell("a.b").await;
    }
    eventually("the good one gets all", WAIT, async || {
        (good.got().len() == 30).then_some(())
    })
    .await;

    assert_eq!(hanging.open_most(), 4);
}

#[tokio::test]
async fn an_answer_that_does_not_end_in_time_is_none_and_a_long_one_is_not_read() {
    let stage = Stage::open().await;
    let half = Receiver::start(Reply::Half).await;
    let long = Receiver::start(Reply::Long(1 << 20)).await;
    let (half_id, _) = stage.endpoint(&half.url(), &["*"]).await;
    let (long_id, _) = stage.endpoint(&long.url(), &["*"]).await;
    stage.work_with(LOOSE, SHORT, vec![]);

    stage.tell("a.b").await;
    let half = stage.after(&half_id, 1).await;
    // On a busy machine even a good answer may come after the time.
    let long = eventually("it is taken", WAIT, async || {
        stage.time_passes().await;
        let delivery = stage.deliveries(&long_id).await.pop()?;
        (delivery.state == TAKEN).then_some(delivery)
    })
    .await;

    assert_eq!((half.state, half.last_status), (PENDING, 0));
    assert_eq!(half.last_error, "timeout");
    assert_eq!(long.last_status, 200);
}

#[tokio::test]
async fn nobody_there_is_a_fault_of_its_own() {
    let stage = Stage::open().await;
    let (endpoint, _) = stage.endpoint("http://127.0.0.1:1/", &["*"]).await;
    stage.work();

    stage.tell("a.b").await;

    assert_eq!(stage.after(&endpoint, 1).await.last_error, "connect");
}

#[tokio::test]
async fn racing_processes_send_each_message_once() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    for _ in 0..3 {
        stage.work();
    }

    for _ in 0..60 {
        stage.tell("a.b").await;
    }
    eventually("all are taken", WAIT, async || {
        let made = stage.deliveries(&endpoint).await;
        let all = made.len() == 60 && made.iter().all(|one| one.state == TAKEN);
        all.then_some(())
    })
    .await;

    let ids = receiver.ids();
    assert_eq!(ids.len(), 60);
    assert_eq!(ids.into_iter().collect::<HashSet<_>>().len(), 60);
    assert!(receiver.open_most() <= 4);
}

#[tokio::test]
async fn a_crash_after_sending_sends_it_again_under_the_same_id() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.tell("a.b").await;
    stage.follow_until(1).await;
    let lease = async |seconds| {
        let lease = Duration::from_secs(seconds);
        stage.hooks.lease(10, 4, lease).await.unwrap()
    };
    let noted = Noted {
        verdict: Verdict::Delivered,
        answer: Answer::Status {
            code: 200,
            retry_after: None,
        },
    };

    // Whoever had it first sent it, and was gone before it could say so.
    let crashed = lease(1_000).await.remove(0);
    let meanwhile = lease(1_000).await;
    stage
        .sabotage("update webhook_deliveries set leased_until = now() - interval '1 second'")
        .await;
    stage.work();
    let delivery = stage.after(&endpoint, 1).await;
    let late = stage.hooks.note(&crashed, noted).await.unwrap();

    assert!(meanwhile.is_empty(), "a lease is one's own");
    assert_eq!(delivery.state, TAKEN);
    assert_eq!(receiver.ids(), [crashed.notification.to_string()]);
    assert_eq!(late, Noting::TooLate);
    assert_eq!(stage.deliveries(&endpoint).await[0].attempts, 1);
}

#[tokio::test]
async fn what_is_old_is_forgotten() {
    let stage = Stage::open().await;
    let (endpoint, _) = stage.endpoint("http://127.0.0.1:1/", &["*"]).await;
    stage.tell("a.old").await;
    stage.follow_until(1).await;
    for table in ["webhook_deliveries", "webhook_messages"] {
        let old = format!("update {table} set created_at = now() - interval '31 days'");
        stage.sabotage(&old).await;
    }
    stage.tell("a.new").await;
    stage.follow_until(1).await;

    let forgotten = stage.hooks.prune(30, 1_000).await.unwrap();

    assert_eq!(forgotten, 1);
    assert_eq!(stage.deliveries(&endpoint).await[0].r#type, "a.new");
    let messages: i64 = sqlx::query_scalar("select count(*) from webhook_messages")
        .fetch_one(&mut stage.test_database.admin().await)
        .await
        .unwrap();
    assert_eq!(messages, 1);
}
