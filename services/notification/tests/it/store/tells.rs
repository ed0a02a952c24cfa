//! Telling: places, repetitions, groups.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use tradepost_notification::ports::{Gap, Outcome, Past, Portion, Telling, Tellings};
use tradepost_types::NotificationId;

use super::support::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn racing_senders_leave_no_gap_and_give_no_place_twice() {
    let desk = Arc::new(Desk::open().await);
    desk.make_group("all").await;
    let names = ["ann", "bob", "cid", "dan", "eve"];

    let senders = (0..8_usize).map(|sender| {
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            for turn in 0..12_usize {
                // Each of them in another order.
                let chosen: Vec<&str> =
                    (0..3).map(|n| names[(sender + turn + 2 * n) % 5]).collect();
                let (receipt, entries) = desk.tell(desk.to_users(&chosen, "raced")).await;
                let places: Vec<u64> = entries.iter().map(|entry| entry.seq).collect();
                assert_eq!(receipt.sequences, places);
                desk.tell(desk.to_group("all", "raced")).await;
            }
        })
    });
    for sender in join_all(senders).await {
        sender.unwrap();
    }

    let rows: Vec<(String, i64, time::OffsetDateTime)> =
        sqlx::query_as("select stream, seq, created_at from notifications order by stream, seq")
            .fetch_all(&mut desk.test_database.admin().await)
            .await
            .unwrap();
    let mut streams: BTreeMap<String, Vec<(i64, time::OffsetDateTime)>> = BTreeMap::new();
    for (stream, seq, time) in rows {
        streams.entry(stream).or_default().push((seq, time));
    }
    assert_eq!(streams.len(), 6);
    let total: usize = streams.values().map(Vec::len).sum();
    assert_eq!(total, 8 * 12 * 4);
    for (stream, told) in streams {
        let places: Vec<i64> = told.iter().map(|(seq, _)| *seq).collect();
        let last = i64::try_from(places.len()).unwrap();
        assert_eq!(places, (1..=last).collect::<Vec<_>>(), "{stream}");
        assert!(told.is_sorted_by_key(|(_, time)| *time), "{stream}");
    }
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_stores_nothing() {
    let desk = Desk::open().await;
    let telling = desk.to_users(&["ann", "bob"], "once");
    let (receipt, _) = desk.tell(telling.clone()).await;
    let again = Telling {
        id: NotificationId::new(),
        ..telling.clone()
    };
    let mut other = telling;
    other.request.fingerprint = [8; 32];

    let again = desk.store.tell(again).await.unwrap();
    let other = desk.store.tell(other).await.unwrap();

    assert_eq!(again, Outcome::Replayed(receipt));
    assert_eq!(other, Outcome::Reused);
    assert_eq!(stored(&desk).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_concurrent_twins_one_is_stored_and_all_get_its_answer() {
    let desk = Desk::open().await;
    let telling = desk.to_users(&["ann", "bob"], "once");

    let twins = (0..24).map(|_| {
        let twin = Telling {
            id: NotificationId::new(),
            ..telling.clone()
        };
        desk.store.tell(twin)
    });
    let told = join_all(twins).await;

    let (mut receipts, mut new) = (Vec::new(), 0);
    for outcome in told {
        match outcome.unwrap() {
            Outcome::Stored(receipt, entries) => {
                assert_eq!(entries.len(), 2);
                new += 1;
                receipts.push(receipt);
            }
            Outcome::Replayed(receipt) => receipts.push(receipt),
            refused @ (Outcome::Reused | Outcome::NoGroup) => panic!("{refused:?}"),
        }
    }
    assert_eq!(new, 1);
    receipts.dedup();
    assert_eq!(receipts.len(), 1);
    assert_eq!(stored(&desk).await, 2);
}

#[tokio::test]
async fn what_a_group_is_told_is_one_row_whatever_its_members() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    desk.join("staff", &["ann", "bob", "cid"]).await;

    let (receipt, entries) = desk.tell(desk.to_group("staff", "all of you")).await;

    assert_eq!(receipt.sequences, [1]);
    assert_eq!(entries.len(), 1);
    assert_eq!(stored(&desk).await, 1);
}

#[tokio::test]
async fn a_request_about_a_missing_group_is_refused_and_its_id_stays_free() {
    let desk = Desk::open().await;
    let telling = desk.to_group("staff", "anybody?");

    let refused = desk.store.tell(telling.clone()).await.unwrap();
    desk.make_group("staff").await;
    let (receipt, _) = desk.tell(telling).await;

    assert_eq!(refused, Outcome::NoGroup);
    assert_eq!(receipt.sequences, [1]);
}

#[tokio::test]
async fn an_entry_read_from_the_database_is_the_one_that_was_announced() {
    let desk = Desk::open().await;
    let mut told = Vec::new();
    for title in ["one", "two", "three"] {
        told.extend(desk.tell(desk.to_users(&["ann"], title)).await.1);
    }
    let gap = |after, upto| Gap {
        key: desk.of_user("ann"),
        after,
        upto,
    };
    let other = Gap {
        key: desk.of_group("ann"),
        after: 0,
        upto: 9,
    };

    let gaps = [gap(0, 3), gap(1, 2), other, gap(3, 9)];
    let portion = |entries, bytes| Portion { entries, bytes };
    let found = desk.store.entries(&gaps, portion(2, 1_000)).await;
    let found = found.unwrap();
    // One is read however large it is, and the next only while they have not the bytes.
    let mut counts = Vec::new();
    for bytes in (1..2_000).step_by(50) {
        let piece = desk.store.entries(&gaps[..1], portion(9, bytes)).await;
        counts.push(piece.unwrap()[0].len());
    }
    counts.dedup();

    assert_eq!(found[0], told[..2]);
    assert_eq!(counts, [1, 2, 3]);
    assert_eq!(found[1], told[1..2]);
    assert!(found[2].is_empty());
    assert!(found[3].is_empty());
    let text = std::str::from_utf8(&told[0].text).unwrap();
    assert!(text.contains("12345678901234567890.10"), "{text}");
}

async fn stored(desk: &Desk) -> i64 {
    sqlx::query_scalar("select count(*) from notifications")
        .fetch_one(&mut desk.test_database.admin().await)
        .await
        .unwrap()
}
