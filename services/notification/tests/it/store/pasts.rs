//! What those see who deliver: where streams stand, and what is new.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tradepost_notification::adapters::postgres::epoch;
use tradepost_notification::adapters::postgres::write::{ToUser, tell_users};
use tradepost_notification::ports::{Histories, Past, Place, ReadMove, Snapshot, StreamKey, Tail};
use tradepost_notifications::stream::Stream;
use tradepost_testkit::eventually;
use tradepost_types::NotificationId;

use super::support::{Desk, SOON, content, group, user};

#[tokio::test]
async fn readers_are_opened_at_their_places_and_in_their_order() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    desk.tell(desk.to_group("staff", "before")).await;
    desk.join("staff", &["ann"]).await;
    desk.tell(desk.to_group("staff", "after")).await;
    desk.tell(desk.to_users(&["ann", "bob"], "both")).await;
    let ann = desk.reader("ann");
    desk.store.mark(&ann, &[(Stream::User, 9)]).await.unwrap();

    let readers = [desk.reader("nobody"), desk.reader("bob"), ann];
    let opened = desk.store.open(&readers).await.unwrap();

    assert_eq!(opened[0].user, Place { top: 0, read: 0 });
    assert_eq!(opened[1].user, Place { top: 1, read: 0 });
    assert!(opened[1].groups.is_empty());
    assert_eq!(opened[2].user, Place { top: 1, read: 1 });
    let staff = &opened[2].groups[0];
    assert_eq!(staff.group, group("staff"));
    assert_eq!(staff.place, Place { top: 2, read: 1 });
    assert_eq!(staff.joined_after, 1);
    assert_eq!(opened[0].epoch, opened[2].epoch);
}

#[tokio::test]
async fn a_new_epoch_is_in_every_answer() {
    let desk = Desk::open().await;
    let before = desk.store.tail(None, 10).await.unwrap();

    let mut tx = desk.database.system_tx().await.unwrap();
    let (old, renewed) = epoch::renew(tx.conn()).await.unwrap();
    tx.commit().await.unwrap();

    let after = desk.store.tail(Some(before.next), 10).await.unwrap();
    let opened = desk.store.open(&[desk.reader("ann")]).await.unwrap();
    assert_eq!(before.epoch, old);
    assert_ne!(old, renewed);
    assert_eq!(after.epoch, renewed);
    assert_eq!(opened[0].epoch, renewed);
}

#[tokio::test]
async fn what_commits_behind_a_running_transaction_is_seen_at_once() {
    let desk = Desk::open().await;
    let since = desk.store.tail(None, 10).await.unwrap().next;
    let mut older = desk.database.system_tx().await.unwrap();
    tell_users(older.conn(), &[to(&desk, "slow")])
        .await
        .unwrap();
    desk.tell(desk.to_users(&["quick"], "now")).await;

    let first = desk.store.tail(Some(since), 10).await.unwrap();
    older.commit().await.unwrap();
    let second = desk.store.tail(Some(first.next), 10).await.unwrap();

    assert_eq!(first.tops, [(desk.of_user("quick"), 1)]);
    assert!(second.tops.contains(&(desk.of_user("slow"), 1)));
}

#[tokio::test]
async fn a_snapshot_of_the_future_begins_anew() {
    let desk = Desk::open().await;
    let now = desk.store.tail(None, 10).await.unwrap().next;

    let tail = desk
        .store
        .tail(Some(Snapshot(now.0 + 1_000_000)), 10)
        .await
        .unwrap();

    assert!(tail.next.0 < now.0 + 1_000_000);
    assert!(tail.tops.is_empty());
}

#[tokio::test]
async fn memberships_are_in_the_tail_with_rising_versions() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    let since = desk.store.tail(None, 10).await.unwrap().next;

    desk.join("staff", &["ann"]).await;
    let joined = desk.store.tail(Some(since), 10).await.unwrap();
    desk.tell(desk.to_group("staff", "one")).await;
    desk.leave("staff", &["ann"]).await;
    let left = desk.store.tail(Some(joined.next), 10).await.unwrap();

    let joined = joined.members.last().unwrap();
    let left = left.members.last().unwrap();
    assert_eq!((joined.seq, joined.is_member), (0, true));
    assert_eq!((left.seq, left.is_member), (1, false));
    assert!(left.version > joined.version);
}

#[tokio::test]
async fn cursors_that_moved_are_in_the_tail() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    desk.join("staff", &["ann"]).await;
    desk.tell(desk.to_group("staff", "one")).await;
    desk.tell(desk.to_users(&["ann", "bob"], "two")).await;
    let since = desk.store.tail(None, 10).await.unwrap().next;
    let ann = desk.reader("ann");

    let staff = Stream::Group(group("staff"));
    let marks = [(Stream::User, 1), (staff.clone(), 1)];
    desk.store.mark(&ann, &marks).await.unwrap();
    // A cursor that does not move, and a stream that goes on.
    desk.store.mark(&ann, &marks).await.unwrap();
    desk.tell(desk.to_users(&["bob"], "three")).await;

    let tail = desk.store.tail(Some(since), 10).await.unwrap();
    let mut moved: Vec<_> = tail.reads.into_iter().collect();
    moved.sort_by_key(|moved| moved.stream.clone());
    moved.dedup();
    let read = |stream| ReadMove {
        reader: ann.clone(),
        stream,
        seq: 1,
    };
    assert_eq!(moved, [read(Stream::User), read(staff)]);
}

/// Transactions that overlap and end in any order, some of them rolled back, and a node that looks now
/// and then, with pages of any size.
#[tokio::test]
async fn the_tail_never_skips_a_commit() {
    let desk = Desk::open().await;
    // Over all rounds: what one of them has seen may come again in the next.
    let (mut seen, mut committed) = (BTreeMap::new(), BTreeMap::new());
    for seed in 0..12_u64 {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let limit = random.random_range(1..4);
        let mut at = desk.store.tail(None, limit).await.unwrap().next;
        let mut open = Vec::new();
        for turn in 0..14 {
            let mut tx = desk.database.system_tx().await.unwrap();
            let told = (0..random.random_range(1..4))
                .map(|n| to(&desk, &format!("u{seed}-{turn}-{n}")))
                .collect::<Vec<_>>();
            let entries = tell_users(tx.conn(), &told).await.unwrap();
            open.push((tx, entries));
            open.shuffle(&mut random);
            while open.len() > random.random_range(0..5) {
                let (tx, entries) = open.pop().unwrap();
                if random.random_bool(0.2) {
                    tx.rollback().await;
                    continue;
                }
                tx.commit().await.unwrap();
                committed.extend(entries.into_iter().map(|entry| (entry.key, entry.seq)));
            }
            if random.random_bool(0.7) {
                at = look(&mut seen, desk.store.tail(Some(at), limit).await.unwrap());
            }
        }
        for (tx, entries) in open {
            tx.commit().await.unwrap();
            committed.extend(entries.into_iter().map(|entry| (entry.key, entry.seq)));
        }
        // Transactions of other databases count as well: theirs may run still.
        eventually("all is seen", SOON, async || {
            at = look(&mut seen, desk.store.tail(Some(at), limit).await.unwrap());
            (seen.len() >= committed.len()).then_some(())
        })
        .await;
        assert_eq!(seen, committed, "seed {seed}");
    }
}

fn look(seen: &mut BTreeMap<StreamKey, u64>, tail: Tail) -> Snapshot {
    seen.extend(tail.tops);
    tail.next
}

fn to(desk: &Desk, name: &str) -> ToUser {
    ToUser {
        tenant: desk.tenant,
        user: user(name),
        id: NotificationId::new(),
        content: content("told"),
    }
}
