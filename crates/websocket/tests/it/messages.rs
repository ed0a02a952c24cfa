//! What a client may send, however it is cut.

use bytes::Bytes;
use proptest::prelude::*;
use tradepost_websocket::{End, Limits};

use crate::support::{Client, LIMITS, close, connected, frame, heard, pair};

/// The messages that these bytes are, sent in pieces of so many.
async fn told(bytes: &[u8], piece: usize, limits: Limits) -> (Vec<String>, End) {
    let (mut client, _sender, receiver) = connected(limits).await;
    let heard = heard(receiver);

    for piece in bytes.chunks(piece) {
        client.send(piece).await;
    }
    client.send(&close(1000, b"")).await;

    let heard = heard.await.unwrap();
    drop(client);
    heard
}

const DONE: End = End::Closed { code: Some(1000) };

#[tokio::test]
async fn a_message_arrives_however_it_is_cut() {
    let text = "Grüße: 😀".repeat(20);
    let bytes = [
        frame(0x81, b"first"),
        frame(0x01, &text.as_bytes()[..8]),
        frame(0x80, &text.as_bytes()[8..]),
        frame(0x81, b""),
    ]
    .concat();

    for piece in [1, 2, 3, 7, 100, bytes.len()] {
        let heard = told(&bytes, piece, LIMITS).await;

        let expected = vec!["first".to_owned(), text.clone(), String::new()];
        assert_eq!(heard, (expected, DONE), "pieces of {piece}");
    }
}

#[tokio::test]
async fn lengths_of_every_form_are_read() {
    let limits = Limits {
        message_bytes: 70_000,
        ..LIMITS
    };
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_000] {
        let text = "x".repeat(length);

        let heard = told(&frame(0x81, text.as_bytes()), 1_000, limits).await;

        assert_eq!(heard, (vec![text], DONE), "{length}");
    }
}

#[tokio::test]
async fn empty_fragments_are_fragments() {
    let bytes = [
        frame(0x01, b""),
        frame(0x00, b"a"),
        frame(0x00, b""),
        frame(0x80, b""),
    ]
    .concat();

    assert_eq!(told(&bytes, 1, LIMITS).await, (vec!["a".into()], DONE));
}

#[tokio::test]
async fn a_character_may_be_cut_by_a_fragment() {
    let bytes = [
        frame(0x01, b"\xf0\x9f"),
        frame(0x00, b"\x98"),
        frame(0x80, b"\x80!"),
    ]
    .concat();

    assert_eq!(told(&bytes, 5, LIMITS).await, (vec!["😀!".into()], DONE));
}

#[tokio::test]
async fn control_frames_between_fragments_are_answered_at_once() {
    let (mut client, _sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    client.send(&frame(0x01, b"to")).await;
    client.send(&frame(0x89, b"between")).await;
    let pong = client.next().await;
    client.send(&frame(0x8a, b"unasked for")).await;
    client.send(&frame(0x80, b"gether")).await;
    client.send(&close(1000, b"bye")).await;

    assert_eq!(pong, Some((0x8a, b"between".to_vec())));
    assert_eq!(client.closed().await, Some(1000));
    assert_eq!(heard.await.unwrap(), (vec!["together".into()], DONE));
}

#[tokio::test]
async fn a_ping_of_125_bytes_is_answered_with_the_same() {
    let (mut client, _sender, receiver) = connected(LIMITS).await;
    let _heard = heard(receiver);

    client.send(&frame(0x89, &[0xfe; 125])).await;

    assert_eq!(client.next().await, Some((0x8a, vec![0xfe; 125])));
}

#[tokio::test]
async fn what_came_with_the_request_comes_first() {
    let (client, server) = pair().await;
    let bytes = [frame(0x81, b"one"), frame(0x81, b"two")].concat();
    let (early, late) = bytes.split_at(12);
    let early = Bytes::copy_from_slice(early);
    let (_sender, receiver) = tradepost_websocket::server(server, early, LIMITS);
    let heard = heard(receiver);
    let mut client = Client(client);

    client.send(late).await;
    client.send(&close(1000, b"")).await;

    let expected = vec!["one".into(), "two".into()];
    assert_eq!(heard.await.unwrap(), (expected, DONE));
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_nothing() {
    let (mut client, _sender, mut receiver) = connected(LIMITS).await;
    let bytes = [frame(0x81, b"one"), frame(0x81, b"two")].concat();

    let mut texts = Vec::new();
    for byte in bytes {
        client.send(&[byte]).await;
        // Polled once each, with whatever has arrived.
        tokio::select! {
            biased;
            text = receiver.next() => texts.extend(text),
            () = std::future::ready(()) => {}
        }
    }
    client.send(&frame(0x81, b"three")).await;
    while texts.last().is_none_or(|text| text != "three") {
        texts.extend(receiver.next().await);
    }

    assert_eq!(texts, ["one", "two", "three"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any texts, in any fragments, with pings between, in pieces of any size.
    #[test]
    fn texts_arrive_as_they_were(
        texts in prop::collection::vec(".{0,60}", 1..6),
        fragment in 1_usize..40,
        piece in 1_usize..90,
    ) {
        let mut bytes = Vec::new();
        for text in &texts {
            let mut opcode = 0x01;
            for part in text.as_bytes().chunks(fragment) {
                bytes.extend(frame(opcode, part));
                bytes.extend(frame(0x89, b"?"));
                opcode = 0x00;
            }
            bytes.extend(frame(opcode | 0x80, b""));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

        let heard = runtime.block_on(told(&bytes, piece, LIMITS));

        prop_assert_eq!(heard, (texts, DONE));
    }
}
