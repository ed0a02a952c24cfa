//! Who listens at a node of the notification service, without the gateway in between: the gateway
//! judges what they show, and ends what it has ended itself.

use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;
use time::OffsetDateTime;
use tradepost_e2e::{Account, Listener, Shop, knock};

const ADA: &str = "ada@example.com";
/// The credentials are not taken; they were revoked.
const EXPIRED: u16 = 4401;
const REVOKED: u16 = 4403;

/// The program of the tenant tells a user something.
async fn tell(program: &Account, user: &str, title: &str) {
    let body = json!({"user_ids": [user], "type": "test", "title": title});
    let request = program
        .request(Method::POST, "/v1/notifications")
        .json(&body);
    let request = request.header("Idempotency-Key", format!("{user} {title}"));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_token_opens_a_connection_to_a_node_until_its_session_ends() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    let ada = account.member(ADA, "customer").await;
    let node = shop.node().await;
    let mut listener = ada.listen_straight(&node).await;
    let user = ada.id().await;

    tell(&account, &user, "hello").await;
    assert_eq!(listener.notification().await.title, "hello");
    // The token of another session of hers carries the connection on, and with it its end.
    let (other, token) = ada.again(ADA).await;
    let until = listener.refresh(token.expose_secret()).await;
    assert!(until > OffsetDateTime::now_utc());
    let left = ada.request(Method::POST, "/v1/auth/logout").send().await;
    assert!(left.unwrap().status().is_success());
    tell(&account, &user, "still here").await;
    assert_eq!(listener.notification().await.title, "still here");
    let left = other.request(Method::POST, "/v1/auth/logout").send().await;
    assert!(left.unwrap().status().is_success());

    assert_eq!(listener.end().await, REVOKED);
}

#[tokio::test]
async fn a_ticket_opens_one_connection() {
    let mut shop = Shop::open().await;
    let account = shop.open_account().await;
    let ada = account.member(ADA, "customer").await;
    let node = shop.node().await;
    let ticket = ada.ticket().await;

    let mut listener = Listener::with_ticket(&node, &ticket).await.unwrap();
    tell(&account, &ada.id().await, "hello").await;
    assert_eq!(listener.notification().await.title, "hello");
    let again = Listener::with_ticket(&node, &ticket).await;
    assert_eq!(again.err(), Some(EXPIRED));

    // It was got in a session, and ends with it.
    let left = ada.request(Method::POST, "/v1/auth/logout").send().await;
    assert!(left.unwrap().status().is_success());
    assert_eq!(listener.end().await, REVOKED);
}

#[tokio::test]
async fn a_token_that_is_none_is_refused_before_the_upgrade() {
    let shop = Shop::open().await;
    let node = shop.node().await;

    let status = knock(&node, "eyJhbGciOiJFZERTQSJ9.e30.AAAA").await;

    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
