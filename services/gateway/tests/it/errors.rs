//! What services refuse, in the terms of HTTP.

use std::time::Duration;

use axum::http::Method;
use tonic::{Code, Status};
use tradepost_service::error::{Failure, Violations};

use crate::stage::{Stage, an_order, keyed};

fn failure(code: Code, reason: &'static str) -> Failure {
    Failure::new(code, reason, "order.tradepost", "in words for developers")
}

#[tokio::test]
async fn every_code_has_its_status_and_keeps_its_reason() {
    let stage = Stage::new().await;
    for (code, status) in [
        (Code::InvalidArgument, 400),
        (Code::OutOfRange, 400),
        (Code::Unauthenticated, 503),
        (Code::PermissionDenied, 403),
        (Code::NotFound, 404),
        (Code::AlreadyExists, 409),
        (Code::FailedPrecondition, 409),
        (Code::Aborted, 409),
        (Code::ResourceExhausted, 429),
        (Code::Cancelled, 503),
        (Code::Internal, 500),
        (Code::Unknown, 500),
        (Code::DataLoss, 500),
        (Code::Unimplemented, 501),
        (Code::Unavailable, 503),
        (Code::DeadlineExceeded, 504),
    ] {
        stage.fake.fail(failure(code, "SOME_REASON"));

        let answer = stage.get("/v1/orders/o").await;

        let problem = answer.problem();
        assert_eq!(
            (answer.status.as_u16(), &problem["reason"]),
            (status, &"SOME_REASON".into())
        );
        assert_eq!(problem["instance"], "/v1/orders/o");
        let said = match (status, code) {
            (500, _) => "internal error",
            (_, Code::Unauthenticated) => "the order service does not know this gateway",
            _ => "in words for developers",
        };
        assert_eq!(problem["detail"], said, "{code:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_used_for_something_else_is_unprocessable() {
    let stage = Stage::new().await;
    let failure = failure(Code::InvalidArgument, "REQUEST_ID_REUSED");
    stage
        .fake
        .fail(failure.field("request_id", "was used for another request"));

    let answer = stage.post("/v1/orders", &an_order()).await;

    let header = ("header".to_owned(), "Idempotency-Key".to_owned());
    assert_eq!(
        answer.faults(),
        (422, "REQUEST_ID_REUSED".to_owned(), vec![header])
    );
}

#[tokio::test]
async fn the_fields_that_a_service_names_are_found_in_the_request() {
    let stage = Stage::new().await;
    let mut violations = Violations::new();
    violations.add("lines[3].quantity", "must be at least 1");
    violations.add("shipping_address.lines[0]", "must not be empty");
    violations.add("order_id", "is malformed");
    violations.add("states[1]", "is unknown");
    stage.fake.fail(violations.into_failure("order.tradepost"));
    let place = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());

    let posted = stage
        .post("/v1/orders/o/cancel", &serde_json::json!({}))
        .await;
    let listed = stage.get("/v1/orders").await;

    let expected = vec![
        place("pointer", "/lines/3/quantity"),
        place("pointer", "/shipping_address/lines/0"),
        place("parameter", "order_id"),
        place("pointer", "/states/1"),
    ];
    assert_eq!(posted.faults(), (400, "INVALID_FIELD".to_owned(), expected));
    assert_eq!(
        posted.problem()["errors"][0]["detail"],
        "must be at least 1"
    );
    assert_eq!(listed.faults().2[3], place("parameter", "state"));
}

#[tokio::test]
async fn an_order_of_bad_lines_only_is_the_callers_fault_and_harms_nobody_else() {
    let stage = Stage::new().await;
    let mut violations = Violations::new();
    for line in 0..2_000 {
        violations.add(format!("lines[{line}].sku"), "a SKU must not be empty");
        violations.add(format!("lines[{line}].quantity"), "must be at least 1");
    }
    stage.fake.fail(violations.into_failure("order.tradepost"));

    // More often than the breaker of a service lets pass.
    for _ in 0..40 {
        let answer = stage.post("/v1/orders", &an_order()).await;

        let (status, reason, places) = answer.faults();
        assert_eq!((status, reason.as_str()), (400, "INVALID_FIELD"));
        assert_eq!(places.len(), 50);
        assert_eq!(places[1].1, "/lines/0/quantity");
        let detail = answer.problem()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.starts_with("lines[0].sku a SKU must not be empty; "),
            "{detail}"
        );
        assert!(detail.ends_with(" more"), "{detail}");
    }
    assert_eq!(stage.fake.calls(), 40, "no call is repeated");
    stage.fake.heal();
    assert_eq!(stage.post("/v1/orders", &an_order()).await.status, 201);
}

#[tokio::test]
async fn a_caller_is_told_when_to_come_back() {
    let stage = Stage::new().await;
    let failure = failure(Code::Aborted, "REQUEST_IN_PROGRESS");
    stage
        .fake
        .fail(failure.retry_after(Duration::from_millis(2_100)));

    let answer = stage.post("/v1/orders", &an_order()).await;

    assert_eq!(answer.status, 409);
    assert_eq!(answer.header("retry-after"), Some("3"));
    assert_eq!(answer.problem()["retry_after_seconds"], 3);
}

#[tokio::test]
async fn a_status_without_details_is_told_by_its_code() {
    let stage = Stage::new().await;
    stage.fake.fail(Status::not_found("there is none"));
    assert_eq!(stage.get("/v1/orders/o").await.faults().1, "NOT_FOUND");

    stage
        .fake
        .fail(Status::internal("connection string postgres://secret"));
    let answer = stage.get("/v1/orders/o").await;

    assert_eq!(answer.problem()["reason"], "INTERNAL");
    assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret"));
}

#[tokio::test]
async fn a_service_that_is_not_there_is_unavailable() {
    let stage = Stage::with(|config| {
        config.upstreams.order_url = "http://127.0.0.1:1".parse().unwrap();
    })
    .await;

    let order = stage.get("/v1/orders/o").await;
    let item = stage.get("/v1/items/a").await;

    assert_eq!(
        order.faults(),
        (503, "UPSTREAM_UNAVAILABLE".to_owned(), vec![])
    );
    assert_eq!(order.header("retry-after"), Some("1"));
    assert_eq!(
        order.problem()["detail"],
        "the order service cannot be reached"
    );
    assert_eq!(item.status, 200);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_given_up_after_the_deadline() {
    let stage = Stage::with(|config| config.upstreams.deadline_ms = 50).await;
    stage.fake.close_gate();

    let answer = stage.post("/v1/orders", &an_order()).await;

    assert_eq!(
        answer.faults(),
        (504, "DEADLINE_EXCEEDED".to_owned(), vec![])
    );
}

#[tokio::test]
async fn the_head_of_a_problem_has_no_body() {
    let stage = Stage::new().await;
    stage.fake.fail(failure(Code::NotFound, "ORDER_NOT_FOUND"));

    let answer = stage.send(keyed(Method::HEAD, "/v1/orders/o", "")).await;

    assert_eq!((answer.status.as_u16(), answer.bytes.len()), (404, 0));
}
