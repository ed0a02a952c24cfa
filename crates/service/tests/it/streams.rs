//! What a caller is told who sends into an open stream what cannot be read.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Ready, ready};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use http::uri::PathAndQuery;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, StreamingService};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::Service;
use tradepost_proto::codec::MessageCodec;
use tradepost_proto::metrics::v1::{ProcessEventsRequest, ProcessEventsResponse};
use tradepost_service::auth::Rule;
use tradepost_service::error::{ErrorDetails, Failure};
use tradepost_service::{GrpcServer, Runtime};
use tradepost_testkit::Trust;
use tradepost_types::TenantId;

use crate::support::{local, soon};

/// All methods of the service have a rule; one of them is served.
const RULES: [Rule; 5] = [
    Rule::of_tenant("ProcessEvent", "events:write"),
    Rule::of_tenant("ProcessEvents", "events:write"),
    Rule::of_tenant("GetAggregates", "events:write"),
    Rule::of_tenant("WatchAggregates", "events:write"),
    Rule::of_tenant("GetPartialAggregates", "events:write"),
];

/// Answers each message of a stream with an empty one, and refuses an empty one.
#[derive(Clone)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "tradepost.metrics.v1.MetricsService";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let codec = MessageCodec::<ProcessEventsResponse, ProcessEventsRequest>::default();
        Box::pin(async move { Ok(Grpc::new(codec).streaming(Self, request).await) })
    }
}

impl StreamingService<ProcessEventsRequest> for Echo {
    type Response = ProcessEventsResponse;
    type ResponseStream = BoxStream<'static, Result<ProcessEventsResponse, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<ProcessEventsRequest>>) -> Self::Future {
        let answers = request.into_inner().map(|message| match message?.batch {
            Some(_) => Ok(ProcessEventsResponse::default()),
            None => Err(Failure::new(Code::Internal, "ECHO_EMPTY", "echo", "nothing").into()),
        });
        ready(Ok(Response::new(answers.boxed())))
    }
}

/// Sends these bytes as the first field of one message each; says how many answers came, and what
/// the stream ended with.
#[expect(clippy::disallowed_methods, reason = "the server of a test")]
async fn send(messages: Vec<Vec<u8>>) -> (usize, Result<(), Status>) {
    let trust = Trust::new();
    let mut common = local();
    common.auth = trust.config("test");
    let runtime = Runtime::bind("test", common).await.expect("a free port");
    let url = format!("http://{}", runtime.listener.local_addr().unwrap());
    let server = GrpcServer::new(&runtime)
        .descriptor(tradepost_proto::FILE_DESCRIPTOR_SET)
        .service(Echo, &RULES);
    tokio::spawn(server.serve(runtime.listener));
    let channel = tradepost_service::client::channel(&url, &Default::default()).unwrap();
    let mut context = trust.calls("test", TenantId::new(), &["events:write"]);
    let (metadata, extensions, ()) =
        tonic::service::Interceptor::call(&mut context, Request::new(()))
            .unwrap()
            .into_parts();
    let mut grpc = tonic::client::Grpc::new(channel);
    soon(grpc.ready()).await.expect("the server is there");

    // A message whose first field holds bytes: any.
    let codec = MessageCodec::<Vec<u8>, ProcessEventsResponse>::default();
    let path = PathAndQuery::from_static("/tradepost.metrics.v1.MetricsService/ProcessEvents");
    let request = Request::from_parts(metadata, extensions, stream::iter(messages));
    let answers = soon(grpc.streaming(request, path, codec)).await;
    let mut answers = answers.expect("the stream opens").into_inner();
    let mut came = 0;
    loop {
        match soon(answers.try_next()).await {
            Ok(Some(_)) => came += 1,
            Ok(None) => return (came, Ok(())),
            Err(status) => return (came, Err(status)),
        }
    }
}

/// An event batch without events: what is in the field is a message of its own.
const GOOD: &[u8] = &[0x0a, 0x00];

#[tokio::test]
async fn a_message_in_an_open_stream_that_cannot_be_read_ends_it_with_a_reason() {
    for (bytes, code, reason) in [
        (vec![0xff], Code::InvalidArgument, "MESSAGE_MALFORMED"),
        (vec![0; 5 << 20], Code::OutOfRange, "MESSAGE_TOO_LARGE"),
    ] {
        let (came, ended) = send(vec![GOOD.to_vec(), bytes]).await;

        let status = ended.unwrap_err();
        let details = ErrorDetails::from_status(&status);
        assert_eq!((came, status.code()), (1, code), "{status:?}");
        assert_eq!(
            (details.domain.as_str(), details.reason.as_str()),
            ("tradepost", reason)
        );
        assert!(!details.message.is_empty());
    }
}

#[tokio::test]
async fn what_a_handler_ends_a_stream_with_is_left_as_it_is() {
    let (came, well) = send(vec![GOOD.to_vec(), GOOD.to_vec()]).await;
    assert_eq!((came, well.is_ok()), (2, true));

    // Nothing in the field is no field at all.
    let (came, refused) = send(vec![GOOD.to_vec(), Vec::new()]).await;

    let status = refused.unwrap_err();
    let details = ErrorDetails::from_status(&status);
    assert_eq!((came, status.code()), (1, Code::Internal), "{status:?}");
    assert_eq!(
        (details.domain.as_str(), details.reason.as_str()),
        ("echo", "ECHO_EMPTY")
    );
}
