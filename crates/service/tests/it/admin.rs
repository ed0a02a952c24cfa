//! Readiness as the admin port tells it.

use tradepost_service::Health;

#[tokio::test]
async fn nothing_is_ready_before_the_process_says_so() {
    let health = Health::new();
    assert!(!health.readiness().await.ready);

    health.set_serving();

    assert!(health.readiness().await.ready);
}

#[tokio::test]
async fn a_failing_check_is_named_with_its_reason() {
    let health = Health::new();
    health.set_serving();
    health.check("broker", || async { Ok(()) });
    health.check("database", || async { Err("no connection".to_owned()) });

    let readiness = health.readiness().await;

    assert!(!readiness.ready);
    let answer = serde_json::to_value(&readiness).expect("it serialises");
    assert_eq!(
        answer["checks"],
        serde_json::json!([
            {"name": "serving", "ok": true},
            {"name": "broker", "ok": true},
            {"name": "database", "ok": false, "reason": "no connection"},
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_counts_as_failed() {
    let health = Health::new();
    health.set_serving();
    health.check("database", std::future::pending);

    let readiness = health.readiness().await;

    assert!(!readiness.ready);
    let reason = readiness
        .checks
        .last()
        .and_then(|check| check.reason.clone());
    assert_eq!(reason.as_deref(), Some("no answer within 1s"));
}
