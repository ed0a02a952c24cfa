//! The stream of sends, beside the calls that it stands for.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::codegen::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tradepost_notification::adapters::grpc::{NotificationApi, RULES, SendStreams};
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_client::NotificationServiceClient;
use tradepost_proto::notification::v1::notification_service_server::NotificationServiceServer;
use tradepost_proto::notification::v1::send_outcome::Outcome;
use tradepost_proto::notification::v1::stream_sends_request::Send;
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_service::error::ErrorDetails;
use tradepost_service::{CommonConfig, GrpcServer, Runtime, Tasks};
use tradepost_testkit::{Trust, assert_guarded, eventually};

use super::support::{Desk, SOON};

type Client = NotificationServiceClient<InterceptedService<Channel, CallContext>>;

/// The calls behind a server.
struct Served {
    desk: Desk,
    client: Client,
    shutdown: CancellationToken,
    /// Whom the server believes; it reads that while it serves.
    _trust: Trust,
}

impl Served {
    async fn open() -> Self {
        let desk = Desk::open().await;
        let trust = Trust::new();
        let common = CommonConfig {
            listen_addr: ([127, 0, 0, 1], 0).into(),
            auth: trust.config("notification"),
            ..CommonConfig::default()
        };
        let runtime = Runtime::bind("notification", common).await.unwrap();
        let url = format!("http://{}", runtime.listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let mut api = desk.api.clone();
        api.streams = SendStreams::new(Tasks::new(shutdown.clone()), shutdown.clone());
        let server = GrpcServer::new(&runtime)
            .descriptor(FILE_DESCRIPTOR_SET)
            .service(NotificationServiceServer::new(api), &RULES);
        tokio::spawn(server.serve(runtime.listener));
        let calls = trust.calls("notification", desk.tenant, &["notifications:send"]);
        let channel = channel(&url, &ClientOptions::default()).unwrap();
        Self {
            client: NotificationServiceClient::with_interceptor(channel, calls),
            desk,
            shutdown,
            _trust: trust,
        }
    }

    async fn begin(&self) -> (mpsc::Sender<pb::StreamSendsRequest>, Answers) {
        self.try_begin().await.unwrap()
    }

    async fn try_begin(&self) -> Result<(mpsc::Sender<pb::StreamSendsRequest>, Answers), Status> {
        let (sends, receiver) = mpsc::channel(1);
        let sent = ReceiverStream::new(receiver);
        let answers = self.client.clone().stream_sends(Request::new(sent)).await?;
        Ok((sends, answers.into_inner()))
    }

    /// What becomes of these, by their tags, and how the stream ends.
    async fn send(&self, sends: Vec<Option<Send>>) -> (Vec<Outcome>, Result<(), Status>) {
        let (sender, answers) = self.begin().await;
        for (tag, send) in (0..).zip(sends) {
            sender
                .send(pb::StreamSendsRequest { tag, send })
                .await
                .unwrap();
        }
        drop(sender);
        let (mut outcomes, ended) = rest(answers).await;
        outcomes.sort_by_key(|outcome| outcome.tag);
        let tags: Vec<u64> = outcomes.iter().map(|outcome| outcome.tag).collect();
        assert_eq!(tags, (0..tags.len() as u64).collect::<Vec<_>>());
        let outcomes = outcomes.into_iter().filter_map(|outcome| outcome.outcome);
        (outcomes.collect(), ended)
    }

    fn heard(&self) -> usize {
        self.desk.heard.take().len()
    }
}

type Answers = Streaming<pb::StreamSendsResponse>;

/// All that comes until the end.
async fn rest(mut answers: Answers) -> (Vec<pb::SendOutcome>, Result<(), Status>) {
    let mut outcomes = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => outcomes.extend(answer.outcomes),
            Ok(None) => return (outcomes, Ok(())),
            Err(status) => return (outcomes, Err(status)),
        }
    }
}

fn content() -> Option<pb::Content> {
    Some(pb::Content {
        r#type: "note".to_owned(),
        title: "A title".to_owned(),
        ..pb::Content::default()
    })
}

fn to(users: &[&str], request_id: &str) -> pb::SendToUsersRequest {
    pb::SendToUsersRequest {
        request_id: request_id.to_owned(),
        user_ids: users.iter().map(|&user| user.to_owned()).collect(),
        content: content(),
        ..pb::SendToUsersRequest::default()
    }
}

fn to_group(group: &str, request_id: &str) -> pb::BroadcastToGroupRequest {
    pb::BroadcastToGroupRequest {
        request_id: request_id.to_owned(),
        group_id: group.to_owned(),
        content: content(),
        ..pb::BroadcastToGroupRequest::default()
    }
}

fn passing(user: &str) -> pb::SendToUsersRequest {
    pb::SendToUsersRequest {
        delivery: pb::Delivery::Ephemeral.into(),
        ..to(&[user], "")
    }
}

fn users(request: pb::SendToUsersRequest) -> Option<Send> {
    Some(Send::ToUsers(request))
}

fn group(request: pb::BroadcastToGroupRequest) -> Option<Send> {
    Some(Send::ToGroup(request))
}

/// As the outcome of a stream says what the error of a call says.
fn as_error(status: &Status) -> pb::SendError {
    let details = ErrorDetails::from_status(status);
    let faults = details.fields.into_iter().map(|fault| pb::SendFault {
        field: fault.field,
        description: fault.description,
    });
    pb::SendError {
        code: details.code.into(),
        reason: details.reason,
        message: details.message,
        faults: faults.collect(),
        retry_delay: None,
    }
}

#[tokio::test]
async fn every_method_opens_to_its_right_in_a_believed_token_and_to_nothing_else() {
    let desk = Desk::open().await;
    let service = NotificationServiceServer::<NotificationApi>::new(desk.api);

    assert_guarded("notification", service, FILE_DESCRIPTOR_SET, &RULES).await;
}

#[tokio::test]
async fn outcomes_are_what_the_calls_answer_and_a_refusal_ends_nothing() {
    let served = Served::open().await;
    served.desk.make_group("all").await;
    let mut calls = served.client.clone();
    let first = calls
        .send_to_users(to(&["ann", "bob"], "one"))
        .await
        .unwrap();
    let told = calls
        .broadcast_to_group(to_group("all", "two"))
        .await
        .unwrap();
    let reused = calls.send_to_users(to(&["eve"], "one")).await.unwrap_err();
    let missing = calls
        .broadcast_to_group(to_group("none", "x"))
        .await
        .unwrap_err();
    let bad = calls
        .send_to_users(to(&["", "a\nb"], ""))
        .await
        .unwrap_err();
    served.heard();

    let (outcomes, ended) = served
        .send(vec![
            users(to(&["", "a\nb"], "")),
            group(to_group("none", "x")),
            users(to(&["eve"], "one")),
            None,
            users(to(&["ann", "bob"], "one")),
            group(to_group("all", "two")),
            users(passing("ann")),
            users(to(&["eve"], "three")),
        ])
        .await;

    ended.unwrap();
    assert_eq!(outcomes.len(), 8);
    assert_eq!(outcomes[0], Outcome::Error(as_error(&bad)));
    assert_eq!(outcomes[1], Outcome::Error(as_error(&missing)));
    assert_eq!(outcomes[2], Outcome::Error(as_error(&reused)));
    let Outcome::Error(nothing) = &outcomes[3] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(
        (nothing.code, nothing.reason.as_str()),
        (3, "INVALID_FIELD")
    );
    assert_eq!(nothing.faults[0].field, "send");
    assert_eq!(outcomes[4], Outcome::ToUsers(first.into_inner()));
    assert_eq!(outcomes[5], Outcome::ToGroup(told.into_inner()));
    let Outcome::ToUsers(signal) = &outcomes[6] else {
        panic!("{outcomes:?}");
    };
    assert!(signal.notification_id.starts_with("ntf_") && signal.sequences.is_empty());
    let Outcome::ToUsers(eves) = &outcomes[7] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(eves.sequences, [1]);
    // Repetitions are announced to nobody.
    assert_eq!(served.heard(), 2);
}

#[tokio::test]
async fn many_sends_are_each_answered_once_and_stored_in_sequence() {
    let served = Served::open().await;
    let sends = (0..600).map(|number| users(to(&["ann"], &format!("id-{number}"))));

    let (outcomes, ended) = served.send(sends.collect()).await;

    ended.unwrap();
    let mut sequences: Vec<u64> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::ToUsers(told) => told.sequences[0],
            other @ (Outcome::ToGroup(_) | Outcome::Error(_)) => panic!("{other:?}"),
        })
        .collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=600).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_reads_outcomes_late_has_lost_none() {
    const SENDS: u64 = 2_000;
    let served = Served::open().await;
    let (sender, answers) = served.begin().await;
    // More than may be under way, so that outcomes wait at every place there is for them.
    for tag in 0..SENDS {
        let send = users(passing("ann"));
        sender
            .send(pb::StreamSendsRequest { tag, send })
            .await
            .unwrap();
    }
    drop(sender);

    let (outcomes, ended) = rest(answers).await;

    ended.unwrap();
    let mut tags: Vec<u64> = outcomes.iter().map(|outcome| outcome.tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, (0..SENDS).collect::<Vec<_>>());
    assert_eq!(served.heard(), tags.len());
}

#[tokio::test]
async fn a_caller_that_hangs_up_leaves_what_it_sent_told_and_its_place_free() {
    let served = Served::open().await;
    let mut open = Vec::new();
    let refused = loop {
        match served.try_begin().await {
            Ok(stream) => open.push(stream),
            Err(status) => break status,
        }
    };
    let (sender, answers) = open.pop().unwrap();
    let send = users(to(&["ann"], "one"));
    sender
        .send(pb::StreamSendsRequest { tag: 1, send })
        .await
        .unwrap();
    let is_told = async || (served.heard() == 1).then_some(());

    eventually("the send is done", SOON, is_told).await;
    drop((sender, answers));

    assert_eq!((open.len(), refused.code()), (63, Code::ResourceExhausted));
    let details = ErrorDetails::from_status(&refused);
    assert_eq!(details.reason, "TOO_MANY_STREAMS");
    assert!(details.retry_after.is_some());
    let is_free = async || served.try_begin().await.ok();
    drop(eventually("the place is free", SOON, is_free).await);
}

#[tokio::test]
async fn when_the_process_ends_all_that_was_read_is_answered_first() {
    let served = Served::open().await;
    let (sender, mut answers) = served.begin().await;
    let send = users(to(&["ann"], "one"));
    sender
        .send(pb::StreamSendsRequest { tag: 7, send })
        .await
        .unwrap();
    let first = answers.message().await.unwrap().unwrap();

    served.shutdown.cancel();
    let (more, ended) = rest(answers).await;

    assert_eq!(first.outcomes[0].tag, 7);
    assert_eq!(more, []);
    let ended = ended.unwrap_err();
    assert_eq!(ended.code(), Code::Unavailable);
    assert_eq!(ErrorDetails::from_status(&ended).reason, "SHUTTING_DOWN");
    drop(sender);
}
