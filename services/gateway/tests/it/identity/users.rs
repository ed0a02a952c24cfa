//! The users of a tenant, and who may do what to whom.

use axum::http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use super::shop::{Gate, OPERATOR, PASSWORD, Shop, reason};
use crate::stage::Answer;

async fn set_role(gate: &Gate, user: &str, role: &str, by: &str) -> Answer {
    let path = format!("/v1/users/{user}/role");
    gate.ask(Method::PUT, &path, by, Some(json!({"role": role})))
        .await
}

#[tokio::test]
async fn nobody_gives_takes_or_has_more_than_their_own() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let owner = shop.gate.login("ada@example.com").await;
    let admin = shop.member("adi@example.com", "admin", &owner.access).await;
    let support = shop
        .member("sue@example.com", "support", &owner.access)
        .await;
    let adi = shop.gate.login("adi@example.com").await.access;
    let sue = shop.gate.login("sue@example.com").await.access;
    let denied = |answer: &Answer| (answer.status.as_u16(), reason(answer));
    let refused = |reason: &str| (403, reason.to_owned());

    let body = json!({"email": "new@example.com", "role": "owner", "password": PASSWORD});
    let made = shop.gate.post("/v1/users", &adi, body).await;
    assert_eq!(denied(&made), refused("ROLE_ABOVE_OWN"));
    let raised = set_role(&shop.gate, &support, "owner", &adi).await;
    assert_eq!(denied(&raised), refused("ROLE_ABOVE_OWN"));
    let deposed = set_role(&shop.gate, &owner.user, "support", &adi).await;
    assert_eq!(denied(&deposed), refused("ROLE_ABOVE_OWN"));
    let removed = shop
        .gate
        .delete(&format!("/v1/users/{}", owner.user), &adi)
        .await;
    assert_eq!(denied(&removed), refused("ROLE_ABOVE_OWN"));
    let own = set_role(&shop.gate, &admin, "owner", &adi).await;
    assert_eq!(denied(&own), refused("ROLE_IS_OWN"));
    let helped = set_role(&shop.gate, &admin, "customer", &sue).await;
    assert_eq!(denied(&helped), refused("PERMISSION_DENIED"));
    let operator = set_role(&shop.gate, &support, "operator", &owner.access).await;
    assert_eq!(operator.status, 400);
    let operates = shop.gate.get("/v1/tenants", &owner.access).await;
    assert_eq!(denied(&operates), refused("PERMISSION_DENIED"));
}

#[tokio::test]
async fn the_last_owner_stays() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let ada = shop.gate.login("ada@example.com").await;
    let own = format!("/v1/users/{}", ada.user);

    let gone = shop.gate.delete(&own, &ada.access).await;
    assert_eq!(
        (gone.status.as_u16(), reason(&gone)),
        (409, "LAST_OWNER".to_owned())
    );

    let eve = shop.member("eve@example.com", "owner", &ada.access).await;
    let token = shop.gate.login("eve@example.com").await.access;
    let lowered = set_role(&shop.gate, &ada.user, "admin", &token).await;
    assert_eq!(lowered.json()["role"], "admin");
    let left = shop.gate.delete(&format!("/v1/users/{eve}"), &token).await;
    assert_eq!(reason(&left), "LAST_OWNER");
}

#[tokio::test]
async fn two_owners_who_depose_each_other_leave_one() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let ada = shop.gate.login("ada@example.com").await;
    let eve = shop.member("eve@example.com", "owner", &ada.access).await;
    let token = shop.gate.login("eve@example.com").await.access;

    let (one, other) = tokio::join!(
        set_role(&shop.gate, &eve, "support", &ada.access),
        set_role(&shop.gate, &ada.user, "support", &token),
    );

    let owners: i64 = sqlx::query_scalar("select count(*) from memberships where role = 'owner'")
        .fetch_one(&mut shop.database.admin().await)
        .await
        .unwrap();
    assert_eq!(owners, 1, "{} {}", one.status, other.status);
}

#[tokio::test]
async fn one_tenant_neither_sees_nor_touches_the_users_of_another() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    shop.tenant("eve@example.com").await;
    let ada = shop.gate.login("ada@example.com").await;
    let eve = shop.gate.login("eve@example.com").await;
    let path = format!("/v1/users/{}", ada.user);

    let seen = shop.gate.get(&path, &eve.access).await;
    let removed = shop.gate.delete(&path, &eve.access).await;
    let revoked = shop.gate.call(&format!("{path}/revoke"), &eve.access).await;
    let changed = set_role(&shop.gate, &ada.user, "support", &eve.access).await;
    let body = json!({"email": "ada@example.com", "role": "support"});
    let taken = shop.gate.post("/v1/users", &eve.access, body).await;
    let listed = shop.gate.get("/v1/users", &eve.access).await.json();

    for answer in [&seen, &removed, &revoked, &changed] {
        assert_eq!(
            (answer.status.as_u16(), reason(answer)),
            (404, "USER_NOT_FOUND".to_owned())
        );
    }
    assert_eq!(
        (taken.status.as_u16(), reason(&taken)),
        (409, "EMAIL_TAKEN".to_owned())
    );
    let users = listed["users"].as_array().unwrap();
    assert_eq!(users.len(), 1);
    assert_eq!(users[0]["email"], "eve@example.com");
}

#[tokio::test]
async fn a_user_is_made_once_however_often_it_is_asked() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let owner = shop.gate.login("ada@example.com").await.access;
    let make = async |role: &str| {
        let body = json!({"email": "bob@example.com", "role": role});
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/v1/users", shop.gate.addr()))
            .header("idempotency-key", "wish-1")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {owner}"))
            .body(Full::from(body.to_string()));
        shop.gate.send(request.unwrap()).await.unwrap()
    };

    let made = make("support").await;
    let again = make("support").await;
    let other = make("manager").await;

    assert_eq!((made.status.as_u16(), again.status.as_u16()), (201, 200));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(made.json()["user_id"], again.json()["user_id"]);
    let password = made.json()["initial_password"].as_str().unwrap().to_owned();
    assert!(
        again.json().get("initial_password").is_none(),
        "it is shown once"
    );
    assert_eq!(
        (other.status.as_u16(), reason(&other)),
        (422, "REQUEST_ID_REUSED".to_owned())
    );
    assert_eq!(
        shop.gate
            .try_login("bob@example.com", &password)
            .await
            .status,
        200
    );
    assert_eq!(shop.entries("user.create").await, 2, "the operator and Bob");
}

#[tokio::test]
async fn who_is_removed_is_out_at_once_and_may_be_made_anew() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let owner = shop.gate.login("ada@example.com").await.access;
    let bob = shop.member("bob@example.com", "support", &owner).await;
    let tokens = shop.gate.login("bob@example.com").await;

    let removed = shop.gate.delete(&format!("/v1/users/{bob}"), &owner).await;

    assert_eq!(removed.status, 204);
    assert!(shop.gate.standing(&tokens.access).await.is_err());
    assert_eq!(
        reason(&shop.gate.refresh(&tokens.refresh).await),
        "REFRESH_INVALID"
    );
    assert_eq!(
        reason(&shop.gate.try_login("bob@example.com", PASSWORD).await),
        "LOGIN_FAILED"
    );
    let anew = shop.member("bob@example.com", "customer", &owner).await;
    assert_ne!(anew, bob);
}

#[tokio::test]
async fn users_are_listed_page_by_page() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let owner = shop.gate.login("ada@example.com").await.access;
    for number in 0..4 {
        shop.member(&format!("u{number}@example.com"), "customer", &owner)
            .await;
    }

    let (mut path, mut emails) = ("/v1/users?page_size=2".to_owned(), Vec::new());
    loop {
        let page = shop.gate.get(&path, &owner).await.json();
        let users = page["users"].as_array().unwrap();
        emails.extend(
            users
                .iter()
                .map(|user| user["email"].as_str().unwrap().to_owned()),
        );
        let Some(token) = page["next_page_token"].as_str() else {
            break;
        };
        path = format!("/v1/users?page_size=2&page_token={token}");
    }

    assert_eq!(emails.len(), 5);
    let broken = shop.gate.get("/v1/users?page_token=x", &owner).await;
    assert_eq!(
        (broken.status.as_u16(), reason(&broken)),
        (400, "PAGE_TOKEN_INVALID".to_owned())
    );
    let operator = shop.gate.login(OPERATOR).await.access;
    assert_eq!(shop.gate.get("/v1/users", &operator).await.status, 403);
}

#[tokio::test]
async fn weak_passwords_and_addresses_that_are_none_are_refused() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let owner = shop.gate.login("ada@example.com").await.access;
    let cases = [
        (json!({"email": "x", "role": "support"}), "/email"),
        (json!({"email": "x@example.com", "role": "king"}), "/role"),
        (
            json!({"email": "x@example.com", "role": "support", "password": "short"}),
            "/password",
        ),
        (
            json!({"email": "x@example.com", "role": "support", "password": "12345678"}),
            "/password",
        ),
    ];
    for (body, place) in cases {
        let answer = shop.gate.post("/v1/users", &owner, body).await;
        let place = vec![("pointer".to_owned(), place.to_owned())];
        assert_eq!(answer.faults(), (400, "INVALID_FIELD".to_owned(), place));
    }
}
