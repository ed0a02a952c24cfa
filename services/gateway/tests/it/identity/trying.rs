//! Who tries too often waits, whether they are right or not.

use serde_json::json;

use super::shop::{PASSWORD, Shop, reason};

#[tokio::test]
async fn the_sixth_login_waits_also_with_the_right_password() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let mut reasons = Vec::new();
    for _ in 0..5 {
        let wrong = shop.gate.try_login("ada@example.com", "wrong").await;
        reasons.push(reason(&wrong));
    }

    let right = shop.gate.try_login("ADA@example.com", PASSWORD).await;
    let other = shop.gate.try_login("eve@example.com", PASSWORD).await;

    assert_eq!(reasons, ["LOGIN_FAILED"; 5]);
    assert_eq!(reason(&right), "RATE_LIMITED");
    let seconds = right.problem()["retry_after_seconds"].as_u64().unwrap();
    assert_eq!(right.header("retry-after").unwrap(), seconds.to_string());
    assert!((1..=12).contains(&seconds), "{seconds}");
    assert_eq!(
        right.header("ratelimit-policy").unwrap(),
        "\"login\";q=5;w=60"
    );
    assert_eq!(reason(&other), "LOGIN_FAILED", "others are not held up");
}

#[tokio::test]
async fn who_is_right_starts_anew() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;

    for _ in 0..3 {
        for _ in 0..4 {
            let wrong = shop.gate.try_login("ada@example.com", "wrong").await;
            assert_eq!(reason(&wrong), "LOGIN_FAILED");
        }
        shop.gate.login("ada@example.com").await;
    }
}

#[tokio::test]
async fn a_password_cannot_be_guessed_by_who_has_a_session() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let ada = shop.gate.login("ada@example.com").await.access;
    let mut statuses = Vec::new();

    for _ in 0..6 {
        let body = json!({"current_password": "wrong", "new_password": "canary-Quito-12-window"});
        let answer = shop.gate.post("/v1/auth/password", &ada, body).await;
        statuses.push(answer.status.as_u16());
    }

    assert!(
        statuses[..5].iter().all(|status| *status != 429),
        "{statuses:?}"
    );
    assert_eq!(statuses[5], 429);
}
