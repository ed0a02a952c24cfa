//! A further token on a connection that is open.

use std::sync::atomic::{AtomicUsize, Ordering};

use tradepost_notification::config::AccessConfig;
use tradepost_notifications::client::{Client, Credentials, Options};
use tradepost_notifications::follow::Event;
use tradepost_notifications::wire::close;

use super::gateway::{No, Word};
use super::stage::{Stage, WS, closed, heard, late, say, soon};
use crate::live::desk::{event, opened, own};

const REFRESH: &str = r#"{"t":"refresh","token":"next"}"#;

#[tokio::test]
async fn a_connection_lives_as_long_as_its_last_token() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.token("short", "ada", soon());
    stage.token("next", "ada", late());
    let mut kept = stage.welcomed("short").await;
    let mut ended = stage.welcomed("short").await;

    say(&mut kept, REFRESH).await;

    let refreshed = heard(&mut kept).await;
    assert_eq!(refreshed["t"], "refreshed");
    assert!(refreshed["expires_at"].is_string(), "{refreshed}");
    assert_eq!(closed(&mut ended).await, Some(close::EXPIRED));
    stage.reaches("ada", &mut kept).await;
    stage.gateway.revoke("user:ada", None);
    assert_eq!(closed(&mut kept).await, Some(close::REVOKED));
}

#[tokio::test]
async fn a_connection_does_not_change_its_person_nor_live_on_a_bad_token() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");
    stage.person("bob");
    stage.gateway.say("old", Word::No(No::Expired));

    for (token, code) in [
        ("bob", close::REVOKED),
        ("old", close::EXPIRED),
        ("unknown", close::EXPIRED),
    ] {
        let mut ada = stage.welcomed("ada").await;
        say(&mut ada, &format!(r#"{{"t":"refresh","token":"{token}"}}"#)).await;
        assert_eq!(closed(&mut ada).await, Some(code), "{token}");
    }
}

#[tokio::test]
async fn a_refresh_that_cannot_be_judged_now_may_be_said_again() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.token("first", "ada", late());
    stage.gateway.say("next", Word::No(No::Unavailable));
    let mut ada = stage.welcomed("first").await;
    say(&mut ada, REFRESH).await;
    let is_asked = async || (stage.gateway.asked() == 2).then_some(());
    tradepost_testkit::eventually("it is asked", crate::live::SOON, is_asked).await;
    stage.reaches("ada", &mut ada).await;

    stage.token("next", "ada", late());
    let refreshed = async {
        loop {
            say(&mut ada, REFRESH).await;
            if heard(&mut ada).await["t"] == "refreshed" {
                return;
            }
        }
    };

    tokio::time::timeout(crate::live::SOON, refreshed)
        .await
        .expect("it is refreshed");
}

#[tokio::test]
async fn the_client_shows_its_next_token_in_time_and_stays() {
    let stage = Stage::new(AccessConfig::default()).await;
    let (runs_out, later) = (soon(), late());
    stage.token("first", "ada", runs_out);
    stage.token("next", "ada", later);
    let shown = AtomicUsize::new(0);
    let options = Options::new(format!("ws://{}{WS}", stage.node.addr));
    let mut client = Client::showing(options, move || {
        let (token, expires_at) = match shown.fetch_add(1, Ordering::SeqCst) {
            0 => ("first", runs_out),
            _ => ("next", later),
        };
        let token = token.into();
        Credentials::Token { token, expires_at }
    });
    opened(&mut client).await;
    let mut other = stage.welcomed("first").await;

    // It says nothing but that it stays, while another ends that was not refreshed.
    tokio::select! {
        code = closed(&mut other) => assert_eq!(code, Some(close::EXPIRED)),
        event = client.next() => panic!("{event:?}"),
    }

    let stream = own(&stage.desk.reader("ada"));
    stage.desk.tell(&[&stage.node], &stream, "still here");
    let told = event(&mut client).await;
    assert!(matches!(told, Event::Notification(_)), "{told:?}");
}

#[tokio::test]
async fn the_client_shows_a_ticket() {
    let stage = Stage::new(AccessConfig::default()).await;
    let person = stage.person("ada");
    stage.gateway.say("ticket", Word::Yes(person));
    let options = Options::new(format!("ws://{}{WS}", stage.node.addr));

    let mut client = Client::showing(options, || Credentials::Ticket("ticket".into()));

    opened(&mut client).await;
}
