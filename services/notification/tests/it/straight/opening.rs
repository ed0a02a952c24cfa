//! Who is let in, and how they show who they are.

use tradepost_notification::config::{AccessConfig, LiveConfig};
use tradepost_notifications::wire::close;
use tradepost_proto::gateway::v1 as pb;
use tradepost_proto::gateway::v1::admit_request::Credentials as Shown;

use super::gateway::{No, Word};
use super::stage::{SPOKEN, Stage, WS, closed, heard, say};
use crate::live::desk::{Desk, opened};

#[tokio::test]
async fn each_way_of_showing_credentials_lets_in() {
    let stage = Stage::new(AccessConfig::default()).await;
    for name in ["token", "tp_key", "ticket2", "ticket3"] {
        let person = stage.person("ada");
        stage.gateway.say(name, Word::Yes(person));
    }
    let token = || Shown::AccessToken("token".to_owned());
    let key = || Shown::ApiKey("tp_key".to_owned());
    let ticket = |name: &str| Shown::Ticket(name.to_owned());
    let hello = r#"{"t":"hello"}"#;

    for (headers, protocols, answered, first, shown) in [
        (
            &[("authorization", "Bearer token")][..],
            &[SPOKEN][..],
            Some(SPOKEN),
            hello,
            token(),
        ),
        (&[("x-api-key", "tp_key")], &[], None, hello, key()),
        (
            &[("origin", "https://shop.example")],
            &[SPOKEN, "bearer", "token"],
            Some(SPOKEN),
            hello,
            token(),
        ),
        (
            &[],
            &["ticket", "ticket2"],
            Some("ticket"),
            hello,
            ticket("ticket2"),
        ),
        (
            &[],
            &[],
            None,
            r#"{"t":"hello","ticket":"ticket3"}"#,
            ticket("ticket3"),
        ),
        (
            &[("x-unrelated", "a")],
            &[SPOKEN],
            Some(SPOKEN),
            r#"{"t":"hello","token":"token"}"#,
            token(),
        ),
    ] {
        stage.gateway.0.asked.lock().unwrap().clear();

        let (mut socket, answer) = stage.open(WS, headers, protocols).await.unwrap();
        say(&mut socket, first).await;

        assert_eq!(heard(&mut socket).await["t"], "welcome", "{shown:?}");
        let protocol = answer.get("sec-websocket-protocol");
        assert_eq!(protocol.map(|it| it.to_str().unwrap()), answered);
        let asked = stage.gateway.0.asked.lock().unwrap().pop();
        let origin = headers.iter().find(|(name, _)| *name == "origin");
        // What was asked before from the same place is not asked again.
        if let Some(asked) = asked {
            let wanted = pb::AdmitRequest {
                credentials: Some(shown),
                address: "127.0.0.1".to_owned(),
                origin: origin.map_or_else(String::new, |(_, origin)| (*origin).to_owned()),
                audience: "notification".to_owned(),
            };
            assert_eq!(asked, wanted);
        } else {
            assert_eq!(shown, token());
        }
        stage.reaches("ada", &mut socket).await;
    }
}

#[tokio::test]
async fn who_is_not_taken_is_told_so_before_the_upgrade() {
    let stage = Stage::new(AccessConfig::default()).await;
    for (name, no) in [
        ("expired", No::Expired),
        ("suspended", No::Suspended),
        ("guessing", No::TooOften),
        ("unlucky", No::Unavailable),
    ] {
        stage.gateway.say(name, Word::No(no));
    }
    let ada = stage.person("ada");
    let sender = pb::AdmitResponse {
        rights: vec!["notifications:send".to_owned()],
        ..ada.clone()
    };
    stage.gateway.say("sender", Word::Yes(sender));
    let nobody = pb::AdmitResponse {
        tenant_id: String::new(),
        ..ada
    };
    stage.gateway.say("operator", Word::Yes(nobody));

    for (token, status, reason, after) in [
        ("expired", 401, "TOKEN_EXPIRED", None),
        ("unknown", 401, "TOKEN_INVALID", None),
        ("suspended", 403, "TENANT_SUSPENDED", None),
        ("sender", 403, "PERMISSION_DENIED", None),
        ("operator", 403, "READER_UNNAMED", None),
        ("guessing", 429, "TOO_MANY_FAILURES", Some("7")),
        ("unlucky", 503, "CREDENTIALS_UNAVAILABLE", Some("5")),
    ] {
        let refused = stage.bearer(token).await.unwrap_err();
        let after = after.map(str::to_owned);
        assert_eq!(refused, (status, reason.to_owned(), after), "{token}");
    }
    let bearer = ("authorization", "Bearer ada");
    for (path, headers, protocols, status, reason) in [
        (
            WS,
            &[bearer, ("x-api-key", "tp_key")][..],
            &[][..],
            401,
            "CREDENTIALS_AMBIGUOUS",
        ),
        (
            WS,
            &[("authorization", "Basic ada")],
            &[],
            401,
            "CREDENTIALS_MALFORMED",
        ),
        (
            "/v1/notifications/ws?token=ada",
            &[],
            &[],
            400,
            "INVALID_QUERY",
        ),
        (WS, &[bearer], &["another.v1"], 400, "SUBPROTOCOL_UNKNOWN"),
        ("/elsewhere", &[bearer], &[], 401, "UNAUTHENTICATED"),
    ] {
        let refused = stage.open(path, headers, protocols).await.unwrap_err();
        assert_eq!((refused.0, refused.1.as_str()), (status, reason), "{path}");
    }
}

#[tokio::test]
async fn who_shows_nothing_before_must_do_so_in_the_first_message() {
    let stage = Stage::new(AccessConfig::default()).await;
    stage.person("ada");
    stage.gateway.say("suspended", Word::No(No::Suspended));
    stage.gateway.say("unlucky", Word::No(No::Unavailable));

    for (first, code) in [
        (r#"{"t":"hello"}"#, close::EXPIRED),
        (r#"{"t":"hello","token":"unknown"}"#, close::EXPIRED),
        (r#"{"t":"hello","token":""}"#, close::EXPIRED),
        (r#"{"t":"hello","token":"suspended"}"#, close::REVOKED),
        (r#"{"t":"hello","token":"unlucky"}"#, close::FAULT),
        (
            r#"{"t":"hello","token":"ada","ticket":"ada"}"#,
            close::UNSPOKEN,
        ),
        (r#"{"t":"refresh","token":"ada"}"#, close::UNSPOKEN),
        (r#"{"t":"ping"}"#, close::UNSPOKEN),
    ] {
        let (mut socket, _) = stage.open(WS, &[], &[SPOKEN]).await.unwrap();
        say(&mut socket, first).await;
        assert_eq!(closed(&mut socket).await, Some(code), "{first:?}");
    }
    let mut twice = stage.bearer("ada").await.unwrap();
    say(&mut twice, r#"{"t":"hello","token":"ada"}"#).await;
    assert_eq!(closed(&mut twice).await, Some(close::UNSPOKEN));
}

#[tokio::test]
async fn who_shows_nothing_in_time_goes() {
    let live = LiveConfig {
        hello_ms: 100,
        ..LiveConfig::default()
    };
    let stage = Stage::with(live, AccessConfig::default()).await;

    let (mut socket, _) = stage.open(WS, &[], &[SPOKEN]).await.unwrap();

    assert_eq!(closed(&mut socket).await, Some(close::IDLE));
}

#[tokio::test]
async fn the_gateways_own_way_stays_as_it_is() {
    let stage = Stage::new(AccessConfig::default()).await;
    let credentials = stage.desk.credentials("ada", &["notifications:read"]);
    let headers = [("authorization", credentials.as_str())];

    for path in ["/", WS, "/any"] {
        let (mut socket, _) = stage.open(path, &headers, &[]).await.unwrap();
        say(&mut socket, r#"{"t":"hello"}"#).await;
        assert_eq!(heard(&mut socket).await["t"], "welcome", "{path}");
        stage.reaches("ada", &mut socket).await;
    }
    assert_eq!(stage.gateway.asked(), 0);
    let (mut socket, _) = stage.open("/", &headers, &[]).await.unwrap();
    say(&mut socket, r#"{"t":"hello","token":"ada"}"#).await;
    assert_eq!(closed(&mut socket).await, Some(close::UNSPOKEN));
}

#[tokio::test]
async fn without_a_judge_nobody_comes_straight() {
    let desk = Desk::new();
    let node = desk.node(LiveConfig::default()).await;
    let mut relayed = desk.client(&node, "ada");
    opened(&mut relayed).await;
    let (gateway, _addr) = super::gateway::Gateway::start().await;
    let stage = Stage {
        desk,
        node,
        gateway,
    };

    for token in ["ada", "unknown"] {
        let refused = stage.bearer(token).await.unwrap_err();
        assert_eq!((refused.0, refused.1.as_str()), (401, "UNAUTHENTICATED"));
    }
    let refused = stage.open(WS, &[], &[]).await.unwrap_err();
    assert_eq!((refused.0, refused.1.as_str()), (401, "UNAUTHENTICATED"));
}
