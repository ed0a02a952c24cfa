//! The pages of tenants: what is set at one gateway counts at every other, and each tenant's pages
//! call for that tenant only.

use axum::http::{Method, Request};
use http_body_util::Full;
use serde_json::json;
use tradepost_testkit::eventually;

use super::shop::{Gate, OPERATOR, PASSWORD, Shop, reason};
use crate::echo::{PATH, echo, open};
use crate::stage::{Answer, SOON};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const ADAS: &str = "https://ada.example";
const BOBS: &str = "https://bob.example";
const PLATFORM: &str = "https://console.example";
const ALLOWED: &str = "access-control-allow-origin";

/// What a page of this origin is told when it calls.
async fn called(gate: &Gate, origin: &str, token: &str) -> Answer {
    let request = Request::get(format!("http://{}/v1/auth/me", gate.addr()))
        .header("origin", origin)
        .header("authorization", format!("Bearer {token}"));
    gate.send(request.body(Full::default()).unwrap())
        .await
        .unwrap()
}

async fn preflight(gate: &Gate, origin: &str) -> Answer {
    let request = Request::options(format!("http://{}/v1/orders", gate.addr()))
        .header("origin", origin)
        .header("access-control-request-method", "POST");
    gate.send(request.body(Full::default()).unwrap())
        .await
        .unwrap()
}

async fn allow(shop: &Shop, tenant: &str, origins: &[&str]) {
    let operator = shop.gate.login(OPERATOR).await.access;
    let path = format!("/v1/tenants/{tenant}");
    let body = Some(json!({"cors_origins": origins}));
    let changed = shop.gate.ask(Method::PATCH, &path, &operator, body).await;
    assert_eq!(changed.status, 200, "{}", changed.json());
}

/// Waits until preflights are answered so.
async fn preflights(gate: &Gate, origin: &str, status: u16) {
    eventually("the change is known", SOON, async || {
        let answer = preflight(gate, origin).await;
        (answer.status == status).then_some(())
    })
    .await;
}

/// A shop with two tenants that have an origin each, and another gateway.
async fn opened() -> (Shop, Gate, String) {
    let (_seen, url) = echo().await;
    let shop = Shop::with(|config| {
        config.cors.origins = vec![PLATFORM.to_owned()];
        config.upstreams.notification_live_url = Some(url.parse().unwrap());
    })
    .await;
    let there = shop.second().await;
    let (adas, bobs) = (shop.tenant(ADA).await, shop.tenant(BOB).await);
    assert_eq!(preflight(&there, ADAS).await.status, 403);
    allow(&shop, &adas, &[ADAS]).await;
    allow(&shop, &bobs, &[BOBS]).await;
    preflights(&there, ADAS, 204).await;
    preflights(&there, BOBS, 204).await;
    (shop, there, adas)
}

#[tokio::test]
async fn an_origin_counts_on_every_gateway_from_when_it_is_set_until_it_is_taken_away() {
    let (shop, there, adas) = opened().await;
    assert_eq!(preflight(&there, ADAS).await.header(ALLOWED), Some(ADAS));
    let token = shop.gate.login(ADA).await.access;
    assert_eq!(called(&there, ADAS, &token).await.status, 200);

    allow(&shop, &adas, &[]).await;

    assert_eq!(preflight(&shop.gate, ADAS).await.status, 403);
    preflights(&there, ADAS, 403).await;
    let answer = called(&there, ADAS, &token).await;
    assert_eq!(answer.header(ALLOWED), None, "the page cannot read it");
    assert_eq!(preflight(&there, BOBS).await.status, 204);
}

#[tokio::test]
async fn pages_of_another_tenant_do_not_call_for_this_one() {
    let (shop, there, _) = opened().await;
    let (ada, bob) = (
        shop.gate.login(ADA).await.access,
        shop.gate.login(BOB).await.access,
    );
    let operator = shop.gate.login(OPERATOR).await.access;

    for gate in [&shop.gate, &there] {
        for (token, good) in [
            (&ada, ADAS),
            (&bob, BOBS),
            (&ada, PLATFORM),
            (&operator, PLATFORM),
        ] {
            let answer = called(gate, good, token).await;
            assert_eq!(answer.status, 200, "{good}");
            assert_eq!(answer.header(ALLOWED), Some(good));
        }
        for (token, foreign) in [(&ada, BOBS), (&bob, ADAS), (&operator, ADAS)] {
            let answer = called(gate, foreign, token).await;
            assert_eq!(answer.status, 403, "{foreign}");
            assert_eq!(reason(&answer), "ORIGIN_NOT_ALLOWED");
            assert_eq!(answer.header(ALLOWED), None, "{foreign} cannot read it");
        }
    }
    assert_eq!(
        shop.entries("get_me").await,
        6,
        "what is denied is recorded"
    );
}

#[tokio::test]
async fn pages_of_another_tenant_open_no_socket_for_this_one() {
    let (shop, there, _) = opened().await;
    let authorization = format!("Bearer {}", shop.gate.login(ADA).await.access);
    let opening = async |origin: &str| {
        let shown = [
            ("authorization", authorization.as_str()),
            ("origin", origin),
        ];
        open(there.addr(), PATH, &shown).await.map(|_opened| ())
    };

    for own in [ADAS, PLATFORM] {
        assert_eq!(opening(own).await, Ok(()), "{own}");
    }
    let refusal = Err((403, "ORIGIN_NOT_ALLOWED".to_owned()));
    for foreign in [BOBS, "https://evil.example"] {
        assert_eq!(opening(foreign).await, refusal, "{foreign}");
    }
}

/// Who they call for is not known yet: every tenant's pages log in.
#[tokio::test]
async fn pages_of_every_tenant_log_in() {
    let (shop, _there, _) = opened().await;
    for origin in [ADAS, BOBS, PLATFORM] {
        let body = json!({"email": ADA, "password": PASSWORD}).to_string();
        let request = Request::post(format!("http://{}/v1/auth/login", shop.gate.addr()))
            .header("origin", origin)
            .header("content-type", "application/json");
        let request = request.body(Full::from(body)).unwrap();
        let answer = shop.gate.send(request).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.json());
        assert_eq!(answer.header(ALLOWED), Some(origin));
    }
}
