//! What the trouble of a service does to its callers, and what it does not.

use axum::http::Request;
use http_body_util::Full;
use serde_json::json;
use tonic::{Code, Status};
use tradepost_service::error::Failure;
use tradepost_testkit::eventually;

use crate::stage::{SOON, Stage, an_order};

fn unavailable() -> Status {
    Failure::new(
        Code::Unavailable,
        "SOME_REASON",
        "order.tradepost",
        "not now",
    )
    .into()
}

#[tokio::test]
async fn what_is_safe_is_tried_twice_and_no_more() {
    let stage = Stage::new().await;
    stage.fake.fail(unavailable());

    let read = stage.get("/v1/orders/o").await;
    assert_eq!((read.status.as_u16(), stage.fake.calls()), (503, 2));
    let keyed = stage.post("/v1/orders", &an_order()).await;
    assert_eq!((keyed.status.as_u16(), stage.fake.calls()), (503, 4));
    let report = Request::post("/v1/webhooks/payments").header("stripe-signature", "s");
    let report = stage.send(report.body(Full::default()).unwrap()).await;
    assert_eq!((report.status.as_u16(), stage.fake.calls()), (503, 5));
}

#[tokio::test]
async fn a_passing_fault_is_not_seen() {
    let stage = Stage::new().await;
    stage.fake.fail_times(1, unavailable());

    let answer = stage.post("/v1/orders/o/cancel", &json!({})).await;

    assert_eq!((answer.status.as_u16(), stage.fake.calls()), (200, 2));
}

#[tokio::test]
async fn what_is_no_passing_fault_is_not_repeated() {
    for code in [
        Code::Internal,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::ResourceExhausted,
    ] {
        let stage = Stage::new().await;
        stage.fake.fail(Status::new(code, "no"));

        stage.get("/v1/orders/o").await;

        assert_eq!(stage.fake.calls(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn repeating_never_becomes_the_load() {
    let stage = Stage::new().await;
    // Too few in the window at once would not matter: this service answers, it only says no.
    stage.fake.fail(unavailable());
    for _ in 0..40 {
        stage.get("/v1/orders/o").await;
    }
    // Ten are saved up, and a tenth of the calls is earned; then the breaker stops all.
    assert!(stage.fake.calls() <= 40 + 10 + 4, "{}", stage.fake.calls());
}

#[tokio::test]
async fn a_failing_service_is_left_alone_and_tried_again() {
    let stage = Stage::new().await;
    stage.fake.fail(Failure::new(
        Code::Internal,
        "BROKEN",
        "order.tradepost",
        "no",
    ));
    for _ in 0..20 {
        stage.get("/v1/orders/o").await;
    }
    let asked = stage.fake.calls();
    assert_eq!(asked, 20);

    let held = stage.get("/v1/orders/o").await;

    assert_eq!(
        held.faults(),
        (503, "UPSTREAM_UNAVAILABLE".to_owned(), vec![])
    );
    assert_eq!(held.header("retry-after"), Some("1"));
    assert_eq!(stage.fake.calls(), asked, "it is left alone");
    let rendered = stage.registry.render().unwrap();
    assert!(
        rendered.contains("upstream_breaker{service=\"order\"} 2"),
        "{rendered}"
    );
    assert!(
        rendered.contains("upstream_breaker{service=\"inventory\"} 0"),
        "{rendered}"
    );
    assert_eq!(
        stage.get("/v1/items/a").await.status,
        500,
        "others are asked as before"
    );

    let readiness = stage.health.readiness().await;
    assert!(readiness.ready, "the others are there");
    assert_eq!(readiness.notes["breaker.order"], "open");
    assert_eq!(readiness.notes["breaker.inventory"], "closed");

    stage.fake.heal();
    eventually("it is asked again", SOON, async || {
        (stage.get("/v1/orders/o").await.status == 200).then_some(())
    })
    .await;
    eventually("its breaker is closed", SOON, async || {
        stage.get("/v1/orders/o").await;
        let rendered = stage.registry.render().unwrap();
        rendered
            .contains("upstream_breaker{service=\"order\"} 0")
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn refusals_do_not_open_the_breaker() {
    let stage = Stage::new().await;
    stage.fake.fail(Failure::new(
        Code::NotFound,
        "ORDER_NOT_FOUND",
        "order.tradepost",
        "no",
    ));
    for _ in 0..60 {
        assert_eq!(stage.get("/v1/orders/o").await.status, 404);
    }
    assert_eq!(stage.fake.calls(), 60);
}

#[tokio::test]
async fn one_slow_service_does_not_take_every_place() {
    let stage = Stage::with(|config| config.upstreams.calls_max = 1).await;
    stage.fake.close_gate();
    let other = async {
        eventually("the first runs", SOON, async || {
            (stage.fake.calls() == 1).then_some(())
        })
        .await;
        let answer = stage.get("/v1/orders/o").await;
        stage.fake.gate.add_permits(2);
        let elsewhere = stage.get("/v1/items/a").await;
        (answer, elsewhere)
    };

    let (first, (other, elsewhere)) = tokio::join!(stage.get("/v1/orders/o"), other);

    assert_eq!(
        (first.status.as_u16(), elsewhere.status.as_u16()),
        (200, 200)
    );
    assert_eq!(
        other.faults(),
        (503, "UPSTREAM_OVERLOADED".to_owned(), vec![])
    );
    assert_eq!(other.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_caller_who_does_not_wait_long_is_told_the_service_so() {
    let stage = Stage::new().await;
    let read = Request::get("/v1/items/a").header("prefer", "wait=3");

    stage.send(read.body(Full::default()).unwrap()).await;

    let metadata = stage.fake.metadata();
    let timeout = metadata.get("grpc-timeout").unwrap().to_str().unwrap();
    let micros: u64 = timeout.strip_suffix('u').unwrap().parse().unwrap();
    assert!((1..=3_000_000).contains(&micros), "{timeout}");
}
