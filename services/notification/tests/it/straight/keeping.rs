//! Answers that are kept, and questions that are shared.

use std::sync::Arc;

use futures::future::join_all;
use tradepost_notification::config::AccessConfig;
use tradepost_notifications::wire::close;
use tradepost_testkit::eventually;

use super::gateway::{No, Word};
use super::stage::{SPOKEN, Stage, WS, closed, soon};
use crate::live::SOON;

#[tokio::test]
async fn who_comes_back_is_not_asked_about_again_until_revoked() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");
    let mut first = stage.welcomed("ada").await;
    let mut second = stage.welcomed("ada").await;
    assert_eq!(stage.gateway.asked(), 1);

    stage.gateway.say("ada", Word::No(No::Revoked));
    stage.gateway.revoke("session:of-ada", None);

    assert_eq!(closed(&mut first).await, Some(close::REVOKED));
    assert_eq!(closed(&mut second).await, Some(close::REVOKED));
    let refused = stage.bearer("ada").await.unwrap_err();
    assert_eq!(
        (refused.0, refused.1.as_str()),
        (401, "CREDENTIALS_REVOKED")
    );
    assert_eq!(stage.gateway.asked(), 2);
}

#[tokio::test]
async fn an_answer_is_kept_no_longer_than_its_credentials_are_good() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.token("short", "ada", soon());
    let mut ada = stage.welcomed("short").await;
    assert_eq!(closed(&mut ada).await, Some(close::EXPIRED));

    stage.gateway.say("short", Word::No(No::Expired));

    let refused = stage.bearer("short").await.unwrap_err();
    assert_eq!((refused.0, refused.1.as_str()), (401, "TOKEN_EXPIRED"));
}

#[tokio::test]
async fn an_answer_that_was_on_its_way_does_not_outrun_a_revocation() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");
    stage.person("bob");
    let mut bob = stage.welcomed("bob").await;
    stage.gateway.0.is_holding.send_replace(true);

    let opening = stage.bearer("ada");
    let revoking = async {
        let is_asked = async || (stage.gateway.asked() == 2).then_some(());
        eventually("it is asked", SOON, is_asked).await;
        stage.gateway.revoke("user:ada", None);
        stage.gateway.revoke("user:bob", None);
        // Heard, since what was told with it has come.
        assert_eq!(closed(&mut bob).await, Some(close::REVOKED));
        stage.gateway.0.is_holding.send_replace(false);
    };
    let (opened, ()) = tokio::join!(opening, revoking);

    let mut ada = opened.unwrap();
    super::stage::say(&mut ada, r#"{"t":"hello"}"#).await;
    assert_eq!(closed(&mut ada).await, Some(close::REVOKED));
}

#[tokio::test]
async fn those_who_ask_the_same_at_once_share_a_question_and_tickets_do_not() {
    let stage = Arc::new(Stage::new(AccessConfig::default()).await);
    let person = stage.person("ada");
    stage.gateway.say("ticket", Word::Yes(person));
    stage.gateway.0.is_holding.send_replace(true);
    let opened = |count, protocols: [&'static str; 3]| {
        let stage = Arc::clone(&stage);
        async move {
            let all = (0..count).map(|_| stage.open(WS, &[], &protocols));
            let all = join_all(all).await;
            assert!(all.iter().all(Result::is_ok), "{all:?}");
        }
    };
    let held = async |questions| {
        let is_asked = async || (stage.gateway.asked() == questions).then_some(());
        eventually("it is asked", SOON, is_asked).await;
        stage.gateway.0.is_holding.send_replace(false);
    };

    tokio::join!(opened(10, [SPOKEN, "bearer", "ada"]), held(1));
    assert_eq!(stage.gateway.asked(), 1);
    opened(3, [SPOKEN, "ticket", "ticket"]).await;
    assert_eq!(stage.gateway.asked(), 4);
}
