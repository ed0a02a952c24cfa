//! What is sent, and what a slow reader gets of it.

use std::time::Duration;

use tradepost_websocket::{Class, End, Frame, Limits, Pushed, Receiver, Sender};

use crate::support::{Client, LIMITS, PATIENCE, close, connected, frame, heard};

fn collapse(key: &str) -> Class {
    Class::Collapse(key.into())
}

/// A connection whose socket is full: the last of so many frames waits, begun or not.
async fn stuck() -> (Client, Sender, Receiver, usize) {
    let (client, sender, receiver) = connected(LIMITS).await;
    let filler = Frame::text(&[b'-'; 10_000]);
    let mut pushed = 0;
    while sender.queued().1 == 0 {
        assert_eq!(sender.push(&filler, Class::Must), Pushed::Taken);
        pushed += 1;
    }
    (client, sender, receiver, pushed)
}

/// What the client reads after the filler, up to the close.
async fn after_filler(mut client: Client, filler: usize) -> Vec<String> {
    for _ in 0..filler {
        assert_eq!(client.next_text().await.len(), 10_000);
    }
    let mut texts = Vec::new();
    loop {
        match client.next().await.unwrap() {
            (0x81, text) => texts.push(String::from_utf8(text).unwrap()),
            (0x88, _closed) => return texts,
            (other, _) => panic!("{other:x}"),
        }
    }
}

#[tokio::test]
async fn a_frame_is_written_by_whoever_pushes_it() {
    let (mut client, sender, mut receiver) = connected(LIMITS).await;
    // The driver has looked at the socket once a message has come.
    client.send(&frame(0x81, b"hello")).await;
    assert_eq!(receiver.next().await, Ok("hello".into()));

    let pushed = sender.push(&Frame::text(b"now"), Class::Ephemeral);

    assert_eq!((pushed, sender.queued()), (Pushed::Taken, (0, 0)));
    assert_eq!(client.next_text().await, "now");
}

#[tokio::test]
async fn what_has_to_be_sent_overflows_and_nothing_follows_the_gap() {
    let (client, sender, receiver, filler) = stuck().await;
    let large = Frame::text(&[b'x'; 20_000]);
    let mut taken = 0;
    let mut overflow = Pushed::Taken;
    while overflow == Pushed::Taken {
        overflow = sender.push(&large, Class::Must);
        taken += usize::from(overflow == Pushed::Taken);
    }

    let after = sender.push(&Frame::text(b"small"), Class::Must);
    sender.close(4408, "slow");
    let heard = heard(receiver);

    assert_eq!((overflow, after), (Pushed::Overflow, Pushed::Overflow));
    assert!(taken <= 3, "{taken} of 20 kB in a queue of 64 KiB");
    let texts = after_filler(client, filler).await;
    assert_eq!(texts.len(), taken);
    assert_eq!(heard.await.unwrap().1, End::Local);
}

#[tokio::test]
async fn the_number_of_messages_is_bounded_as_well() {
    let (_client, sender, _receiver, _) = stuck().await;
    let small = Frame::text(b"x");

    let taken = (0..100)
        .take_while(|_| sender.push(&small, Class::Must) == Pushed::Taken)
        .count();

    assert_eq!(taken, LIMITS.queue_messages - 1);
}

#[tokio::test]
async fn of_a_key_only_the_newest_waits_behind_what_came_before_it() {
    let (client, sender, receiver, filler) = stuck().await;

    for (text, class) in [
        ("price 1", collapse("price")),
        ("stock 1", collapse("stock")),
        ("must 1", Class::Must),
        ("price 2", collapse("price")),
        ("must 2", Class::Must),
        ("price 3", collapse("price")),
    ] {
        assert_eq!(
            sender.push(&Frame::text(text.as_bytes()), class),
            Pushed::Taken
        );
    }
    sender.close(1000, "");
    let heard = heard(receiver);

    let texts = after_filler(client, filler).await;
    assert_eq!(texts, ["stock 1", "must 1", "must 2", "price 3"]);
    assert_eq!(sender.dropped(), 0);
    assert_eq!(heard.await.unwrap().1, End::Local);
}

#[tokio::test]
async fn ephemeral_ones_go_the_older_first_and_never_for_want_of_a_reader_fail() {
    let (client, sender, receiver, filler) = stuck().await;
    let room = LIMITS.queue_messages - 1;

    for number in 0..room + 5 {
        let frame = Frame::text(format!("signal {number}").as_bytes());
        assert_eq!(sender.push(&frame, Class::Ephemeral), Pushed::Taken);
    }
    let must = sender.push(&Frame::text(b"must"), Class::Must);
    sender.close(1000, "");
    let heard = heard(receiver);

    assert_eq!(must, Pushed::Taken);
    assert_eq!(sender.dropped(), 6);
    let texts = after_filler(client, filler).await;
    assert_eq!(texts.first().unwrap(), "signal 6");
    assert_eq!(texts.last().unwrap(), "must");
    assert_eq!(texts.len(), room);
    assert_eq!(heard.await.unwrap().1, End::Local);
}

#[tokio::test]
async fn what_may_go_is_dropped_when_only_others_wait() {
    let (_client, sender, _receiver, _) = stuck().await;
    let must = Frame::text(b"must");
    for _ in 1..LIMITS.queue_messages {
        assert_eq!(sender.push(&must, Class::Must), Pushed::Taken);
    }

    let signal = sender.push(&Frame::text(b"signal"), Class::Ephemeral);
    let state = sender.push(&Frame::text(b"state"), collapse("state"));

    assert_eq!((signal, state), (Pushed::Dropped, Pushed::Dropped));
    assert_eq!(sender.dropped(), 2);
    assert_eq!(sender.push(&must, Class::Must), Pushed::Overflow);
}

#[tokio::test]
async fn a_slow_reader_that_comes_back_gets_all() {
    let (client, sender, receiver, filler) = stuck().await;
    let heard = heard(receiver);
    for number in 0..40 {
        let frame = Frame::text(format!("{number}").as_bytes());
        assert_eq!(sender.push(&frame, Class::Must), Pushed::Taken);
    }

    let reader = tokio::spawn(after_filler(client, filler));
    // Once all is written, the queue is empty, and what comes goes straight through.
    while sender.queued().1 > 0 {
        tokio::task::yield_now().await;
    }
    let frame = Frame::text(b"40");
    assert_eq!(sender.push(&frame, Class::Must), Pushed::Taken);
    sender.close(1000, "");

    let expected: Vec<String> = (0..=40).map(|number| number.to_string()).collect();
    assert_eq!(reader.await.unwrap(), expected);
    assert_eq!(heard.await.unwrap().1, End::Local);
}

#[tokio::test]
async fn a_run_may_be_more_than_the_queue_holds_and_does_not_crowd_out_what_follows() {
    let limits = Limits {
        queue_messages: 4,
        ..LIMITS
    };
    let (mut client, sender, receiver) = connected(limits).await;
    let run: Vec<Frame> = (0..1000)
        .map(|number| Frame::text(format!("{number:04} {}", "x".repeat(5_000)).as_bytes()))
        .collect();

    assert_eq!(sender.push_all(&run), Pushed::Taken);
    assert!(sender.queued().1 > 4, "the socket took all of 5 MB");
    let next = sender.push(&Frame::text(b"next"), Class::Must);
    let heard = heard(receiver);

    assert_eq!(next, Pushed::Taken);
    for number in 0..1000 {
        let text = client.next_text().await;
        assert!(text.starts_with(&format!("{number:04} ")), "{}", &text[..8]);
    }
    assert_eq!(client.next_text().await, "next");
    client.send(&close(1000, b"")).await;
    assert_eq!(heard.await.unwrap().1, End::Closed { code: Some(1000) });
}

#[tokio::test]
async fn a_run_behind_others_keeps_the_limits() {
    let (_client, sender, _receiver, _) = stuck().await;
    let run = vec![Frame::text(&[b'x'; 1000]); 100];

    assert_eq!(sender.push_all(&run), Pushed::Overflow);
    assert_eq!(sender.push_all(&[]), Pushed::Overflow);
}

#[tokio::test]
async fn pings_of_a_client_that_does_not_read_leave_one_pong() {
    let (mut client, sender, receiver, filler) = stuck().await;
    let heard = heard(receiver);

    for number in 0..200_u8 {
        client.send(&frame(0x89, &[number])).await;
    }
    client.send(&frame(0x81, b"done")).await;
    client.send(&frame(0x89, b"last")).await;

    for _ in 0..filler {
        assert_eq!(client.next_text().await.len(), 10_000);
    }
    let mut pongs = 0;
    while client.next().await != Some((0x8a, b"last".to_vec())) {
        pongs += 1;
    }
    assert!(pongs <= 200);
    assert!(sender.queued().1 <= 1);
    client.send(&close(1000, b"")).await;
    assert_eq!(heard.await.unwrap().0, ["done"]);
}

#[tokio::test]
async fn pushes_of_many_threads_are_whole_frames() {
    let (mut client, sender, receiver) = connected(LIMITS).await;
    let heard = heard(receiver);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for number in 0..500 {
                    let frame = Frame::text(format!("{thread} {number}").as_bytes());
                    while sender.queued().1 > 50 {
                        std::thread::yield_now();
                    }
                    assert_eq!(sender.push(&frame, Class::Must), Pushed::Taken);
                }
            })
        })
        .collect();

    let mut next = [0; 4];
    for _ in 0..2000 {
        let text = client.next_text().await;
        let (thread, number) = text.split_once(' ').unwrap();
        let thread: usize = thread.parse().unwrap();
        assert_eq!(number.parse(), Ok(next[thread]), "of {thread}");
        next[thread] += 1;
    }

    for thread in threads {
        thread.join().unwrap();
    }
    client.send(&close(1000, b"")).await;
    assert_eq!(heard.await.unwrap().1, End::Closed { code: Some(1000) });
}

#[tokio::test]
async fn idle_is_since_anything_was_heard() {
    let (mut client, sender, mut receiver) = connected(LIMITS).await;
    while sender.idle() < Duration::from_millis(20) {
        tokio::task::yield_now().await;
    }
    let start = std::time::Instant::now();

    client.send(&frame(0x8a, b"")).await;
    client.send(&frame(0x81, b"here")).await;
    let next = tokio::time::timeout(PATIENCE, receiver.next()).await;

    assert_eq!(next.unwrap(), Ok("here".into()));
    // It is kept in whole milliseconds.
    assert!(sender.idle() <= start.elapsed() + Duration::from_millis(1));
}
