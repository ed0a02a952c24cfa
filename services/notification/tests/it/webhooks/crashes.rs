//! The process dies between sending and noting; the message is sent again, and is the same one.

use std::time::Duration;

use secrecy::ExposeSecret;
use tradepost_proto::notification::v1 as pb;
use tradepost_testkit::{Process, Trust, eventually, free_port};

use super::receiver::{Receiver, Reply};
use super::stage::{Stage, WAIT};

/// A process over the stage's database.
fn start(stage: &Stage, trust: &Trust, crash: Option<&str>) -> Process {
    let config = stage.test_database.config();
    let owner_url = config.owner_url.clone().unwrap();
    let local = || format!("127.0.0.1:{}", free_port());
    let mut settings = vec![
        ("DATABASE__URL", config.url.expose_secret().to_owned()),
        (
            "DATABASE__SYSTEM_URL",
            config.system_url.expose_secret().to_owned(),
        ),
        ("DATABASE__OWNER_URL", owner_url.expose_secret().to_owned()),
        ("DATABASE__ACQUIRE_TIMEOUT_MS", "10000".to_owned()),
        ("SERVER__LISTEN_ADDR", local()),
        ("SERVER__ADMIN_ADDR", local()),
        (
            "SERVER__AUTH__TRUST_PATH",
            trust.trust_path().display().to_string(),
        ),
        ("LIVE__LISTEN_ADDR", local()),
        ("WEBHOOKS__ALLOW_HTTP", "true".to_owned()),
        ("WEBHOOKS__ALLOW_PRIVATE", "true".to_owned()),
        ("WEBHOOKS__LOOK_MS", "50".to_owned()),
    ];
    if let Some(point) = crash {
        settings.push(("SERVER__CRASH__POINT", point.to_owned()));
        settings.push(("SERVER__CRASH__HIT", "1".to_owned()));
    }
    let builder = Process::builder(env!("CARGO_BIN_EXE_notification"));
    settings
        .into_iter()
        .fold(builder, |builder, (name, value)| {
            builder.env(format!("TRADEPOST_NOTIFICATION__{name}"), value)
        })
        .spawn()
}

#[tokio::test]
async fn a_process_that_dies_after_sending_leaves_a_message_that_is_sent_again() {
    let stage = Stage::open().await;
    let trust = Trust::new();
    let receiver = Receiver::start(Reply::status(200)).await;
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    let told = stage.tell("a.b").await.to_string();

    let mut dying = start(&stage, &trust, Some("notification.webhook_sent"));
    dying.wait(WAIT).await;
    let between = stage.deliveries(&endpoint).await.remove(0);
    // The time of the lease passes.
    stage
        .sabotage("update webhook_deliveries set leased_until = now() - interval '1 second'")
        .await;
    let living = start(&stage, &trust, None);
    let after = eventually("it is noted", WAIT + Duration::from_secs(30), async || {
        let delivery = stage.deliveries(&endpoint).await.remove(0);
        (delivery.attempts > 0).then_some(delivery)
    })
    .await;
    drop(living);

    assert_eq!(between.attempts, 0);
    assert_eq!(after.state(), pb::DeliveryState::Delivered);
    assert_eq!(receiver.ids(), [told.clone(), told]);
    let got = receiver.got();
    assert_eq!(got[0].body, got[1].body);
}
