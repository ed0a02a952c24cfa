//! From where a request is taken to come.

use axum::http::Request;
use http_body_util::Full;
use tradepost_service::proxies::ForwardedHeader;

use crate::stage::Stage;

/// The address that the limits were told, and whether the answer says that it came encrypted.
async fn seen(stage: &Stage, headers: &[(&str, &str)]) -> (String, bool) {
    let request = Request::get("/v1/items/a");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    let answer = stage.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.status, 200);
    let address = stage.doubles.addresses().last().unwrap().to_string();
    (
        address,
        answer.header("strict-transport-security").is_some(),
    )
}

const CLAIM: [(&str, &str); 4] = [
    ("x-forwarded-for", "9.9.9.9"),
    ("x-forwarded-proto", "https"),
    ("x-real-ip", "8.8.8.8"),
    ("forwarded", "for=7.7.7.7;proto=https"),
];

#[tokio::test]
async fn x_forwarded_for_of_nobody_we_trust_is_ignored() {
    let stage = Stage::new().await;

    assert_eq!(seen(&stage, &CLAIM).await, ("127.0.0.1".to_owned(), false));
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_for_the_last_hop_that_is_no_proxy() {
    let stage = Stage::with(|config| {
        config.proxies.trusted = vec![
            "127.0.0.1/32".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
    })
    .await;
    let spoofed = [("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.1.2.3")];

    assert_eq!(seen(&stage, &CLAIM).await, ("9.9.9.9".to_owned(), true));
    assert_eq!(seen(&stage, &spoofed).await, ("9.9.9.9".to_owned(), false));
    assert_eq!(seen(&stage, &[]).await, ("127.0.0.1".to_owned(), false));
}

#[tokio::test]
async fn only_the_header_that_the_proxy_sets_is_read() {
    let stage = Stage::with(|config| {
        config.proxies.trusted = vec!["127.0.0.1/32".parse().unwrap()];
        config.proxies.header = ForwardedHeader::Forwarded;
    })
    .await;

    assert_eq!(seen(&stage, &CLAIM).await, ("7.7.7.7".to_owned(), true));
}
