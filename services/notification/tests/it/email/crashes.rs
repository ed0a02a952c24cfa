//! A process dies between sending and noting, or while it follows; and what processes say in their logs.

use std::collections::HashSet;
use std::time::Duration;

use secrecy::ExposeSecret;
use tradepost_proto::notification::v1 as pb;
use tradepost_testkit::{Process, Trust, eventually, free_port};
use tradepost_types::NotificationId;

use super::server::{Doors, MailServer, Manner};
use super::stage::{Stage, WAIT, content};

/// A process over the stage's database, and its admin port.
fn start(stage: &Stage, trust: &Trust, server: &MailServer, crash: Option<&str>) -> Process {
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
        ("EMAIL__HOST", "localhost".to_owned()),
        ("EMAIL__PORT", server.port.to_string()),
        ("EMAIL__TLS", "none".to_owned()),
        ("EMAIL__ALLOW_PLAINTEXT", "true".to_owned()),
        ("EMAIL__USER", "shop".to_owned()),
        ("EMAIL__SECRET", "canary-secret".to_owned()),
        ("EMAIL__FROM_ADDRESS", "shop@shop.example".to_owned()),
        ("EMAIL__LOOK_MS", "50".to_owned()),
        ("EMAIL__RETRY_MINUTES", "[1]".to_owned()),
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
async fn a_process_that_dies_after_sending_leaves_a_mail_that_is_sent_again_as_the_same() {
    let stage = Stage::open().await;
    let trust = Trust::new();
    let server = MailServer::start(Doors::Plain).await;
    stage.reader("ann").await;
    stage.tell(&["ann"]).await;

    let mut dying = start(&stage, &trust, &server, Some("notification.email_sent"));
    dying.wait(WAIT).await;
    let between = stage.emails("ann").await.remove(0);
    // The time of the lease passes.
    stage
        .sabotage("update emails set leased_until = now() - interval '1 second'")
        .await;
    let living = start(&stage, &trust, &server, None);
    let after = stage.after("ann", 1).await;
    drop(living);

    assert_eq!(between.attempts, 0);
    assert_eq!(after.state(), pb::EmailState::Sent);
    let got = server.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].header("Message-ID"), got[1].header("Message-ID"));
    assert_eq!(got[0].mail, got[1].mail);
}

#[tokio::test]
async fn a_follower_that_is_killed_leaves_each_email_to_be_made_once() {
    let stage = Stage::open().await;
    let trust = Trust::new();
    let server = MailServer::start(Doors::Plain).await;
    let users = ["ann", "bob", "cid"];
    for user in users {
        stage.reader(user).await;
    }
    let mut told = HashSet::new();
    let mut first = start(&stage, &trust, &server, None);
    let mut second = start(&stage, &trust, &server, None);

    for round in 0..60 {
        told.insert(stage.tell(&users).await.to_string());
        if round == 30 {
            eventually("somebody follows", WAIT, async || {
                let some = stage.emails("ann").await;
                (!some.is_empty()).then_some(())
            })
            .await;
            first.kill();
        }
    }
    second.kill();
    let third = start(&stage, &trust, &server, None);
    eventually("all are made", WAIT + WAIT, async || {
        let mut made = 0;
        for user in users {
            made += stage.emails(user).await.len();
        }
        (made == 180).then_some(())
    })
    .await;
    drop(third);

    for user in users {
        let made = stage.emails(user).await;
        let distinct: HashSet<String> = made.into_iter().map(|one| one.notification_id).collect();
        assert_eq!(distinct, told);
    }
}

#[tokio::test]
async fn no_address_no_text_and_no_secret_is_in_a_log() {
    let stage = Stage::open().await;
    let trust = Trust::new();
    let server = MailServer::start(Doors::Plain).await;
    stage.reader("ann").await;
    stage
        .put(stage.tenant, "ann", "canary-address@home.example")
        .await;
    let process = start(&stage, &trust, &server, None);
    let told = content("a.b", "canary-title", "canary-text");
    let tell = async || {
        let id = NotificationId::new();
        stage.tell_of(stage.tenant, id, &["ann"], &told).await;
        eventually("it is tried", WAIT + Duration::from_secs(30), async || {
            let newest = stage.emails("ann").await.into_iter().next()?;
            (newest.attempts == 1 && newest.notification_id == id.to_string()).then_some(newest)
        })
        .await
    };

    let sent = tell().await;
    server.behave(Manner::Says(".", "554 5.6.0 canary-reply"));
    let failed = tell().await;
    server.behave(Manner::Says(
        "RCPT",
        "550 5.1.1 <canary-address@home.example> unknown",
    ));
    let refused = tell().await;
    let log = eventually("it says so", WAIT, async || {
        let log = process.log();
        log.contains("notification.email_address_refused")
            .then_some(log)
    })
    .await;

    assert_eq!(sent.state(), pb::EmailState::Sent);
    assert_eq!(failed.last_status, 554);
    assert_eq!(refused.last_status, 550);
    assert_eq!(server.got().len(), 1);
    assert!(!log.contains("canary"), "{log}");
}
