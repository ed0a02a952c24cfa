//! The keys of access tokens come and go without a refused request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tradepost_gateway::application::RotateError;
use tradepost_testkit::eventually;
use tradepost_token::{Algorithm, SigningKey};

use super::shop::{Gate, OPERATOR, Session, Shop};
use crate::stage::SOON;

/// The name of the key that signed a token.
fn kid(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header = URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn published(gate: &Gate) -> Vec<String> {
    let answer = gate.get("/.well-known/jwks.json", "").await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let keys = answer.json()["keys"].as_array().unwrap().clone();
    let names = keys.iter().map(|key| {
        assert!(key.get("d").is_none(), "only what is public");
        key["kid"].as_str().unwrap().to_owned()
    });
    names.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_refused_while_keys_rotate() {
    let shop = Shop::with(|config| config.identity.key_lead_seconds = 2).await;
    let there = Arc::new(shop.second().await);
    let session = shop.gate.login(OPERATOR).await;
    let old = kid(&session.access);
    assert_eq!(published(&there).await, std::slice::from_ref(&old));
    let (stop, asked) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let asking = {
        let (there, stop, asked) = (Arc::clone(&there), stop.clone(), Arc::clone(&asked));
        let mut token = session.access.clone();
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                there.standing(&token).await.unwrap();
                token = there.login(OPERATOR).await.access;
                asked.fetch_add(1, Ordering::Relaxed);
            }
        })
    };

    shop.rotate().await;
    eventually("both are published", SOON, async || {
        (published(&there).await.len() == 2).then_some(())
    })
    .await;
    let next = eventually("the next signs", SOON, async || {
        let next = shop.gate.login(OPERATOR).await;
        (kid(&next.access) != old).then_some(next)
    })
    .await;
    let seen = asked.load(Ordering::Relaxed);
    eventually("it is used for a while", SOON, async || {
        (asked.load(Ordering::Relaxed) > seen + 5).then_some(())
    })
    .await;

    stop.cancel();
    asking.await.unwrap();
    assert!(there.standing(&next.access).await.is_ok());
    assert!(
        there.standing(&session.access).await.is_ok(),
        "the old one still counts"
    );
    assert_eq!(shop.entries("keys.rotated").await, 1);
}

#[tokio::test]
async fn a_retired_key_signs_nothing_that_counts() {
    let shop = Shop::open().await;
    let session = shop.gate.login(OPERATOR).await;

    shop.replace_keys().await;

    let refused = eventually("the old key is gone", SOON, async || {
        shop.gate.standing(&session.access).await.err()
    })
    .await;
    assert_eq!(refused, (401, "TOKEN_KEY_UNKNOWN".to_owned()));
    let next = eventually("the next key signs", SOON, async || {
        let answer = shop.gate.refresh(&session.refresh).await;
        (answer.status == 200).then(|| Session::of(&answer))
    })
    .await;
    assert!(shop.gate.standing(&next.access).await.is_ok());
}

#[tokio::test]
async fn a_key_that_was_made_elsewhere_is_published_once() {
    let shop = Shop::with(|config| config.identity.key_lead_seconds = 0).await;
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();

    let name = shop.adopt(&key).await.unwrap();
    let again = shop.adopt(&key).await;

    assert_eq!(name, key.kid());
    assert!(matches!(again, Err(RotateError::Known)), "{again:?}");
    eventually("it signs", SOON, async || {
        let session = shop.gate.login(OPERATOR).await;
        (kid(&session.access) == name).then_some(())
    })
    .await;
    let known = "tradepost_signing_keys 2";
    eventually("it is counted", SOON, async || {
        shop.gate.counts(known).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_shown_is_counted_by_what_became_of_it() {
    let shop = Shop::open().await;
    let session = shop.gate.login(OPERATOR).await;

    shop.gate.standing(&session.access).await.unwrap();
    shop.gate.standing("no.token").await.unwrap_err();
    shop.gate.standing("tp_live_nothing").await.unwrap_err();

    let counts = [
        r#"tradepost_credentials_total{kind="token",outcome="taken"} 1"#,
        r#"tradepost_credentials_total{kind="token",outcome="TOKEN_MALFORMED"} 1"#,
        r#"tradepost_credentials_total{kind="api_key",outcome="API_KEY_INVALID"} 1"#,
        "tradepost_revocations 0",
    ];
    for count in counts {
        assert!(shop.gate.counts(count), "{count}");
    }
    shop.gate.call("/v1/auth/logout", &session.access).await;
    eventually("the revocation is counted", SOON, async || {
        shop.gate.counts("tradepost_revocations 1").then_some(())
    })
    .await;
}
