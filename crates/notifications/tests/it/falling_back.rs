//! Where no WebSocket passes, the client goes on over server-sent events.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::SinkExt;
use tokio_tungstenite::tungstenite::Message;
use tradepost_notifications::client::{Client, Ended, Options, Way};
use tradepost_notifications::events::Heard;
use tradepost_notifications::follow::Event;
use tradepost_notifications::stream::{Epoch, Position, Stream};

use crate::server::{Asked, Server, end, follow, notification, welcome};

fn at(seq: u64) -> BTreeMap<Stream, Position> {
    let epoch = Epoch("e1".into());
    [(Stream::User, Position { epoch, seq })].into()
}

fn seqs(heard: &[Event]) -> Vec<u64> {
    let seq = |event: &Event| match event {
        Event::Notification(notification) => Some(notification.seq),
        Event::Missed { .. } => panic!("{event:?}"),
        Event::Opened(_)
        | Event::Signal(_)
        | Event::Read(_)
        | Event::Joined(_)
        | Event::Left(_) => None,
    };
    heard.iter().filter_map(seq).collect()
}

fn stands_at(asked: &Asked) -> BTreeMap<Stream, Position> {
    let id = asked.header("last-event-id").unwrap();
    Heard::parse(id).unwrap().positions()
}

#[tokio::test]
async fn where_web_sockets_do_not_pass_it_goes_on_by_events_from_where_it_stood() {
    let server = Server::start().await;
    let mut client = server.client().standing_at(at(4));

    let script = async {
        // No answer, a proxy's, and one that passes nothing on.
        drop(server.asked_for_socket().await);
        server
            .asked_for_socket()
            .await
            .refuse("502 Bad Gateway")
            .await;
        drop(server.asked_for_socket().await.upgrade().await);
        let first = server.asked_for_events().await;
        assert_eq!(first.header("authorization"), Some("Bearer token"));
        assert_eq!(stands_at(&first), at(4));
        let mut events = first.events().await;
        for message in [
            welcome(6, Some(true)),
            notification(5),
            notification(5),
            notification(6),
        ] {
            events.say(&message).await;
        }
        drop(events);
        let second = server.asked_for_events().await;
        assert_eq!(stands_at(&second), at(6));
        let mut events = second.events().await;
        events.say(&welcome(6, Some(true))).await;
        events.say(&notification(7)).await;
        events.close(1012, 0).await;
        let third = server.asked_for_events().await;
        assert_eq!(stands_at(&third), at(7));
    };
    let ((), heard, ended) = follow(&mut client, script).await;

    assert_eq!((seqs(&heard), ended), (vec![5, 6, 7], None));
}

#[tokio::test]
async fn who_stands_nowhere_names_no_event() {
    let server = Server::start().await;
    let mut client = server.client();

    let script = async {
        server
            .asked_for_socket()
            .await
            .refuse("426 Upgrade Required")
            .await;
        let asked = server.asked_for_events().await;
        assert_eq!(asked.header("last-event-id"), None);
        let mut events = asked.events().await;
        events.say(&welcome(2, None)).await;
        // A gap: back to where it stands.
        events.say(&notification(4)).await;
        assert_eq!(stands_at(&server.asked_for_events().await), at(2));
    };
    let ((), heard, _) = follow(&mut client, script).await;

    assert_eq!(seqs(&heard), Vec::<u64>::new());
}

#[tokio::test]
async fn it_says_over_what_it_hears() {
    let server = Server::start().await;
    let mut client = server.client();
    assert_eq!(client.way(), None);
    let script = async {
        server
            .asked_for_socket()
            .await
            .refuse("404 Not Found")
            .await;
        let mut events = server.asked_for_events().await.events().await;
        events.say(&welcome(0, None)).await;
        events
    };
    let (event, _events) = tokio::join!(client.next(), script);

    assert!(matches!(event, Ok(Event::Opened(_))), "{event:?}");
    assert_eq!(client.way(), Some(Way::Events));
}

#[tokio::test]
async fn where_events_do_not_pass_either_web_sockets_are_tried_again() {
    let server = Server::start().await;
    let mut client = server.client();

    let script = async {
        server
            .asked_for_socket()
            .await
            .refuse("404 Not Found")
            .await;
        drop(server.asked_for_events().await);
        server
            .asked_for_socket()
            .await
            .refuse("404 Not Found")
            .await;
        // An answer, and no events.
        server.asked_for_events().await.refuse("200 OK").await;
        let mut socket = server.asked_for_socket().await.upgrade().await;
        let text = welcome(0, None).to_string();
        socket.send(Message::text(text)).await.unwrap();
        drop(socket);
        server.asked_for_socket().await
    };
    let (_asked, heard, ended) = follow(&mut client, script).await;

    assert!(matches!(heard[..], [Event::Opened(_)]), "{heard:?}");
    assert_eq!(ended, None);
}

#[tokio::test]
async fn a_server_that_refuses_is_no_reason_to_fall_back() {
    let server = Server::start().await;
    let mut client = server.client();

    let script = async {
        for status in ["503 Service Unavailable", "429 Too Many Requests"].repeat(3) {
            server.asked_for_socket().await.refuse(status).await;
        }
        server
            .asked_for_socket()
            .await
            .refuse("403 Forbidden")
            .await;
    };
    let (ended, ()) = tokio::join!(end(&mut client), script);

    assert_eq!(ended, Ended::Refused(403));
}

#[tokio::test]
async fn what_neither_way_takes_is_the_end() {
    let server = Server::start().await;
    let mut client = server.client();

    let script = async {
        server
            .asked_for_socket()
            .await
            .refuse("400 Bad Request")
            .await;
        server
            .asked_for_events()
            .await
            .refuse("404 Not Found")
            .await;
    };
    let (ended, ()) = tokio::join!(end(&mut client), script);

    assert_eq!(ended, Ended::Refused(404));
}

#[tokio::test]
async fn without_a_place_for_events_it_keeps_to_web_sockets() {
    let server = Server::start().await;
    let options = Options {
        events_url: None,
        ..server.options()
    };
    let mut client = Client::new(options, || "Bearer token".to_owned());

    let script = async {
        for _ in 0..5 {
            drop(server.asked_for_socket().await);
        }
        server
            .asked_for_socket()
            .await
            .refuse("426 Upgrade Required")
            .await;
    };
    let (ended, ()) = tokio::join!(end(&mut client), script);

    assert_eq!(ended, Ended::Refused(426));
}

#[tokio::test]
async fn credentials_that_are_not_taken_are_not_shown_again() {
    let server = Server::start().await;
    let shown = AtomicUsize::new(0);
    let mut client = Client::new(server.options(), move || {
        // The third is the second.
        format!("Bearer {}", shown.fetch_add(1, Ordering::SeqCst).min(1))
    });

    let script = async {
        for wanted in ["Bearer 0", "Bearer 1"] {
            let asked = server.asked_for_socket().await;
            assert_eq!(asked.header("authorization"), Some(wanted));
            asked.refuse("401 Unauthorized").await;
        }
    };
    let (ended, ()) = tokio::join!(end(&mut client), script);

    assert_eq!(ended, Ended::Refused(401));
}

#[tokio::test]
async fn an_address_of_another_scheme_is_none() {
    let mut client = Client::new(Options::new("wss://127.0.0.1:1/ws"), String::new);

    assert_eq!(end(&mut client).await, Ended::Request);
}
