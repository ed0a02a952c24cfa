//! Keys and trust change while calls go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tonic::Request;
use tradepost_service::auth::{Grant, Identity};
use tradepost_service::error::ErrorDetails;
use tradepost_service::{CommonConfig, Runtime};
use tradepost_types::TenantId;

use crate::support::{Server, eventually, local, shipment, soon, start};

fn grant(rights: &[&'static str]) -> Grant {
    Grant::of_service("test", "tester", TenantId::new(), rights)
}

async fn read(server: &Server, identity: &Identity, grant: &Grant) -> Result<(), String> {
    let mut request = Request::new(shipment("ok"));
    let bearer = identity.bearer(grant).expect("it signs").to_metadata();
    request.metadata_mut().insert("authorization", bearer);
    let answer = soon(server.plain().get_shipment(request)).await;
    answer
        .map(|_shipment| ())
        .map_err(|status| ErrorDetails::from_status(&status).reason)
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the caller of a test")]
async fn keys_rotate_without_a_refused_call() {
    let server = Arc::new(start(local()).await);
    let old = server.trust.gateway().clone();
    let running = Arc::new(AtomicBool::new(true));
    let calls = tokio::spawn({
        let (server, running, gateway) = (server.clone(), running.clone(), old.clone());
        async move {
            let mut answers = Vec::new();
            while running.load(Ordering::Relaxed) {
                // A tenant of its own makes a token of its own.
                answers.push(read(&server, &gateway, &grant(&["shipments:read"])).await);
            }
            answers
        }
    });

    // First the public half is spread, then the private one is used, then the old one goes.
    server.trust.believe("gateway", &["*"]);
    let pem = std::fs::read_to_string(server.trust.key_path("gateway")).expect("a key file");
    let key = || tradepost_token::SigningKey::from_pkcs8_pem(&pem.clone().into()).expect("a key");
    let new = Identity::new(key(), "gateway");
    eventually("the new key is believed", async || {
        read(&server, &new, &grant(&["shipments:read"])).await.ok()
    })
    .await;
    old.replace_key(key());

    let after = read(&server, &old, &grant(&["shipments:read"])).await;
    running.store(false, Ordering::Relaxed);
    let answers = soon(calls).await.expect("no panic");
    assert!(!answers.is_empty());
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(after, Ok(()));
}

#[tokio::test]
async fn an_issuer_that_is_forgotten_is_refused_with_the_tokens_it_made_before() {
    let server = start(local()).await;
    let order = server.trust.believe("order", &["shipments:read"]);
    let grant = grant(&["shipments:read"]);
    eventually("it is believed", async || {
        read(&server, &order, &grant).await.ok()
    })
    .await;

    server.trust.forget("order");

    let reason = eventually("it is refused", async || {
        read(&server, &order, &grant).await.err()
    })
    .await;
    // The rights go a moment before the keys.
    assert!(
        ["TOKEN_KEY_UNKNOWN", "ISSUER_BEYOND_BOUND"].contains(&reason.as_str()),
        "{reason}"
    );
    assert_eq!(read(&server, server.trust.gateway(), &grant).await, Ok(()));
}

#[tokio::test]
async fn an_issuer_says_no_more_than_it_may() {
    let server = start(local()).await;
    let order = server.trust.believe("order", &["shipments:read"]);
    let within = grant(&["shipments:read"]);
    eventually("it is believed", async || {
        read(&server, &order, &within).await.ok()
    })
    .await;

    let beyond = grant(&["shipments:read", "shipments:operate"]);
    let beyond = read(&server, &order, &beyond).await;

    assert_eq!(beyond, Err("ISSUER_BEYOND_BOUND".to_owned()));
}

#[tokio::test]
async fn a_broken_trust_file_changes_nothing() {
    let server = start(local()).await;
    let gateway = server.trust.gateway();
    let path = server.trust.trust_path();
    let good = std::fs::read_to_string(&path).expect("it is there");
    let grant = grant(&["shipments:read"]);
    assert_eq!(read(&server, gateway, &grant).await, Ok(()));

    for text in ["", "{", "{\"issuers\":[]}", &good[..good.len() / 2]] {
        std::fs::write(&path, text).expect("it is ours");
        for _ in 0..10 {
            assert_eq!(read(&server, gateway, &grant).await, Ok(()), "{text}");
        }
    }
    std::fs::remove_file(&path).expect("it is ours");
    assert_eq!(read(&server, gateway, &grant).await, Ok(()));
    // A good one is taken again.
    let order = server.trust.believe("order", &["*"]);
    eventually("it is followed again", async || {
        read(&server, &order, &grant).await.ok()
    })
    .await;
}

#[tokio::test]
async fn a_process_follows_its_own_key() {
    let server = start(local()).await;
    server.trust.believe("order", &["*"]);
    let config = CommonConfig {
        auth: server.trust.config("order"),
        ..local()
    };
    let runtime = Runtime::bind("order", config).await.expect("a free port");
    let order = runtime.identity().expect("it has a key");
    let fresh = || grant(&["shipments:read"]);
    eventually("it is believed", async || {
        read(&server, &order, &fresh()).await.ok()
    })
    .await;

    server.trust.forget("order");
    server.trust.believe("order", &["*"]);

    eventually("the new key is used", async || {
        read(&server, &order, &fresh()).await.ok()
    })
    .await;
}

#[tokio::test]
async fn equal_grants_share_a_token_and_others_do_not() {
    let server = start(local()).await;
    let gateway = server.trust.gateway();
    let token = |grant: &Grant| {
        let bearer = gateway.bearer(grant).expect("it signs").to_metadata();
        bearer.to_str().expect("it is ASCII").to_owned()
    };
    let one = grant(&["shipments:read"]);

    assert_eq!(token(&one), token(&one.clone()));
    let changes: [fn(&mut Grant); 5] = [
        |grant| grant.audience = "order",
        |grant| grant.subject = "other".to_owned(),
        |grant| grant.tenant = Some(TenantId::new()),
        |grant| grant.rights = vec!["shipments:operate"],
        |grant| grant.customer = true,
    ];
    for change in changes {
        let mut other = one.clone();
        change(&mut other);
        assert_ne!(token(&one), token(&other), "{other:?}");
    }
}
