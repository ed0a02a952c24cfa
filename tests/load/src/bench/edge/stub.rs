//! Services that know one order and answer at once: every call gets the same bytes. It is
//! written on HTTP/2 itself, because a whole gRPC server would take processor time from the load.

use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tradepost_proto::common::v1::{Money, PostalAddress};
use tradepost_proto::order::v1::{GetOrderResponse, Order, OrderLine, OrderState};
use tradepost_proto::payment::v1::HandleProviderWebhookResponse;

use super::ORDER;

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const OK: HeaderValue = HeaderValue::from_static("0");

/// Answers until it is dropped.
///
/// # Errors
/// Fails when the listener does.
pub async fn serve(listener: TcpListener) -> std::io::Result<()> {
    let answers = Answers {
        order: framed(&sample()),
        nothing: framed(&HandleProviderWebhookResponse::default()),
    };
    let mut connections = JoinSet::new();
    loop {
        let (stream, _peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = answers.clone();
        let service = service_fn(move |request| {
            let answer = answers.to(&request);
            reply(request, answer)
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        connections.spawn(connection);
    }
}

/// The bytes of what is answered.
#[derive(Clone)]
struct Answers {
    order: Bytes,
    nothing: Bytes,
}

impl Answers {
    /// Every method of the order service is answered with the order, in the one field of its answer.
    fn to(&self, request: &Request<Incoming>) -> Bytes {
        let is_order = request.uri().path().starts_with("/tradepost.order.");
        if is_order { &self.order } else { &self.nothing }.clone()
    }
}

async fn reply(
    request: Request<Incoming>,
    answer: Bytes,
) -> Result<Response<impl Body<Data = Bytes, Error = Infallible>>, Infallible> {
    // What is not read is not acknowledged, and the caller would run out of window.
    let _read = request.into_body().collect().await;
    let trailers = async { Some(Ok(HeaderMap::from_iter([(GRPC_STATUS, OK)]))) };
    let mut response = Response::new(Full::new(answer).with_trailers(trailers));
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    Ok(response)
}

/// A message as gRPC sends it: not compressed, its length, itself.
fn framed(message: &impl Message) -> Bytes {
    let bytes = message.encode_to_vec();
    let mut frame = BytesMut::with_capacity(bytes.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(bytes.len()).unwrap_or(0));
    frame.put_slice(&bytes);
    frame.freeze()
}

/// An order of three lines.
fn sample() -> GetOrderResponse {
    let money = |minor_units| {
        Some(Money {
            currency_code: "GBP".to_owned(),
            minor_units,
        })
    };
    let line = |number: i32| OrderLine {
        line_number: number,
        sku: format!("8512{number}A"),
        name: "WHITE HANGING HEART T-LIGHT HOLDER".to_owned(),
        quantity: 6,
        unit_price: money(255),
        agreed_price: false,
        total: money(1_530),
    };
    let order = Order {
        order_id: ORDER.to_owned(),
        customer_ref: "17850".to_owned(),
        state: OrderState::Confirmed.into(),
        lines: (1..=3).map(line).collect(),
        total: money(4_590),
        shipping_address: Some(PostalAddress {
            recipient: "A Customer".to_owned(),
            lines: vec!["1 High Street".to_owned()],
            city: "London".to_owned(),
            region: String::new(),
            postal_code: "N1 1AA".to_owned(),
            country_code: "GB".to_owned(),
        }),
        version: 7,
        saga_version: 1,
        create_time: Some(prost_types::Timestamp::default()),
        update_time: Some(prost_types::Timestamp::default()),
        ..Order::default()
    };
    GetOrderResponse { order: Some(order) }
}
