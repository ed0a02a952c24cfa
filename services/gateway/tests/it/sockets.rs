//! The WebSocket that is passed through, before a service that says everything back.

use std::time::Duration;

use axum::http::Request;
use futures::{SinkExt, StreamExt};
use http_body_util::Full;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tradepost_gateway::config::GatewayConfig;
use tradepost_gateway::domain::caller::Caller;
use tradepost_gateway::domain::rights::Role;
use tradepost_testkit::eventually;

use crate::doubles::{NOW, caller};
use crate::echo::{PATH, Seen, Socket, closed, echo, open, said_back};
use crate::stage::{SOON, Stage};

async fn staged(adjust: impl FnOnce(&mut GatewayConfig)) -> (Stage, Seen) {
    let (seen, url) = echo().await;
    let stage = Stage::with(|config| {
        config.upstreams.notification_live_url = Some(url.parse().unwrap());
        adjust(config);
    })
    .await;
    stage.doubles.closed();
    stage.doubles.knows("mine", caller(Role::Customer));
    (stage, seen)
}

async fn opened(stage: &Stage) -> Socket {
    let mine = [("authorization", "Bearer mine")];
    open(stage.addr, PATH, &mine).await.unwrap().0
}

async fn refused(stage: &Stage, path: &str, headers: &[(&'static str, &str)]) -> (u16, String) {
    match open(stage.addr, path, headers).await {
        Ok(_) => panic!("a socket was opened"),
        Err(refusal) => refusal,
    }
}

#[tokio::test]
async fn what_is_said_goes_through_and_comes_back() {
    let (stage, seen) = staged(|_| {}).await;
    let mut socket = opened(&stage).await;

    said_back(&mut socket, "hello").await;
    let bytes = Message::binary(vec![7; 64 * 1024]);
    socket.send(bytes.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), bytes);

    assert_eq!(seen.lock().unwrap().len(), 1);
    let rendered = stage.registry.render().unwrap();
    assert!(rendered.contains("websockets_open 1"), "{rendered}");
    socket.close(None).await.unwrap();
    eventually("its place is free", SOON, async || {
        let rendered = stage.registry.render().unwrap();
        rendered.contains("websockets_open 0").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_token_may_stand_among_the_subprotocols_and_goes_no_further() {
    let (stage, seen) = staged(|_| {}).await;

    let protocols = [("sec-websocket-protocol", "bearer, mine")];
    let (mut socket, answer) = open(stage.addr, PATH, &protocols).await.unwrap();
    said_back(&mut socket, "hello").await;
    assert_eq!(answer["sec-websocket-protocol"], "bearer");

    let protocols = [(
        "sec-websocket-protocol",
        "tradepost.notifications.v1, bearer, mine",
    )];
    let (_socket, answer) = open(stage.addr, PATH, &protocols).await.unwrap();
    assert_eq!(
        answer["sec-websocket-protocol"],
        "tradepost.notifications.v1"
    );

    let seen = seen.lock().unwrap();
    assert!(!seen[0].contains_key("sec-websocket-protocol"));
    assert_eq!(
        seen[1]["sec-websocket-protocol"],
        "tradepost.notifications.v1"
    );
    assert!(
        seen.iter()
            .all(|headers| headers.values().all(|value| value != "Bearer mine"))
    );
}

#[tokio::test]
async fn credentials_are_good_and_in_one_place_or_nothing_is_opened() {
    let (stage, seen) = staged(|_| {}).await;
    stage.doubles.knows("operator", caller(Role::Operator));
    let mine = ("authorization", "Bearer mine");

    for (path, headers, status, reason) in [
        (PATH, vec![], 401, "CREDENTIALS_MISSING"),
        (
            PATH,
            vec![("authorization", "Bearer stolen")],
            401,
            "TOKEN_INVALID",
        ),
        (
            PATH,
            vec![("sec-websocket-protocol", "bearer, stolen")],
            401,
            "TOKEN_INVALID",
        ),
        (
            PATH,
            vec![("authorization", "Bearer operator")],
            403,
            "PERMISSION_DENIED",
        ),
        (
            PATH,
            vec![mine, ("sec-websocket-protocol", "bearer, mine")],
            400,
            "CREDENTIALS_MALFORMED",
        ),
        (
            "/v1/notifications/ws?token=mine",
            vec![],
            401,
            "CREDENTIALS_MISSING",
        ),
        (
            "/v1/notifications/ws?token=mine",
            vec![mine],
            400,
            "INVALID_QUERY",
        ),
        ("/v1/orders", vec![mine], 400, "UPGRADE_NOT_ALLOWED"),
    ] {
        let refusal = refused(&stage, path, &headers).await;
        assert_eq!(refusal, (status, reason.to_owned()), "{path} {headers:?}");
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn only_pages_of_the_tenants_origins_open_one() {
    let (stage, _seen) = staged(|_| {}).await;
    let mine = ("authorization", "Bearer mine");

    let foreign = refused(&stage, PATH, &[mine, ("origin", "https://evil.example")]).await;
    let own = open(
        stage.addr,
        PATH,
        &[mine, ("origin", "https://shop.example")],
    )
    .await;

    assert_eq!(foreign, (403, "ORIGIN_NOT_ALLOWED".to_owned()));
    assert!(own.is_ok());
}

#[tokio::test]
async fn a_request_that_is_no_web_socket_is_told_so() {
    let (stage, _seen) = staged(|_| {}).await;
    let request = Request::get(PATH).header("authorization", "Bearer mine");

    let answer = stage.send(request.body(Full::default()).unwrap()).await;

    assert_eq!(
        answer.faults(),
        (426, "UPGRADE_REQUIRED".to_owned(), vec![])
    );
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
}

#[tokio::test]
async fn without_the_service_there_is_no_socket() {
    let stage = Stage::new().await;
    let gone = Stage::with(|config| {
        config.upstreams.notification_live_url = Some("http://127.0.0.1:1".parse().unwrap());
    })
    .await;

    for stage in [stage, gone] {
        let refusal = refused(&stage, PATH, &[]).await;
        assert_eq!(refusal, (503, "UPSTREAM_UNAVAILABLE".to_owned()));
    }
}

/// A service that answers every opening with this.
async fn refusing(status: &str, reason: &str) -> Stage {
    let body = serde_json::json!({"reason": reason, "detail": "no"}).to_string();
    let answer = format!(
        "HTTP/1.1 {status}\r\nretry-after: 7\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Stage::with(|config| config.upstreams.notification_live_url = Some(url.parse().unwrap())).await
}

#[tokio::test]
async fn why_the_service_opens_no_socket_is_passed_on_where_it_is_the_clients() {
    for (status, reason, expected) in [
        ("503 Service Unavailable", "NODE_FULL", (503, "NODE_FULL")),
        (
            "400 Bad Request",
            "SUBPROTOCOL_UNKNOWN",
            (400, "SUBPROTOCOL_UNKNOWN"),
        ),
        (
            "401 Unauthorized",
            "TOKEN_INVALID",
            (503, "UPSTREAM_UNAVAILABLE"),
        ),
        (
            "500 Internal Server Error",
            "INTERNAL",
            (503, "UPSTREAM_UNAVAILABLE"),
        ),
    ] {
        let stage = refusing(status, reason).await;
        let refusal = refused(&stage, PATH, &[]).await;
        assert_eq!(refusal, (expected.0, expected.1.to_owned()));
    }
}

#[tokio::test]
async fn a_revoked_token_ends_its_socket() {
    let (stage, _seen) = staged(|_| {}).await;
    let (mut socket, mut other) = (opened(&stage).await, {
        stage.doubles.knows("other", caller(Role::Manager));
        let other = [("authorization", "Bearer other")];
        open(stage.addr, PATH, &other).await.unwrap().0
    });
    said_back(&mut socket, "hello").await;

    stage.doubles.revoke("mine");

    assert_eq!(closed(&mut socket).await.0, 4403);
    said_back(&mut other, "still here").await;
}

#[tokio::test]
async fn a_token_that_means_less_than_before_ends_its_socket() {
    let (stage, _seen) = staged(|_| {}).await;
    let manager = caller(Role::Manager);
    stage.doubles.knows("changing", manager.clone());
    let changing = [("authorization", "Bearer changing")];
    let mut socket = open(stage.addr, PATH, &changing).await.unwrap().0;

    let rights = Role::Customer.rights();
    stage
        .doubles
        .knows("changing", Caller { rights, ..manager });

    assert_eq!(closed(&mut socket).await.0, 4403);
}

#[tokio::test]
async fn a_socket_lives_no_longer_than_its_token() {
    let (stage, _seen) = staged(|_| {}).await;
    stage.doubles.knows(
        "short",
        Caller {
            expires_at: Some(NOW + Duration::from_secs(60)),
            ..caller(Role::Customer)
        },
    );
    let short = [("authorization", "Bearer short")];
    let mut socket = open(stage.addr, PATH, &short).await.unwrap().0;
    said_back(&mut socket, "hello").await;

    stage.doubles.clock.advance(Duration::from_secs(60));

    assert_eq!(closed(&mut socket).await.0, 4401);
}

/// When the gateway wants the client to have left.
async fn told_to_leave(socket: &mut Socket) -> u64 {
    let message = socket.next().await.unwrap().unwrap();
    let message: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
    assert_eq!(message["t"], "reconnect");
    message["after_ms"].as_u64().unwrap()
}

#[tokio::test]
async fn at_the_end_of_the_process_sockets_are_told_when_to_come_back() {
    let (stage, _seen) = staged(|config| config.sockets.drain_ms = 200).await;
    let mut socket = opened(&stage).await;
    said_back(&mut socket, "hello").await;

    stage.shutdown.cancel();

    assert!(told_to_leave(&mut socket).await <= 200);
    assert_eq!(closed(&mut socket).await.0, 1012);
    drop(socket);
    stage.served.await.unwrap().unwrap();
    stage.tasks.drained().await;
}

#[tokio::test]
async fn until_its_moment_a_socket_goes_on() {
    let (stage, _seen) = staged(|config| config.sockets.drain_ms = 3_600_000).await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let mut socket = opened(&stage).await;
        said_back(&mut socket, "hello").await;
        sockets.push(socket);
    }

    stage.shutdown.cancel();

    let mut moments = Vec::new();
    for mut socket in sockets {
        moments.push((told_to_leave(&mut socket).await, socket));
    }
    // Of four moments in an hour the last is not now, nor that of all.
    moments.sort_by_key(|(after_ms, _)| *after_ms);
    assert_ne!(moments[0].0, moments[3].0);
    let (_, mut last) = moments.pop().unwrap();
    said_back(&mut last, "still here").await;
    stage.doubles.revoke("mine");
    assert_eq!(closed(&mut last).await.0, 4403);
    drop(moments);
    stage.tasks.drained().await;
}

#[tokio::test]
async fn a_service_that_is_gone_is_a_restart_that_names_no_moment() {
    let (stage, _seen) = staged(|_| {}).await;
    let mut socket = opened(&stage).await;

    socket.send("vanish".into()).await.unwrap();

    assert_eq!(closed(&mut socket).await, (1012, "restart".to_owned()));
}

#[tokio::test]
async fn nobody_has_more_sockets_than_allowed() {
    let (stage, _seen) = staged(|config| config.sockets.caller_max = 1).await;
    let first = opened(&stage).await;
    let mine = [("authorization", "Bearer mine")];

    let second = refused(&stage, PATH, &mine).await;
    assert_eq!(second, (429, "TOO_MANY_SOCKETS".to_owned()));

    drop(first);
    eventually("the place is free again", SOON, async || {
        open(stage.addr, PATH, &mine).await.ok()
    })
    .await;
}

#[tokio::test]
async fn no_address_and_no_process_has_more_sockets_than_allowed() {
    for (open_max, address_max, status) in [(1, 9, 503), (9, 1, 429)] {
        let (stage, _seen) = staged(|config| {
            config.sockets.open_max = open_max;
            config.sockets.address_max = address_max;
        })
        .await;
        stage.doubles.knows("other", caller(Role::Customer));
        let _first = opened(&stage).await;

        let second = refused(&stage, PATH, &[("authorization", "Bearer other")]).await;

        assert_eq!(second.0, status);
    }
}

#[tokio::test]
async fn a_socket_on_which_nothing_is_said_is_closed() {
    let (stage, _seen) = staged(|config| config.sockets.idle_ms = 50).await;
    let mut socket = opened(&stage).await;
    assert_eq!(closed(&mut socket).await, (1001, "idle".to_owned()));
}

#[tokio::test]
async fn who_says_too_much_is_cut_off() {
    let (stage, _seen) = staged(|config| config.sockets.messages_per_second = 1).await;
    let mut socket = opened(&stage).await;
    for _ in 0..10 {
        // The socket may be closed before all are sent.
        let _ = socket.send("again".into()).await;
    }
    assert_eq!(closed(&mut socket).await.0, 1008);
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_passed_on() {
    let (stage, _seen) = staged(|_| {}).await;
    let mut socket = opened(&stage).await;
    socket
        .send(Message::binary(vec![0; 64 * 1024 + 1]))
        .await
        .unwrap();
    assert_eq!(closed(&mut socket).await.0, 1009);
}

#[tokio::test]
async fn what_is_no_text_or_no_frame_is_told_so() {
    let (stage, _seen) = staged(|_| {}).await;
    for (code, kind) in [
        (1007, OpCode::Data(Data::Text)),
        (1002, OpCode::Data(Data::Reserved(3))),
    ] {
        let mut socket = opened(&stage).await;
        let frame = Frame::message(vec![0xff], kind, true);
        socket.send(Message::Frame(frame)).await.unwrap();
        assert_eq!(closed(&mut socket).await.0, code);
    }
}

#[tokio::test]
async fn what_the_service_says_at_the_end_is_passed_on() {
    let (stage, _seen) = staged(|_| {}).await;
    let mut socket = opened(&stage).await;
    socket.send("close".into()).await.unwrap();
    assert_eq!(closed(&mut socket).await, (4000, "enough".to_owned()));
}

/// A socket of somebody whose token runs out in a minute, and who they are.
async fn short(stage: &Stage) -> (Socket, Caller) {
    let me = Caller {
        expires_at: Some(NOW + Duration::from_secs(60)),
        ..caller(Role::Customer)
    };
    stage.doubles.knows("short", me.clone());
    let short = [("authorization", "Bearer short")];
    let mut socket = open(stage.addr, PATH, &short).await.unwrap().0;
    said_back(&mut socket, "hello").await;
    (socket, me)
}

fn refresh(token: &str) -> Message {
    Message::text(serde_json::json!({"t": "refresh", "token": token}).to_string())
}

#[tokio::test]
async fn a_further_token_moves_the_end_and_goes_no_further_itself() {
    let (stage, _seen) = staged(|_| {}).await;
    let (mut socket, me) = short(&stage).await;
    let expires_at = Some(NOW + Duration::from_secs(600));
    stage.doubles.knows("longer", Caller { expires_at, ..me });

    socket.send(refresh("longer")).await.unwrap();

    // The service would have said it back.
    let answer = socket.next().await.unwrap().unwrap();
    let told = r#"{"t":"refreshed","expires_at":"2026-11-21T12:10:00Z"}"#;
    assert_eq!(answer, Message::text(told));
    stage.doubles.revoke("short");
    stage.doubles.clock.advance(Duration::from_secs(60));
    said_back(&mut socket, "still here").await;
    stage.doubles.clock.advance(Duration::from_secs(540));
    assert_eq!(closed(&mut socket).await.0, 4401);
}

#[tokio::test]
async fn who_shows_a_token_that_is_not_good_or_not_theirs_is_cut_off() {
    for (token, code) in [
        ("stolen", 4401),
        ("endless", 4401),
        ("others", 4403),
        ("elsewhere", 4403),
        ("less", 4403),
    ] {
        let (stage, _seen) = staged(|_| {}).await;
        let (mut socket, me) = short(&stage).await;
        let expires_at = Some(NOW + Duration::from_secs(600));
        let longer = Caller {
            expires_at,
            ..me.clone()
        };
        let others = Caller {
            expires_at,
            ..caller(Role::Customer)
        };
        let elsewhere = Caller {
            tenant: Some(tradepost_types::TenantId::new()),
            ..longer.clone()
        };
        let less = Caller {
            rights: Role::Operator.rights().and(me.rights),
            ..longer
        };
        let endless = Caller {
            expires_at: None,
            ..me
        };
        for (name, caller) in [
            ("others", others),
            ("elsewhere", elsewhere),
            ("less", less),
            ("endless", endless),
        ] {
            stage.doubles.knows(name, caller);
        }

        socket.send(refresh(token)).await.unwrap();

        assert_eq!(closed(&mut socket).await.0, code, "{token}");
    }
}

#[tokio::test]
async fn a_refresh_that_is_said_wrongly_ends_the_socket_and_is_not_passed_on() {
    let (stage, _seen) = staged(|_| {}).await;
    let mut socket = opened(&stage).await;

    let wrong = r#"{"t":"refresh","token":"mine","and":"more"}"#;
    socket.send(wrong.into()).await.unwrap();

    let first = socket.next().await.unwrap().unwrap();
    let Message::Close(Some(close)) = first else {
        panic!("it was said back: {first:?}");
    };
    assert_eq!(u16::from(close.code), 4501);
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_nothing_else() {
    let (stage, seen) = staged(|_| {}).await;
    let me = caller(Role::Customer);
    let ticket = [("sec-websocket-protocol", "ticket, once")];
    stage.doubles.knows("once", me.clone());
    let request = Request::get("/v1/notifications").header("authorization", "Ticket once");

    let elsewhere = stage.send(request.body(Full::default()).unwrap()).await;
    let (mut socket, answer) = open(stage.addr, PATH, &ticket).await.unwrap();
    let again = refused(&stage, PATH, &ticket).await;

    assert_eq!(
        elsewhere.faults(),
        (400, "CREDENTIALS_MALFORMED".to_owned(), vec![])
    );
    assert_eq!(answer["sec-websocket-protocol"], "ticket");
    assert_eq!(again, (401, "TOKEN_INVALID".to_owned()));
    said_back(&mut socket, "hello").await;
    assert!(!seen.lock().unwrap()[0].contains_key("sec-websocket-protocol"));
    // Asked again, it is not the ticket that is asked about.
    stage.doubles.revoke("nobody");
    said_back(&mut socket, "still here").await;
    stage.doubles.suspend(me.tenant.unwrap());
    assert_eq!(closed(&mut socket).await.0, 4403);
}

#[tokio::test]
async fn a_ticket_beside_other_credentials_is_refused_and_not_used_up() {
    let (stage, _seen) = staged(|_| {}).await;
    stage.doubles.knows("once", caller(Role::Customer));
    let ticket = ("sec-websocket-protocol", "ticket, once");

    let both = refused(&stage, PATH, &[ticket, ("authorization", "Bearer mine")]).await;

    assert_eq!(both, (400, "CREDENTIALS_MALFORMED".to_owned()));
    assert!(open(stage.addr, PATH, &[ticket]).await.is_ok());
}
