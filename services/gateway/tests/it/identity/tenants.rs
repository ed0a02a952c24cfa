//! Tenants: made, changed, suspended.

use axum::http::Method;
use serde_json::json;
use tradepost_testkit::eventually;

use super::shop::{OPERATOR, PASSWORD, Shop, reason};
use crate::stage::SOON;

#[tokio::test]
async fn a_suspended_tenant_gets_nothing_anywhere_until_it_is_resumed() {
    let shop = Shop::open().await;
    let there = shop.second().await;
    let tenant = shop.tenant("ada@example.com").await;
    let operator = shop.gate.login(OPERATOR).await.access;
    let ada = shop.gate.login("ada@example.com").await;
    assert!(there.standing(&ada.access).await.is_ok());

    let path = format!("/v1/tenants/{tenant}/suspend");
    let suspended = shop.gate.call(&path, &operator).await;

    assert_eq!(suspended.json()["state"], "SUSPENDED");
    let refused = (403, "TENANT_SUSPENDED".to_owned());
    assert_eq!(shop.gate.standing(&ada.access).await, Err(refused.clone()));
    let refused_there = eventually("refused there", SOON, async || {
        there.standing(&ada.access).await.err()
    });
    assert_eq!(refused_there.await, refused);
    let login = shop.gate.try_login("ada@example.com", PASSWORD).await;
    assert_eq!((login.status.as_u16(), reason(&login)), refused);
    let wrong = shop
        .gate
        .try_login("ada@example.com", "wrong-password")
        .await;
    assert_eq!(reason(&wrong), "LOGIN_FAILED");
    assert_eq!(
        reason(&there.refresh(&ada.refresh).await),
        "REFRESH_INVALID"
    );

    let resumed = shop
        .gate
        .call(&path.replace("suspend", "resume"), &operator)
        .await;

    assert_eq!(resumed.json()["state"], "ACTIVE");
    eventually("taken there", SOON, async || {
        there.standing(&ada.access).await.ok()
    })
    .await;
    assert_eq!(
        there.refresh(&ada.refresh).await.status,
        200,
        "nothing was lost"
    );
}

#[tokio::test]
async fn a_tenant_is_changed_part_by_part() {
    let shop = Shop::open().await;
    let tenant = shop.tenant("ada@example.com").await;
    let operator = shop.gate.login(OPERATOR).await.access;
    let path = format!("/v1/tenants/{tenant}");
    let change = async |body| {
        shop.gate
            .ask(Method::PATCH, &path, &operator, Some(body))
            .await
    };

    let changed = change(json!({
        "plan": "plus",
        "features": {"beta": true},
        "cors_origins": ["https://shop.example.com"],
    }))
    .await
    .json();
    let wild = change(json!({"cors_origins": ["https://a.example", "*"]})).await;

    assert_eq!(
        (&changed["name"], &changed["plan"]),
        (&json!("Acme"), &json!("plus"))
    );
    assert_eq!(changed["features"], json!({"beta": true}));
    let place = vec![("pointer".to_owned(), "/cors_origins/1".to_owned())];
    assert_eq!(wild.faults(), (400, "INVALID_FIELD".to_owned(), place));
    let read = shop.gate.get(&path, &operator).await.json();
    assert_eq!(read["cors_origins"], json!(["https://shop.example.com"]));
    let preflight = async |origin: &str| {
        let request = axum::http::Request::options(format!("http://{}{path}", shop.gate.addr()))
            .header("origin", origin)
            .header("access-control-request-method", "GET");
        let answer = shop
            .gate
            .send(request.body(Default::default()).unwrap())
            .await
            .unwrap();
        answer
            .header("access-control-allow-origin")
            .map(str::to_owned)
    };
    let own = "https://shop.example.com";
    assert_eq!(preflight(own).await.as_deref(), Some(own));
    assert_eq!(preflight("https://evil.example.com").await, None);
    let listed = shop.gate.get("/v1/tenants", &operator).await.json();
    assert_eq!(listed["tenants"].as_array().unwrap().len(), 1);
    assert_eq!(shop.entries("tenant.change").await, 1);
}

#[tokio::test]
async fn an_owner_is_made_with_a_password_or_is_there_already() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let operator = shop.gate.login(OPERATOR).await.access;
    let found = async |body| shop.gate.post("/v1/tenants", &operator, body).await;

    let missing = found(json!({"name": "B", "owner_email": "new@example.com"})).await;
    let there = found(json!({
        "name": "B", "owner_email": "ada@example.com", "owner_password": "amber-Lagos-3-saddle"
    }))
    .await;

    assert_eq!(
        (missing.status.as_u16(), reason(&missing)),
        (400, "INVALID_FIELD".to_owned())
    );
    assert_eq!(
        (there.status.as_u16(), reason(&there)),
        (409, "EMAIL_TAKEN".to_owned())
    );
    assert_eq!(
        shop.gate
            .try_login("ada@example.com", PASSWORD)
            .await
            .status,
        200
    );
}
