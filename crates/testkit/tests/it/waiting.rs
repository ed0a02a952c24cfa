use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use tradepost_testkit::{eventually, free_port};

#[tokio::test]
async fn eventually_returns_the_first_value() {
    let mut asked = 0;

    let value = eventually("the third answer", Duration::from_secs(60), async || {
        asked += 1;
        (asked == 3).then_some(asked)
    })
    .await;

    assert_eq!(value, 3);
}

#[tokio::test]
async fn eventually_panics_with_what_was_awaited_even_if_the_probe_hangs() {
    let wait = eventually("the impossible", Duration::from_millis(30), async || {
        std::future::pending::<Option<()>>().await
    });

    let panic = AssertUnwindSafe(wait).catch_unwind().await.unwrap_err();

    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("the impossible"), "{message}");
    assert!(message.contains("waiting.rs"), "{message}");
}

#[test]
fn a_free_port_can_be_bound() {
    let port = free_port();

    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();

    assert_eq!(listener.local_addr().unwrap().port(), port);
}
