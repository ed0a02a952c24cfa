//! When it ends: credentials run out, or are revoked.

use tradepost_notification::config::AccessConfig;
use tradepost_notifications::wire::close;
use tradepost_service::Clock;
use tradepost_testkit::eventually;

use super::stage::{Stage, closed, soon};
use crate::live::SOON;
use crate::live::desk::until_connected;

#[tokio::test]
async fn a_connection_ends_with_its_credentials() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.token("short", "ada", soon());
    stage.person("bob");
    let mut short = stage.welcomed("short").await;
    let mut bob = stage.welcomed("bob").await;

    assert_eq!(closed(&mut short).await, Some(close::EXPIRED));
    stage.reaches("bob", &mut bob).await;
    until_connected(&stage.node, 1).await;
}

#[tokio::test]
async fn what_rests_on_a_revoked_part_ends() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("bob");
    let mut bob = stage.welcomed("bob").await;

    for part in ["user:ada", "session:of-ada"] {
        // A revoked part stays so: whoever comes again shows something newer.
        stage.person("ada");
        let mut ada = stage.welcomed("ada").await;

        stage.gateway.revoke(part, Some(Clock::system().now()));

        assert_eq!(closed(&mut ada).await, Some(close::REVOKED), "{part}");
        stage.reaches("bob", &mut bob).await;
    }
    for part in ["all:".to_owned(), format!("tenant:{}", stage.desk.tenant)] {
        stage.person("eve");
        let mut eve = stage.welcomed("eve").await;

        stage.gateway.revoke(&part, Some(Clock::system().now()));

        assert_eq!(closed(&mut eve).await, Some(close::REVOKED), "{part}");
    }
    assert_eq!(closed(&mut bob).await, Some(close::REVOKED));
}

#[tokio::test]
async fn what_was_issued_later_is_spared() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("bob");
    let before = Clock::system().now();
    stage.person("ada");
    let mut ada = stage.welcomed("ada").await;
    let mut bob = stage.welcomed("bob").await;

    stage.gateway.revoke("user:ada", Some(before));
    stage.gateway.revoke("user:bob", None);

    // Told after it, and so heard after it.
    assert_eq!(closed(&mut bob).await, Some(close::REVOKED));
    stage.reaches("ada", &mut ada).await;
}

#[tokio::test]
async fn while_the_gateway_is_away_who_is_there_stays_and_nobody_comes() {
    let stage = Stage::new(AccessConfig {
        stale_ms: 5_000,
        ..AccessConfig::default()
    })
    .await;
    stage.person("ada");
    stage.person("bob");
    stage.token("short", "eve", soon());
    let mut ada = stage.welcomed("ada").await;
    let mut eve = stage.welcomed("short").await;

    stage.gateway.go_away(true);

    let unavailable = (
        503,
        "CREDENTIALS_UNAVAILABLE".to_owned(),
        Some("5".to_owned()),
    );
    assert_eq!(stage.bearer("bob").await.unwrap_err(), unavailable);
    // An answer that was kept is good no longer than the word on what is revoked.
    let is_refused = async || stage.bearer("ada").await.err();
    let refused = eventually("kept answers are not used", SOON, is_refused).await;
    assert_eq!(refused, unavailable);
    assert_eq!(closed(&mut eve).await, Some(close::EXPIRED));
    stage.reaches("ada", &mut ada).await;

    stage.gateway.go_away(false);
    let is_back = async || stage.bearer("bob").await.ok();
    eventually("somebody new is let in", SOON, is_back).await;
    stage.gateway.revoke("user:ada", None);
    assert_eq!(closed(&mut ada).await, Some(close::REVOKED));
}

#[tokio::test]
async fn what_is_revoked_while_nobody_listens_is_heard_afterwards() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");
    let mut ada = stage.welcomed("ada").await;

    stage.gateway.go_away(true);
    stage.gateway.revoke("user:ada", None);
    stage.gateway.go_away(false);

    assert_eq!(closed(&mut ada).await, Some(close::REVOKED));
}
