//! The keys of access tokens come and go without a refused request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tradepost_testkit::eventually;

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
    let shop = Shop::with(|config| {
        config.identity.key_lead_seconds = 2;
        // It logs in without a pause.
        config.rate_limits.strict_factor = 1_000;
    })
    .await;
    let there = Arc::new(shop.second().await);
    let session = shop.gate.login(OPERATOR).await;
    let old = kid(&session.access);
    assert_eq!(published(&there).await, [old.clone()]);
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
        (answer.status == 200).then(|| Session::from(&answer))
    })
    .await;
    assert!(shop.gate.standing(&next.access).await.is_ok());
}
