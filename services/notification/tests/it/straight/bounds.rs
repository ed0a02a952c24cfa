//! What one address or tenant may have.

use tradepost_notification::config::AccessConfig;
use tradepost_proto::gateway::v1 as pb;
use tradepost_service::proxies::ProxiesConfig;
use tradepost_testkit::eventually;

use super::gateway::Word;
use super::stage::{SPOKEN, Stage, WS, heard, say};
use crate::live::SOON;

#[tokio::test]
async fn an_address_has_so_many_connections_and_no_more() {
    let stage = Stage::new(AccessConfig {
        address_connections_max: 1,
        ..AccessConfig::default()
    })
    .await;
    stage.person("ada");
    let is_in = async || stage.bearer("ada").await.ok();
    let first = eventually("nobody else is there", SOON, is_in).await;

    let refused = stage.bearer("ada").await.unwrap_err();

    let wanted = (429, "TOO_MANY_SOCKETS".to_owned(), Some("5".to_owned()));
    assert_eq!(refused, wanted);
    // The gateway's connections are not of an address: it has bounds of its own.
    let credentials = stage.desk.credentials("bob", &["notifications:read"]);
    let relayed = [("authorization", credentials.as_str())];
    assert!(stage.open("/", &relayed, &[]).await.is_ok());
    drop(first);
    eventually("a place is free again", SOON, is_in).await;
}

#[tokio::test]
async fn behind_a_proxy_an_address_is_whom_it_speaks_for() {
    let behind = async |trusted: &str| {
        let proxies = ProxiesConfig {
            trusted: vec![trusted.parse().unwrap()],
            ..ProxiesConfig::default()
        };
        let stage = Stage::new(AccessConfig {
            address_connections_max: 1,
            proxies,
            ..AccessConfig::default()
        })
        .await;
        stage.person("ada");
        stage
    };
    let open = async |stage: &Stage, address: &str| {
        let headers = [
            ("authorization", "Bearer ada"),
            ("x-forwarded-for", address),
        ];
        let opened = stage.open(WS, &headers, &[SPOKEN]).await;
        opened.map_err(|(_, reason, _)| reason)
    };

    let stage = behind("127.0.0.0/8").await;
    let _one = open(&stage, "192.0.2.1").await.unwrap();
    assert!(open(&stage, "192.0.2.2").await.is_ok());
    let again = open(&stage, "192.0.2.1").await.err();
    assert_eq!(again.as_deref(), Some("TOO_MANY_SOCKETS"));
    let asked = stage.gateway.0.asked.lock().unwrap()[0].address.clone();
    assert_eq!(asked, "192.0.2.1");

    // Of one that is not trusted it is the client's own claim.
    let stage = behind("10.0.0.0/8").await;
    let is_in = async || open(&stage, "192.0.2.1").await.ok();
    let _one = eventually("nobody else is there", SOON, is_in).await;
    let again = open(&stage, "192.0.2.2").await.err();
    assert_eq!(again.as_deref(), Some("TOO_MANY_SOCKETS"));
}

#[tokio::test]
async fn an_address_opens_connections_so_fast_and_no_faster() {
    let stage = Stage::new(AccessConfig {
        address_connects_per_second: 1,
        ..AccessConfig::default()
    })
    .await;
    stage.person("ada");
    let too_fast = async || {
        let refused = stage.bearer("ada").await.err()?;
        let wanted = (429, "TOO_MANY_CONNECTS".to_owned(), Some("1".to_owned()));
        assert_eq!(refused, wanted);
        Some(())
    };

    eventually("it is too fast", SOON, too_fast).await;
}

#[tokio::test]
async fn few_wait_who_have_shown_nothing() {
    let stage = Stage::new(AccessConfig {
        waiting_max: 1,
        ..AccessConfig::default()
    })
    .await;
    stage.person("ada");
    let (mut first, _) = stage.open(WS, &[], &[SPOKEN]).await.unwrap();

    let refused = stage.open(WS, &[], &[SPOKEN]).await.unwrap_err();

    let wanted = (429, "TOO_MANY_WAITING".to_owned(), Some("5".to_owned()));
    assert_eq!(refused, wanted);
    assert!(stage.bearer("ada").await.is_ok());
    say(&mut first, r#"{"t":"hello","token":"ada"}"#).await;
    assert_eq!(heard(&mut first).await["t"], "welcome");
    assert!(stage.open(WS, &[], &[SPOKEN]).await.is_ok());
}

#[tokio::test]
async fn a_tenant_has_as_many_as_the_gateway_says() {
    let stage = Stage::new(AccessConfig::default()).await;
    let bounded = pb::AdmitResponse {
        connections_max: 1,
        ..stage.person("ada")
    };
    stage.gateway.say("ada", Word::Yes(bounded));
    let first = stage.bearer("ada").await.unwrap();

    let refused = stage.bearer("ada").await.unwrap_err();

    let wanted = (429, "TOO_MANY_SOCKETS".to_owned(), Some("5".to_owned()));
    assert_eq!(refused, wanted);
    drop(first);
    let is_in = async || stage.bearer("ada").await.ok();
    eventually("a place is free again", SOON, is_in).await;
}
