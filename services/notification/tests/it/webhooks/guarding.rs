//! Nobody points us at our own network.

use tradepost_notification::domain::webhook::UrlRules;

use super::receiver::{Receiver, Reply};
use super::stage::{LOOSE, Stage};

/// http, as the receiver speaks it; and the public internet only.
const PUBLIC: UrlRules = UrlRules {
    allow_http: true,
    allow_private: false,
};

#[tokio::test]
async fn a_name_of_a_private_address_is_not_connected_to() {
    for names in [
        vec!["127.0.0.1"],
        vec!["::1"],
        vec!["::ffff:127.0.0.1"],
        vec!["169.254.169.254"],
        // One good address does not help.
        vec!["1.1.1.1", "127.0.0.1"],
    ] {
        let stage = Stage::open().await;
        let receiver = Receiver::start(Reply::status(200)).await;
        let url = format!("http://shop.example:{}/", receiver.address.port());
        let (endpoint, _) = stage.endpoint(&url, &["*"]).await;
        let names = names
            .into_iter()
            .map(|name| name.parse().unwrap())
            .collect();
        stage.work_with(PUBLIC, super::stage::WAIT, names);

        stage.tell("a.b").await;
        let delivery = stage.after(&endpoint, 1).await;

        assert_eq!(delivery.last_error, "forbidden_address");
        assert_eq!(receiver.got().len(), 0);
    }
}

#[tokio::test]
async fn a_private_address_in_a_stored_url_is_not_connected_to() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    // It was stored when the rules were looser.
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work_with(PUBLIC, super::stage::WAIT, vec![]);

    stage.tell("a.b").await;
    let delivery = stage.after(&endpoint, 1).await;

    assert_eq!(delivery.last_error, "invalid_url");
    assert_eq!(receiver.got().len(), 0);
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_looked_at() {
    let stage = Stage::open().await;
    let receiver = Receiver::start(Reply::status(200)).await;
    let port = receiver.address.port();
    let url = format!("http://shop.example:{port}/");
    let (endpoint, _) = stage.endpoint(&url, &["*"]).await;
    // Nobody but our own lookup knows that name.
    let here = vec!["127.0.0.1".parse().unwrap()];
    stage.work_with(LOOSE, super::stage::WAIT, here);

    stage.tell("a.b").await;

    assert_eq!(stage.after(&endpoint, 1).await.last_status, 200);
    assert_eq!(
        receiver.got()[0].headers["host"],
        format!("shop.example:{port}")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let stage = Stage::open().await;
    let inside = Receiver::start(Reply::status(200)).await;
    let to = Reply::Status(307, format!("location: {}\r\n", inside.url()));
    let receiver = Receiver::start(to).await;
    let (endpoint, _) = stage.endpoint(&receiver.url(), &["*"]).await;
    stage.work();

    stage.tell("a.b").await;
    let delivery = stage.after(&endpoint, 1).await;

    assert_eq!(
        (delivery.last_status, delivery.last_error.as_str()),
        (307, "status")
    );
    assert_eq!(inside.got().len(), 0);
}

#[tokio::test]
async fn a_name_that_stands_for_nothing_is_a_fault_of_its_own() {
    let stage = Stage::open().await;
    let (endpoint, _) = stage.endpoint("http://shop.example/", &["*"]).await;
    stage.work();

    stage.tell("a.b").await;

    assert_eq!(stage.after(&endpoint, 1).await.last_error, "resolve");
}
