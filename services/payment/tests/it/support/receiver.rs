//! Takes webhooks over HTTP as the gateway does.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tradepost_payment::adapters::grpc::PaymentApi;
use tradepost_proto::payment::v1 as pb;
use tradepost_proto::payment::v1::payment_service_server::PaymentService;

/// Listens until `stop`; where.
pub(super) async fn receiver(api: Arc<PaymentApi>, stop: CancellationToken) -> String {
    let take = async move |headers: HeaderMap, payload: Bytes| {
        let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
        let request = Request::new(pb::HandleProviderWebhookRequest { payload, signature });
        match api.handle_provider_webhook(request).await {
            Ok(_) => StatusCode::NO_CONTENT,
            Err(_) => StatusCode::BAD_REQUEST,
        }
    };
    let router = axum::Router::new().route("/", axum::routing::post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serve = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    tokio::spawn(serve.into_future());
    url
}
