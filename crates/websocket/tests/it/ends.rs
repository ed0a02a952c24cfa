//! How a connection ends, by either side.

use tokio::io::AsyncWriteExt;
use tradepost_websocket::{Class, End, Frame, Pushed};

use crate::support::{LIMITS, PATIENCE, close, connected, frame, heard};

#[tokio::test]
async fn a_close_of_the_client_is_answered_with_its_code() {
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000,
        4999,
    ] {
        let (mut client, sender, receiver) = connected(LIMITS).await;
        let heard = heard(receiver);

        client.send(&close(code, b"bye")).await;

        assert_eq!(client.closed().await, Some(code));
        let end = End::Closed { code: Some(code) };
        assert_eq!(heard.await.unwrap().1, end);
        let frame = Frame::text(b"late");
        assert_eq!(sender.push(&frame, Class::Must), Pushed::Closed);
    }
}

#[tokio::test]
async fn a_close_without_a_code_is_answered_without_one() {
    let (mut client, _sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    client.send(&frame(0x88, b"")).await;

    assert_eq!(client.closed().await, None);
    assert_eq!(heard.await.unwrap().1, End::Closed { code: None });
}

#[tokio::test]
async fn whoever_goes_without_a_word_has_left() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    client.send(&frame(0x81, b"x")[..5]).await;
    drop(client);

    assert_eq!(heard.await.unwrap(), (vec![], End::Left));
    assert!(sender.is_closed());
}

#[tokio::test]
async fn a_client_that_shuts_its_side_has_left() {
    let (mut client, _sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    client.0.shutdown().await.unwrap();

    assert_eq!(heard.await.unwrap().1, End::Left);
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn a_close_of_this_side_goes_after_what_waits() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let frame = Frame::text(&[b'x'; 1000]);
    // Nothing is asked for yet, so that all of it waits that the socket does not take.
    let mut pushed = 0;
    while sender.queued().1 < 10 {
        assert_eq!(sender.push(&frame, Class::Must), Pushed::Taken);
        pushed += 1;
    }

    sender.close(4408, "slow");
    let heard = heard(receiver);

    assert_eq!(sender.push(&frame, Class::Must), Pushed::Closed);
    for _ in 0..pushed {
        assert_eq!(client.next_text().await.len(), 1000);
    }
    assert_eq!(client.closed().await, Some(4408));
    drop(client);
    assert_eq!(heard.await.unwrap().1, End::Local);
}

#[tokio::test]
async fn a_close_ends_though_the_client_never_reads() {
    let (client, sender, receiver) = connected(LIMITS).await;
    let frame = Frame::text(&[b'x'; 1000]);
    while sender.queued().1 < 10 {
        assert_eq!(sender.push(&frame, Class::Must), Pushed::Taken);
    }
    let heard = heard(receiver);

    sender.close(4408, "slow");

    let heard = tokio::time::timeout(PATIENCE, heard).await;
    assert_eq!(heard.unwrap().unwrap().1, End::Local);
    drop(client);
}

#[tokio::test]
async fn a_close_ends_though_the_client_never_goes() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    sender.close(1012, "restart");

    assert_eq!(client.closed().await, Some(1012));
    let heard = tokio::time::timeout(PATIENCE, heard).await;
    assert_eq!(heard.unwrap().unwrap().1, End::Local);
}

#[tokio::test]
async fn only_the_first_close_counts() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    sender.close(1012, "restart");
    sender.close(4408, "slow");
    client
        .send(&frame(0x82, b"what is said now counts no more"))
        .await;

    assert_eq!(client.closed().await, Some(1012));
    drop(client);
    assert_eq!(heard.await.unwrap().1, End::Local);
}

#[tokio::test]
async fn an_abort_sends_nothing_and_closes_the_socket() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);

    sender.abort();

    assert_eq!(heard.await.unwrap().1, End::Local);
    assert_eq!(client.next().await, None);
    assert!(sender.is_closed());
}

#[tokio::test]
async fn the_socket_closes_with_the_receiver_whoever_holds_a_sender() {
    let (mut client, sender, receiver) = connected(LIMITS).await;

    drop(receiver);

    assert_eq!(client.next().await, None);
    let frame = Frame::text(b"late");
    assert_eq!(sender.push(&frame, Class::Must), Pushed::Closed);
}

#[tokio::test]
async fn an_end_is_told_again() {
    let (client, _sender, mut receiver) = connected(LIMITS).await;
    drop(client);

    assert_eq!(receiver.next().await, Err(End::Left));
    assert_eq!(receiver.next().await, Err(End::Left));
}
