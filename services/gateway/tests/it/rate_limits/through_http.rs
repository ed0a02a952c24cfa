//! What callers see.

use axum::http::StatusCode;

use crate::stage::Stage;

#[tokio::test]
async fn an_answer_says_what_is_left() {
    let stage = Stage::limited(|_| {}).await;

    let answer = stage.get("/v1/items/none").await;

    let policy = answer.header("ratelimit-policy").unwrap();
    let left = answer.header("ratelimit").unwrap();
    assert_eq!(policy, "\"user\";q=1000;w=60");
    assert!(left.starts_with("\"user\";r=999"), "{left}");
}

#[tokio::test]
async fn who_is_over_the_limit_is_told_when_to_come_back() {
    let stage = Stage::limited(|config| {
        config.rate_limits.user_per_minute = 20;
    })
    .await;
    let mut refused = None;
    for _ in 0..500 {
        let answer = stage.get("/v1/items/none").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }

    let refused = refused.expect("a limit");

    let problem = refused.problem();
    assert_eq!(problem["reason"], "RATE_LIMITED");
    let seconds = problem["retry_after_seconds"].as_u64().unwrap();
    assert_eq!(refused.header("retry-after").unwrap(), seconds.to_string());
    let left = refused.header("ratelimit").unwrap();
    assert!(left.ends_with(&format!("r=0;t={seconds}")), "{left}");
}

#[tokio::test]
async fn an_address_is_limited_before_anything_else_is_known_of_it() {
    let stage = Stage::limited(|config| config.rate_limits.address_per_second = 1).await;
    let mut refused = None;
    for _ in 0..50 {
        let answer = stage.get("/nowhere").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }

    let refused = refused.expect("a limit");

    assert_eq!(refused.problem()["reason"], "RATE_LIMITED");
    assert_eq!(refused.header("ratelimit").unwrap(), "\"address\";r=0;t=1");
}
