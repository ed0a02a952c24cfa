//! `Prefer: wait=N`.

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::Full;
use tradepost_proto::order::v1::{OrderState, WatchOrderRequest};
use tradepost_testkit::eventually;

use crate::stage::{Answer, SOON, Stage, an_order, keyed};

fn order(prefer: &'static str) -> Request<Full<Bytes>> {
    let (mut parts, body) = keyed(Method::POST, "/v1/orders", an_order().to_string()).into_parts();
    parts.headers.insert("prefer", prefer.parse().unwrap());
    Request::from_parts(parts, body)
}

/// Places an order, and once it is watched, lets it pass through `states`.
async fn placed_through(stage: &Stage, prefer: &'static str, states: &[OrderState]) -> Answer {
    let change = async {
        watched(stage, 1).await;
        for state in states {
            stage.fake.state.send_replace(*state);
        }
    };
    tokio::join!(stage.send(order(prefer)), change).0
}

/// Waits until so many watches have begun.
async fn watched(stage: &Stage, times: usize) {
    eventually("the order is watched", SOON, async || {
        (stage.fake.all::<WatchOrderRequest>().len() >= times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_wait_ends_when_it_is_known_how_placing_went() {
    for (state, name) in [
        (OrderState::Confirmed, "CONFIRMED"),
        (OrderState::Capturing, "CAPTURING"),
        (OrderState::Delivered, "DELIVERED"),
        (OrderState::Rejected, "REJECTED"),
        (OrderState::Cancelled, "CANCELLED"),
        (OrderState::Returned, "RETURNED"),
        (OrderState::NeedsAttention, "NEEDS_ATTENTION"),
    ] {
        let stage = Stage::new().await;

        let answer = placed_through(&stage, "wait=60", &[OrderState::Authorizing, state]).await;

        let order = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &order["state"]),
            (201, &name.into())
        );
        assert_eq!(answer.header("preference-applied"), Some("wait=60"));
        // The watch tells the state, the first answer the lines.
        assert_eq!(
            (&order["version"], &order["lines"][0]["name"]),
            (&4.into(), &"Lamp".into())
        );
    }
}

#[tokio::test]
async fn a_wait_ends_after_its_time_with_what_is_known() {
    let stage = Stage::new().await;

    let answer = placed_through(&stage, "wait=1", &[OrderState::Confirming]).await;

    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["state"], "CONFIRMING");
    assert_eq!(answer.json()["lines"][0]["name"], "Lamp");
    assert_eq!(answer.header("preference-applied"), Some("wait=1"));
}

#[tokio::test]
async fn a_wish_for_a_longer_wait_is_cut() {
    let stage = Stage::new().await;

    let answer = placed_through(&stage, "respond-async, wait=3600", &[OrderState::Confirmed]).await;

    assert_eq!(answer.header("preference-applied"), Some("wait=60"));
}

#[tokio::test]
async fn what_is_settled_is_not_watched() {
    let stage = Stage::new().await;
    let none = stage.send(order("wait=0")).await;
    stage.fake.state.send_replace(OrderState::Rejected);

    let settled = stage.send(order("wait=60")).await;
    let malformed = stage.send(order("wait=long")).await;

    assert_eq!(none.header("preference-applied"), Some("wait=0"));
    assert_eq!(settled.json()["state"], "REJECTED");
    assert_eq!(settled.header("preference-applied"), Some("wait=60"));
    assert_eq!(malformed.header("preference-applied"), None);
    assert_eq!(stage.fake.all::<WatchOrderRequest>().len(), 0);
}

#[tokio::test]
async fn a_repeated_order_is_waited_for_as_well() {
    let stage = Stage::new().await;
    *stage.fake.old.lock().unwrap() = true;

    let answer = placed_through(&stage, "wait=60", &[OrderState::Confirmed]).await;

    assert_eq!(
        (answer.status.as_u16(), &answer.json()["state"]),
        (200, &"CONFIRMED".into())
    );
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn a_wait_outlives_a_broken_watch() {
    let stage = Stage::new().await;
    *stage.fake.broken_watches.lock().unwrap() = 2;
    let change = async {
        watched(&stage, 3).await;
        stage.fake.state.send_replace(OrderState::Confirmed);
    };

    let (answer, ()) = tokio::join!(stage.send(order("wait=60")), change);

    assert_eq!(answer.json()["state"], "CONFIRMED");
}

#[tokio::test]
async fn who_waits_does_not_keep_others_out() {
    let stage = Stage::with(|config| {
        config.server.calls_max = 1;
        config.limits.waits_max = 1;
    })
    .await;
    let others = async {
        watched(&stage, 1).await;
        // Another request runs, and another order is answered without a wait.
        let read = stage.get("/v1/items/a").await;
        let placed = stage.send(order("wait=60")).await;
        stage.fake.state.send_replace(OrderState::Confirmed);
        (read, placed)
    };

    let (waited, (read, placed)) = tokio::join!(stage.send(order("wait=60")), others);

    assert_eq!(waited.json()["state"], "CONFIRMED");
    assert_eq!(read.status, 200);
    assert_eq!(
        (placed.status.as_u16(), &placed.json()["state"]),
        (201, &"RESERVING".into())
    );
    assert_eq!(placed.header("preference-applied"), None);
}

#[tokio::test]
async fn a_wait_ends_with_the_process() {
    let stage = Stage::new().await;
    let stop = async {
        watched(&stage, 1).await;
        stage.shutdown.cancel();
    };

    let (answer, ()) = tokio::join!(stage.send(order("wait=60")), stop);

    assert_eq!(
        (answer.status.as_u16(), &answer.json()["state"]),
        (201, &"RESERVING".into())
    );
}
