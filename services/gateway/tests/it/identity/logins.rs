//! Logging in: what is told, and what is not.

use serde_json::json;

use super::shop::{OPERATOR, PASSWORD, Session, Shop, reason};

#[tokio::test]
async fn a_login_gives_tokens_that_say_who_one_is() {
    let shop = Shop::open().await;
    let tenant = shop.tenant("ada@example.com").await;

    let ada = shop.gate.login(" ADA@example.com ").await;
    let me = shop.gate.standing(&ada.access).await.unwrap();

    assert_eq!(me["subject"], ada.user);
    assert_eq!(me["tenant_id"], tenant);
    assert_eq!(me["role"], "owner");
    assert_eq!(me["session_id"], ada.session);
    assert_eq!(
        shop.entries("session.login").await,
        2,
        "the operator's and hers"
    );
}

#[tokio::test]
async fn whoever_fails_learns_nothing() {
    let shop = Shop::open().await;
    shop.tenant("ada@example.com").await;
    let mut admin = shop.database.admin().await;
    let owner = shop.gate.login("ada@example.com").await.access;
    shop.member("gone@example.com", "support", &owner).await;
    sqlx::query("update users set state = 'disabled' where email = 'gone@example.com'")
        .execute(&mut admin)
        .await
        .unwrap();
    let attempts = [
        ("ada@example.com", "wrong-password"),
        ("nobody@example.com", PASSWORD),
        ("gone@example.com", PASSWORD),
        ("no address", PASSWORD),
        ("ada@example.com", ""),
    ];

    let mut answers = Vec::new();
    for (email, password) in attempts {
        let answer = shop.gate.try_login(email, password).await;
        assert_eq!(answer.status, 401, "{email}");
        let mut problem = answer.problem();
        problem.as_object_mut().unwrap().remove("trace_id");
        answers.push(problem);
    }

    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0]["reason"], "LOGIN_FAILED");
    assert_eq!(shop.entries("session.login_failed").await, 5);
}

#[tokio::test]
async fn a_member_of_several_tenants_says_where_and_only_after_the_password() {
    let shop = Shop::open().await;
    let first = shop.tenant("ada@example.com").await;
    let operator = shop.gate.login(OPERATOR).await.access;
    let body = json!({"name": "Second", "owner_email": "ada@example.com"});
    let second = shop.gate.post("/v1/tenants", &operator, body).await;
    assert_eq!(second.status, 201, "{}", second.json());

    let wrong = shop
        .gate
        .try_login("ada@example.com", "wrong-password")
        .await;
    let unsaid = shop.gate.try_login("ada@example.com", PASSWORD).await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD, "tenant_id": first});
    let said = shop.gate.post("/v1/auth/login", "", body).await;

    assert_eq!(reason(&wrong), "LOGIN_FAILED");
    assert_eq!(
        (unsaid.status.as_u16(), reason(&unsaid)),
        (409, "TENANT_REQUIRED".to_owned())
    );
    let choices = unsaid.problem()["choices"].as_array().unwrap().clone();
    let names: Vec<_> = choices.iter().map(|choice| &choice["title"]).collect();
    assert_eq!(names, ["Acme", "Second"]);
    let said = shop.gate.standing(&Session::of(&said).access).await;
    assert_eq!(said.unwrap()["tenant_id"], first);
}

#[tokio::test]
async fn credentials_are_taken_whole_and_once() {
    let shop = Shop::open().await;
    let token = shop.gate.login(OPERATOR).await.access;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request =
            axum::http::Request::builder().uri(format!("http://{}/v1/auth/me", shop.gate.addr()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = shop.gate.send(request.body(Default::default()).unwrap());
        let answer = answer.await.unwrap();
        (answer.status.as_u16(), reason(&answer))
    };
    let bearer = format!("Bearer {token}");
    let refused = |status: u16, reason: &str| (status, reason.to_owned());

    let two = [
        ("authorization", bearer.as_str()),
        ("x-api-key", "tp_live_x"),
    ];
    assert_eq!(ask(&two).await, refused(400, "CREDENTIALS_AMBIGUOUS"));
    let twice = [
        ("authorization", bearer.as_str()),
        ("authorization", bearer.as_str()),
    ];
    assert_eq!(ask(&twice).await, refused(400, "CREDENTIALS_AMBIGUOUS"));
    let basic = [("authorization", "Basic YTpi")];
    assert_eq!(ask(&basic).await, refused(400, "CREDENTIALS_MALFORMED"));
    let (head, tail) = bearer.split_at(bearer.len() - 20);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    let forged = format!("{head}{other}{}", &tail[1..]);
    assert_eq!(
        ask(&[("authorization", forged.as_str())]).await,
        refused(401, "TOKEN_SIGNATURE_WRONG")
    );
    let key = [("x-api-key", "tp_live_x")];
    assert_eq!(ask(&key).await, refused(401, "API_KEY_INVALID"));
}

#[tokio::test]
async fn an_account_is_tried_a_few_times_and_others_are_not_held_up() {
    let shop = Shop::with(|config| config.rate_limits.strict_factor = 1).await;

    let mut last = shop
        .gate
        .try_login("ada@example.com", "wrong-password")
        .await;
    for _ in 0..5 {
        last = shop
            .gate
            .try_login(" ADA@example.com", "wrong-password")
            .await;
    }
    let other = shop.gate.try_login(OPERATOR, PASSWORD).await;

    assert_eq!(
        (last.status.as_u16(), reason(&last)),
        (429, "RATE_LIMITED".to_owned())
    );
    assert!(last.header("retry-after").is_some());
    assert_eq!(other.status, 200);
}
