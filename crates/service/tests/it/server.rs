//! What stands between the wire and a handler.

use std::time::Duration;

use hyper_util::rt::TokioExecutor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tradepost_proto::codec::MessageCodec;
use tradepost_proto::shipping::v1::shipping_service_client::ShippingServiceClient;
use tradepost_proto::shipping::v1::{GetShipmentRequest, GetShipmentResponse};
use tradepost_service::CommonConfig;
use tradepost_service::client::{ClientOptions, channel};
use tradepost_service::error::ErrorDetails;

use crate::support::{Server, Told, eventually, local, shipment, soon, start};

const METHOD: &str = "tradepost.shipping.v1.ShippingService/GetShipment";

fn counted(server: &Server, code: &str, times: u32) -> bool {
    let text = server.registry.render().expect("the registry renders");
    text.contains(&format!(
        "tradepost_rpc_server_call_duration_seconds_count{{method=\"{METHOD}\",code=\"{code}\"}} {times}"
    ))
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the caller of a test")]
async fn a_caller_that_goes_away_does_not_stop_its_handler() {
    let mut server = start(local()).await;
    let mut client = server.client.clone();
    let call = tokio::spawn(async move { client.get_shipment(shipment("wait")).await });
    assert_eq!(soon(server.told.recv()).await, Some(Told::Started));

    call.abort();
    eventually("the server notices", async || {
        counted(&server, "CANCELLED", 1).then_some(())
    })
    .await;
    server.gate.add_permits(1);

    assert_eq!(soon(server.told.recv()).await, Some(Told::Finished));
}

#[tokio::test]
async fn a_panic_answers_internal_without_its_text_and_harms_nobody_else() {
    let mut server = start(local()).await;

    let status = soon(server.client.get_shipment(shipment("panic")))
        .await
        .unwrap_err();
    let next = soon(server.client.get_shipment(shipment("ok"))).await;

    assert_eq!(status.code(), Code::Internal);
    assert_eq!(ErrorDetails::from_status(&status).reason, "INTERNAL");
    assert!(!format!("{status:?}").contains("told to"));
    assert!(next.is_ok(), "{next:?}");
}

#[tokio::test]
async fn an_internal_cause_is_not_shown() {
    let mut server = start(local()).await;

    let status = soon(server.client.get_shipment(shipment("fail")))
        .await
        .unwrap_err();

    assert_eq!(ErrorDetails::from_status(&status).reason, "INTERNAL");
    assert!(!format!("{status:?}").contains("hunter2"));
}

#[tokio::test]
async fn the_callers_deadline_ends_the_wait_but_not_the_work() {
    let mut server = start(local()).await;
    // A plain HTTP/2 client: tonic's own would watch the deadline by itself.
    let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let origin = server.url.parse().expect("the url is good");
    let mut client = ShippingServiceClient::with_origin(http, origin);
    let mut request = server.signed(shipment("wait"));
    request.set_timeout(Duration::from_millis(50));

    let status = soon(client.get_shipment(request)).await.unwrap_err();

    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.reason, "DEADLINE_EXCEEDED");
    assert_eq!(
        details.metadata.get("deadline_ms").map(String::as_str),
        Some("50")
    );
    assert_eq!(soon(server.told.recv()).await, Some(Told::Started));
    server.gate.add_permits(1);
    assert_eq!(soon(server.told.recv()).await, Some(Told::Finished));
}

#[tokio::test]
async fn a_deadline_that_passes_at_the_client_reads_the_same() {
    let mut server = start(local()).await;
    let mut request = Request::new(shipment("wait"));
    request.set_timeout(Duration::from_millis(20));

    let status = soon(server.client.get_shipment(request)).await.unwrap_err();

    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.code, Code::DeadlineExceeded);
    assert_eq!(details.reason, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn a_caller_without_a_deadline_gets_the_default_and_a_long_one_is_capped() {
    let mut server = start(CommonConfig {
        deadline_default_ms: 30,
        deadline_max_ms: 60,
        ..local()
    })
    .await;
    let mut long = Request::new(shipment("wait"));
    long.set_timeout(Duration::from_secs(3600));

    let without = soon(server.client.get_shipment(shipment("wait")))
        .await
        .unwrap_err();
    let capped = soon(server.client.get_shipment(long)).await.unwrap_err();

    let deadline = |status| {
        ErrorDetails::from_status(status)
            .metadata
            .get("deadline_ms")
            .cloned()
    };
    assert_eq!(deadline(&without).as_deref(), Some("30"));
    assert_eq!(deadline(&capped).as_deref(), Some("60"));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the caller of a test")]
async fn calls_beyond_the_limit_are_shed_with_a_time_to_come_back() {
    let mut server = start(CommonConfig {
        calls_max: 1,
        ..local()
    })
    .await;
    let mut first = server.client.clone();
    let held = tokio::spawn(async move { first.get_shipment(shipment("wait")).await });
    assert_eq!(soon(server.told.recv()).await, Some(Told::Started));

    let status = soon(server.client.get_shipment(shipment("ok")))
        .await
        .unwrap_err();

    let details = ErrorDetails::from_status(&status);
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(details.reason, "OVERLOADED");
    assert_eq!(details.retry_after, Some(Duration::from_millis(200)));
    let healthy = health(&server, "").await;
    assert_eq!(
        healthy,
        ServingStatus::Serving,
        "health answers under overload"
    );
    server.gate.add_permits(1);
    assert!(soon(held).await.expect("no panic").is_ok());
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the caller of a test")]
async fn shutdown_lets_a_running_call_finish() {
    let mut server = start(local()).await;
    let mut client = server.client.clone();
    let call = tokio::spawn(async move { client.get_shipment(shipment("wait")).await });
    assert_eq!(soon(server.told.recv()).await, Some(Told::Started));

    server.shutdown.cancel();
    assert!(!server.served.is_finished());
    server.gate.add_permits(1);

    assert!(soon(call).await.expect("no panic").is_ok());
    soon(server.served)
        .await
        .expect("no panic")
        .expect("a clean end");
    soon(server.tasks.drained()).await;
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_connection_that_never_spoke() {
    let server = start(local()).await;
    let addr = server.url.trim_start_matches("http://");
    let mut half = TcpStream::connect(addr).await.expect("it listens");
    half.write_all(b"PRI * HTTP/2").await.expect("it listens");
    let _silent = TcpStream::connect(addr).await.expect("it listens");
    // Connections are accepted one after the other: with this one, those before it are.
    let later = channel(&server.url, &ClientOptions::default()).expect("good url");
    soon(ShippingServiceClient::new(later).get_shipment(server.signed(shipment("ok"))))
        .await
        .expect("it serves");

    server.shutdown.cancel();

    soon(server.served)
        .await
        .expect("no panic")
        .expect("a clean end");
}

#[tokio::test]
async fn health_knows_the_process_and_each_service() {
    let server = start(local()).await;

    for name in ["", "tradepost.shipping.v1.ShippingService"] {
        eventually("it serves", async || {
            (health(&server, name).await == ServingStatus::Serving).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_channel_recovers_when_its_server_comes_late() {
    let reserved = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let addr = reserved.local_addr().expect("it is bound");
    drop(reserved);
    let late = channel(&format!("http://{addr}"), &ClientOptions::default()).expect("good url");
    let mut client = ShippingServiceClient::new(late);

    let before = soon(client.get_shipment(shipment("ok"))).await.unwrap_err();
    let server = start(CommonConfig {
        listen_addr: addr,
        ..local()
    })
    .await;

    assert_eq!(before.code(), Code::Unavailable, "{before:?}");
    eventually("the call passes", async || {
        client
            .get_shipment(server.signed(shipment("ok")))
            .await
            .ok()
    })
    .await;
}

#[tokio::test]
async fn a_method_nobody_knows_makes_no_label() {
    let server = start(local()).await;
    let mut grpc = tonic::client::Grpc::new(server.channel.clone());
    grpc.ready().await.expect("the server is there");

    let path = http::uri::PathAndQuery::from_static("/made.up.Service/Method");
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let status = soon(grpc.unary(server.signed(()), path, codec))
        .await
        .unwrap_err();

    assert_eq!(status.code(), Code::Unimplemented);
    let text = server.registry.render().expect("the registry renders");
    assert!(
        text.contains("method=\"unknown\",code=\"UNIMPLEMENTED\""),
        "{text}"
    );
    assert!(!text.contains("made.up"));
}

/// Calls a method with these bytes in the field that holds the shipment's id.
async fn send_raw(server: &Server, shipment_id: Vec<u8>) -> ErrorDetails {
    let mut grpc = tonic::client::Grpc::new(server.channel.clone());
    grpc.ready().await.expect("the server is there");
    let path = format!("/{METHOD}").parse().expect("a path");
    // A message whose first field holds bytes: any.
    let codec = tonic_prost::ProstCodec::<Vec<u8>, GetShipmentResponse>::default();
    let answer = soon(grpc.unary(server.signed(shipment_id), path, codec)).await;
    ErrorDetails::from_status(&answer.unwrap_err())
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_is_the_callers_fault_and_no_handler_sees_it() {
    let mut server = start(local()).await;

    let refused = send_raw(&server, b"wait\xff".to_vec()).await;

    assert_eq!(refused.code, Code::InvalidArgument);
    assert_eq!(
        (refused.domain.as_str(), refused.reason.as_str()),
        ("tradepost", "MESSAGE_MALFORMED")
    );
    assert!(refused.message.contains("shipment_id"), "{refused:?}");
    assert!(refused.message.contains("UTF-8"), "{refused:?}");
    assert!(counted(&server, "INVALID_ARGUMENT", 1));
    assert!(server.told.try_recv().is_err());
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_with_a_reason() {
    let mut server = start(local()).await;

    let refused = send_raw(&server, vec![b'a'; 5 * 1024 * 1024]).await;

    assert_eq!(refused.code, Code::OutOfRange);
    assert_eq!(
        (refused.domain.as_str(), refused.reason.as_str()),
        ("tradepost", "MESSAGE_TOO_LARGE")
    );
    assert!(refused.message.contains("4194304"), "{refused:?}");
    assert!(server.told.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_the_callers_fault() {
    let server = start(local()).await;
    let mut grpc = tonic::client::Grpc::new(server.channel.clone());
    grpc.ready().await.expect("the server is there");
    let path = format!("/{METHOD}").parse().expect("a path");

    // The answer holds a message, where this client expects a number.
    let codec = MessageCodec::<GetShipmentRequest, u64>::default();
    let request = server.signed(shipment("found"));
    let status = soon(grpc.unary(request, path, codec)).await.unwrap_err();

    let details = ErrorDetails::from_status(&status);
    assert_eq!(details.code, Code::Internal);
    assert_eq!(details.reason, "MESSAGE_MALFORMED");
}

async fn health(server: &Server, service: &str) -> ServingStatus {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    match soon(HealthClient::new(server.channel.clone()).check(request)).await {
        Ok(response) => response.into_inner().status(),
        Err(_not_yet_known) => ServingStatus::Unknown,
    }
}
