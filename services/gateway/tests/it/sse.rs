//! Notifications as server-sent events, before a service that says what the test has it say.

use std::collections::BTreeMap;

use axum::http::Method;
use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Opening, Response as Opened};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tradepost_gateway::config::GatewayConfig;
use tradepost_gateway::domain::rights::Role;
use tradepost_testkit::eventually;

use crate::doubles::caller;
use crate::stage::{Answer, SOON, Stage, bare};

const PATH: &str = "/v1/notifications/sse";
const SUBPROTOCOL: &str = "tradepost.notifications.v1";

/// The live port of the service; one connection after the other is the test's.
struct Live(TcpListener);

/// A connection to the service, after the hello.
struct Told {
    hello: Value,
    socket: WebSocketStream<TcpStream>,
}

impl Live {
    async fn told(&self) -> Told {
        let (stream, _) = self.0.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the callback's type is given")]
        let choose = |opening: &Opening, mut opened: Opened| {
            let offered = opening.headers()["sec-websocket-protocol"].clone();
            assert_eq!(offered, SUBPROTOCOL);
            let headers = opened.headers_mut();
            headers.insert("sec-websocket-protocol", offered);
            Ok(opened)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, choose).await;
        let mut socket = socket.unwrap();
        let hello = socket.next().await.unwrap().unwrap();
        let hello = serde_json::from_str(hello.to_text().unwrap()).unwrap();
        Told { hello, socket }
    }
}

impl Told {
    async fn say(&mut self, message: impl ToString) {
        self.socket.send(message.to_string().into()).await.unwrap();
    }

    async fn welcome(&mut self, seq: u64) {
        self.say(json!({"t": "welcome", "epoch": "e1", "heartbeat_ms": 1000,
            "streams": {"user": {"seq": seq, "read": 0}}}))
            .await;
    }
}

/// The events of an answer, as a client reads them.
struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    /// The next event: its fields. Comments are passed over.
    async fn next(&mut self) -> BTreeMap<String, String> {
        loop {
            let block = self.block().await.expect("an event before the end");
            let lines = block.lines().filter(|line| !line.starts_with(':'));
            let fields: BTreeMap<_, _> = lines
                .map(|line| {
                    let (name, value) = line.split_once(": ").unwrap();
                    (name.to_owned(), value.to_owned())
                })
                .collect();
            if !fields.is_empty() {
                return fields;
            }
        }
    }

    /// Until an empty line; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = tokio::time::timeout(SOON, self.body.frame()).await;
            let bytes = frame.unwrap()?.unwrap().into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// The last event, and that nothing comes behind it.
    async fn closed(&mut self) -> (u64, BTreeMap<String, String>) {
        let last = self.next().await;
        assert_eq!(last["event"], "closed", "{last:?}");
        assert_eq!(self.block().await, None);
        (data(&last)["code"].as_u64().unwrap(), last)
    }
}

fn data(event: &BTreeMap<String, String>) -> Value {
    serde_json::from_str(&event["data"]).unwrap()
}

async fn staged(adjust: impl FnOnce(&mut GatewayConfig)) -> (Stage, Live) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stage = Stage::with(|config| {
        config.upstreams.notification_live_url = Some(url.parse().unwrap());
        adjust(config);
    })
    .await;
    stage.doubles.closed();
    stage.doubles.knows("mine", caller(Role::Customer));
    (stage, Live(listener))
}

/// Hears what comes, and the connection of the service that it comes from.
async fn heard(stage: &Stage, live: &Live, last: Option<&str>) -> (Events, Told) {
    let mut request = bare(Method::GET, PATH);
    let headers = request.headers_mut();
    headers.insert("authorization", "Bearer mine".parse().unwrap());
    if let Some(last) = last {
        headers.insert("last-event-id", last.parse().unwrap());
    }
    let (answer, told) = tokio::join!(stage.answering(request), live.told());
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let events = Events {
        body: answer.into_body(),
        text: String::new(),
    };
    (events, told)
}

async fn refused(stage: &Stage, last: &str) -> Answer {
    let mut request = bare(Method::GET, PATH);
    let headers = request.headers_mut();
    headers.insert("authorization", "Bearer mine".parse().unwrap());
    headers.insert("last-event-id", last.parse().unwrap());
    stage.send(request).await
}

fn notification(seq: u64) -> Value {
    json!({"t": "notification", "stream": "user", "seq": seq, "id": "ntf_1",
        "time": "2026-11-21T12:00:00Z", "type": "order.confirmed", "title": "Confirmed",
        "message": "", "data": {}})
}

#[tokio::test]
async fn what_is_told_comes_as_events_and_goes_on_where_it_was_left() {
    let (stage, live) = staged(|_| {}).await;
    let (mut events, mut told) = heard(&stage, &live, None).await;
    assert_eq!(told.hello, json!({"t": "hello"}));

    told.welcome(6).await;
    told.say(notification(7)).await;
    told.say(json!({"t": "tops", "streams": {"user": 9}})).await;

    assert_eq!(events.next().await["event"], "welcome");
    let seventh = events.next().await;
    assert_eq!(seventh["event"], "notification");
    assert_eq!(data(&seventh), notification(7));
    let tops = events.next().await;
    assert_eq!((&*tops["event"], tops.get("id")), ("tops", None));
    drop(events);

    let (_events, told) = heard(&stage, &live, Some(&seventh["id"])).await;
    let position = json!({"user": {"epoch": "e1", "seq": 7}});
    assert_eq!(told.hello, json!({"t": "hello", "positions": position}));
}

/// A line's end would be the end of the event's.
#[tokio::test]
async fn data_that_was_written_over_lines_is_one_line() {
    let (stage, live) = staged(|_| {}).await;
    let (mut events, mut told) = heard(&stage, &live, None).await;
    let written = notification(1)
        .to_string()
        .replace("\"data\":{}", "\"data\":{\r\n  \"a\":\n 1.10}");

    told.welcome(0).await;
    told.say(&written).await;

    events.next().await;
    let event = events.next().await;
    assert!(event["data"].contains("1.10"), "{event:?}");
    assert_eq!(data(&event)["data"], json!({"a": 1.1}));
}

#[tokio::test]
async fn a_kind_of_message_that_is_new_is_passed_on() {
    let (stage, live) = staged(|_| {}).await;
    let (mut events, mut told) = heard(&stage, &live, None).await;

    told.say("no json").await;
    told.say(json!({"t": "event\ndata: {}"})).await;
    told.say(json!({"t": "brand_new", "x": 1})).await;

    let event = events.next().await;
    assert_eq!((&*event["event"], event.get("id")), ("brand_new", None));
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let (stage, live) = staged(|config| config.sockets.ping_ms = 20).await;
    let (mut events, _told) = heard(&stage, &live, None).await;
    for _ in 0..3 {
        assert_eq!(events.block().await.as_deref(), Some(":"));
    }
}

#[tokio::test]
async fn what_is_no_id_is_refused() {
    let (stage, _live) = staged(|_| {}).await;

    let answer = refused(&stage, "42").await;

    let place = vec![("header".to_owned(), "Last-Event-ID".to_owned())];
    let expected = (400, "LAST_EVENT_ID_INVALID".to_owned(), place);
    assert_eq!(answer.faults(), expected);
}

#[tokio::test]
async fn a_revoked_token_ends_the_events() {
    let (stage, live) = staged(|_| {}).await;
    let (mut events, mut told) = heard(&stage, &live, None).await;
    told.welcome(0).await;
    events.next().await;

    stage.doubles.revoke("mine");

    let (code, last) = events.closed().await;
    assert_eq!((code, last.get("retry")), (4403, None));
}

#[tokio::test]
async fn at_the_end_of_the_process_clients_are_told_when_to_come_back() {
    let (stage, live) = staged(|_| {}).await;
    let (mut events, mut told) = heard(&stage, &live, None).await;
    told.welcome(0).await;
    events.next().await;

    stage.shutdown.cancel();

    let (code, last) = events.closed().await;
    assert_eq!(code, 1012);
    assert!(last["retry"].parse::<u64>().unwrap() <= 10_000);
    drop((events, told));
    stage.served.await.unwrap().unwrap();
    stage.tasks.drained().await;
}

#[tokio::test]
async fn when_the_service_says_when_to_come_back_the_client_is_told() {
    let (stage, live) = staged(|_| {}).await;
    let (mut events, mut told) = heard(&stage, &live, None).await;

    told.say(json!({"t": "reconnect", "after_ms": 1234})).await;

    let (code, last) = events.closed().await;
    assert_eq!((code, &*last["retry"]), (1012, "1234"));
}

#[tokio::test]
async fn what_the_service_closes_with_is_told() {
    let (stage, live) = staged(|_| {}).await;
    let (mut events, mut told) = heard(&stage, &live, None).await;
    let close = CloseFrame {
        code: 4410.into(),
        reason: "another history".into(),
    };

    told.socket.close(Some(close)).await.unwrap();

    let (code, last) = events.closed().await;
    assert_eq!((code, last.get("retry")), (4410, None));
    assert_eq!(data(&last)["reason"], "another history");
}

#[tokio::test]
async fn who_leaves_gives_the_place_back() {
    let (stage, live) = staged(|config| config.sockets.caller_max = 1).await;
    let (mut events, mut told) = heard(&stage, &live, None).await;
    told.welcome(0).await;
    events.next().await;
    let mut again = bare(Method::GET, PATH);
    let mine = "Bearer mine".parse().unwrap();
    again.headers_mut().insert("authorization", mine);
    let second = stage.send(again).await;
    assert_eq!(
        second.faults(),
        (429, "TOO_MANY_SOCKETS".to_owned(), vec![])
    );

    drop(events);

    eventually("its place is free", SOON, async || {
        stage.counts("websockets_open 0").then_some(())
    })
    .await;
    // The service's end is closed with it.
    let ended = async {
        while let Some(Ok(message)) = told.socket.next().await {
            if matches!(message, Message::Close(_)) {
                break;
            }
        }
    };
    tokio::time::timeout(SOON, ended).await.unwrap();
}
