//! Ending sessions: at once here, within a second elsewhere.

use axum::http::Method;
use serde_json::json;
use tradepost_testkit::eventually;

use super::shop::{Gate, OPERATOR, PASSWORD, Session, Shop, reason};
use crate::stage::SOON;

/// Waits until another gateway knows.
async fn refused_there(gate: &Gate, token: &str) -> (u16, String) {
    eventually("the other gateway refuses", SOON, async || {
        gate.standing(token).await.err()
    })
    .await
}

#[tokio::test]
async fn a_logout_counts_on_every_gateway() {
    let shop = Shop::open().await;
    let there = shop.second().await;
    let session = shop.gate.login(OPERATOR).await;
    let other = shop.gate.login(OPERATOR).await;
    assert!(there.standing(&session.access).await.is_ok());

    let ended = shop.gate.call("/v1/auth/logout", &session.access).await;

    assert_eq!(ended.status, 204);
    let revoked = (401, "CREDENTIALS_REVOKED".to_owned());
    assert_eq!(
        shop.gate.standing(&session.access).await,
        Err(revoked.clone())
    );
    assert_eq!(refused_there(&there, &session.access).await, revoked);
    assert_eq!(
        reason(&shop.gate.refresh(&session.refresh).await),
        "REFRESH_INVALID"
    );
    assert!(there.standing(&other.access).await.is_ok());
    assert_eq!(shop.entries("session.revoke").await, 1);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let first = shop.gate.login("ada@example.com").await;
    let second = shop.gate.login("ada@example.com").await;
    let stranger = shop.gate.login(OPERATOR).await;
    let one = format!("/v1/auth/sessions/{}", first.session);

    let listed = shop
        .gate
        .get("/v1/auth/sessions", &second.access)
        .await
        .json();
    let foreign = shop.gate.delete(&one, &stranger.access).await;
    let ended = shop.gate.delete(&one, &second.access).await;
    let again = shop.gate.delete(&one, &second.access).await;

    let ids = listed["sessions"].as_array().unwrap().iter();
    let ids: Vec<_> = ids
        .map(|one| (one["session_id"].clone(), one["current"].clone()))
        .collect();
    assert_eq!(
        ids,
        [
            (json!(second.session), json!(true)),
            (json!(first.session), json!(false))
        ]
    );
    assert_eq!(foreign.status, 404);
    assert_eq!((ended.status.as_u16(), again.status.as_u16()), (204, 404));
    assert!(shop.gate.standing(&first.access).await.is_err());
    assert!(shop.gate.standing(&second.access).await.is_ok());

    let all = shop.gate.delete("/v1/auth/sessions", &second.access).await;

    assert_eq!(all.status, 204);
    assert!(shop.gate.standing(&second.access).await.is_err());
    let anew = shop.gate.login("ada@example.com").await;
    assert!(shop.gate.standing(&anew.access).await.is_ok());
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let shop = Shop::open().await;
    let other = shop.gate.login(OPERATOR).await;
    let own = shop.gate.login(OPERATOR).await;
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        shop.gate.post("/v1/auth/password", &own.access, body).await
    };

    let wrong = change("wrong-password", "violet-Kazan-12-anchor").await;
    let common = change(PASSWORD, "Password123").await;
    let changed = change(PASSWORD, "violet-Kazan-12-anchor").await;

    assert_eq!(
        (wrong.status.as_u16(), reason(&wrong)),
        (403, "PASSWORD_WRONG".to_owned())
    );
    let place = vec![("pointer".to_owned(), "/new_password".to_owned())];
    assert_eq!(common.faults(), (400, "INVALID_FIELD".to_owned(), place));
    assert_eq!(changed.status, 204);
    assert!(shop.gate.standing(&own.access).await.is_ok());
    assert!(shop.gate.standing(&other.access).await.is_err());
    assert_eq!(
        reason(&shop.gate.try_login(OPERATOR, PASSWORD).await),
        "LOGIN_FAILED"
    );
    let anew = shop
        .gate
        .try_login(OPERATOR, "violet-Kazan-12-anchor")
        .await;
    Session::of(&anew);
}

#[tokio::test]
async fn a_member_a_tenant_and_a_role_are_revoked_on_every_gateway() {
    let shop = Shop::open().await;
    let there = shop.second().await;
    let tenant = shop.tenant("ada@example.com").await;
    let owner = shop.gate.login("ada@example.com").await.access;
    let bob = shop.member("bob@example.com", "support", &owner).await;
    let operator = shop.gate.login(OPERATOR).await.access;

    let tokens = shop.gate.login("bob@example.com").await;
    let path = format!("/v1/users/{bob}/revoke");
    assert_eq!(shop.gate.call(&path, &owner).await.status, 204);
    refused_there(&there, &tokens.access).await;

    let tokens = shop.gate.login("bob@example.com").await;
    let path = format!("/v1/users/{bob}/role");
    let body = Some(json!({"role": "manager"}));
    let changed = shop.gate.ask(Method::PUT, &path, &owner, body).await;
    assert_eq!(changed.json()["role"], "manager");
    refused_there(&there, &tokens.access).await;
    let next = Session::of(&there.refresh(&tokens.refresh).await);
    assert_eq!(
        there.standing(&next.access).await.unwrap()["role"],
        "manager"
    );

    let path = format!("/v1/tenants/{tenant}/revoke");
    assert_eq!(shop.gate.call(&path, &operator).await.status, 204);
    refused_there(&there, &next.access).await;
    refused_there(&there, &owner).await;
    assert!(there.standing(&operator).await.is_ok());
}
