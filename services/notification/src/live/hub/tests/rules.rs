//! What the hub does in one case after the other.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tradepost_notifications::stream::{Epoch, Position, Stream};
use tradepost_notifications::wire::{Told, close};

use super::world::{Store, Wire, entry, hub, key, reader};
use crate::config::LiveConfig;
use crate::live::hub::{Conn, Hub, Opening, SHARDS, Step, framed};
use crate::live::wheel;
use crate::ports::{Announcement, Follow, Gap, MemberChange, ReadMove, Signal};

pub(super) struct Visitor {
    pub(super) wire: Wire,
    pub(super) conn: Arc<Conn<Wire>>,
}

/// Opens a connection that stands at these places, and takes the welcome's outcomes.
pub(super) fn visit(
    hub: &Hub<Wire>,
    store: &Store,
    at: &[(&Stream, u64)],
) -> (Visitor, BTreeMap<Stream, Option<bool>>) {
    let epoch = &store.epoch;
    let at = at.iter().map(|(stream, seq)| {
        let (epoch, seq) = (epoch.clone(), *seq);
        ((*stream).clone(), Position { epoch, seq })
    });
    let wire = Wire::default();
    let conn = hub.enter(reader(store.tenant), wire.clone());
    let mut opening = Opening::new(at.collect());
    let gaps = loop {
        match hub.place(&conn, &mut opening, &store.open()) {
            Step::Again => {}
            Step::Fetch(gaps) => break gaps,
            Step::Foreign | Step::Gone => panic!("it is not taken"),
        }
    };
    let fetched = gaps
        .iter()
        .map(|gap| Some(framed::<Wire>(&store.fetch(gap))));
    hub.begin(&conn, opening, fetched.collect());
    let text = wire.0.lock().unwrap().0.pop_front().unwrap();
    let Told::Welcome(welcome) = Told::parse(&text).unwrap() else {
        panic!("no welcome but {text}");
    };
    let outcomes = welcome.streams.into_iter();
    let outcomes = outcomes.map(|(stream, start)| (stream, start.recovered));
    (Visitor { wire, conn }, outcomes.collect())
}

impl Visitor {
    /// The sequences that came on a stream.
    fn seqs(&self) -> Vec<u64> {
        let heard = self.wire.heard().into_iter();
        heard
            .filter_map(|told| match told {
                Told::Notification(told) => Some(told.seq),
                Told::Welcome(_)
                | Told::Signal(_)
                | Told::Tops(_)
                | Told::Read(_)
                | Told::Joined(_)
                | Told::Left(_)
                | Told::Reconnect(_)
                | Told::Pong
                | Told::Refreshed(_) => None,
            })
            .collect()
    }
}

fn staff() -> Stream {
    "group:staff".parse().unwrap()
}

#[test]
fn what_leaves_a_gap_waits_and_the_gap_is_named() {
    let (hub, store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let user = key(store.tenant, &Stream::User);
    let told = |seq| Announcement::Entry(entry(&user, seq));

    hub.tell(&[told(5), told(2), told(5)]);
    let gaps = hub.gaps(&[(user.clone(), 7)]);

    let gap = |after, upto| Gap {
        key: user.clone(),
        after,
        upto,
    };
    assert_eq!(gaps, [gap(0, 1), gap(2, 4), gap(5, 7)]);
    assert!(visitor.seqs().is_empty());

    hub.tell(&[told(3), told(1), told(4)]);

    assert_eq!(visitor.seqs(), [1, 2, 3, 4, 5]);
    assert_eq!(hub.gaps(&[]), [gap(5, 7)]);
    hub.tell(&[told(6), told(7), told(7), told(1)]);
    assert_eq!(visitor.seqs(), [6, 7]);
    assert_eq!(hub.gaps(&[]), []);
}

#[test]
fn what_is_told_together_is_one_write_and_stays_in_order() {
    let (hub, store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let user = key(store.tenant, &Stream::User);
    let told = |seq| Announcement::Entry(entry(&user, seq));
    let signal = Announcement::Signal(Signal {
        key: user.clone(),
        collapse: None,
        text: r#"{"t":"pong"}"#.into(),
    });
    visitor.wire.writes();

    hub.tell(&[told(1), told(2), told(3)]);
    let together = (visitor.wire.writes(), visitor.seqs());
    hub.tell(&[told(4), signal, told(5)]);
    let apart = visitor.wire.heard();

    assert_eq!(together, (1, vec![1, 2, 3]));
    assert!(
        matches!(
            apart.as_slice(),
            [Told::Notification(first), Told::Pong, Told::Notification(last)]
                if (first.seq, last.seq) == (4, 5)
        ),
        "{apart:?}"
    );
}

#[test]
fn a_position_of_another_history_or_above_the_top_is_not_resumed() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    store.commit(&Stream::User);
    let (_, above) = visit(&hub, &store, &[(&Stream::User, 2)]);
    let (_, same) = visit(&hub, &store, &[(&Stream::User, 1)]);
    let epoch = std::mem::replace(&mut store.epoch, Epoch("two".into()));
    let wire = Wire::default();
    let conn = hub.enter(reader(store.tenant), wire);
    let mut opening = Opening::new(BTreeMap::new());

    assert_eq!(above[&Stream::User], Some(false));
    assert_eq!(same[&Stream::User], Some(true));
    assert_eq!(same[&staff()], None);
    assert_eq!(hub.place(&conn, &mut opening, &store.open()), Step::Foreign);

    hub.epoch(&Epoch("two".into()));
    store.epoch = Epoch("two".into());
    let wire = Wire::default();
    let conn = hub.enter(reader(store.tenant), wire.clone());
    let position = Position { epoch, seq: 1 };
    let mut opening = Opening::new([(Stream::User, position)].into());
    assert_eq!(hub.place(&conn, &mut opening, &store.open()), Step::Again);
    assert_eq!(
        hub.place(&conn, &mut opening, &store.open()),
        Step::Fetch(Vec::new())
    );
    hub.begin(&conn, opening, Vec::new());
    let heard = wire.heard();
    let [Told::Welcome(welcome)] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(welcome.streams[&Stream::User].recovered, Some(false));
}

#[test]
fn another_history_ends_every_connection_and_forgets_every_stream() {
    let (hub, store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);

    hub.epoch(&store.epoch);
    assert_eq!(visitor.wire.closed(), None);
    hub.epoch(&Epoch("two".into()));

    assert_eq!(visitor.wire.closed(), Some(close::RESET));
    assert!(hub.is_empty());
    assert!(
        hub.streams
            .iter()
            .all(|shard| shard.lock().unwrap().is_empty())
    );
}

#[test]
fn what_is_kept_no_more_is_told_as_missed() {
    let config = LiveConfig {
        kept_entries_max: 1,
        ..LiveConfig::default()
    };
    let (hub, mut store) = (hub(&config), Store::new());
    for _ in 0..3 {
        store.commit(&Stream::User);
    }
    store.kept_from = 3;

    let (whole, from_two) = visit(&hub, &store, &[(&Stream::User, 2)]);
    let (part, from_one) = visit(&hub, &store, &[(&Stream::User, 1)]);

    assert_eq!(from_two[&Stream::User], Some(true));
    assert_eq!(whole.seqs(), [3]);
    assert_eq!(from_one[&Stream::User], Some(false));
    assert!(part.seqs().is_empty());
}

#[test]
fn a_gap_that_cannot_be_filled_begins_anew() {
    let (hub, store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let user = key(store.tenant, &Stream::User);
    hub.tell(&[Announcement::Entry(entry(&user, 3))]);
    let gaps = hub.gaps(&[]);

    hub.lost(&gaps[0]);

    assert_eq!(visitor.wire.closed(), Some(close::RESET));
    assert_eq!(hub.gaps(&[]), []);
}

#[test]
fn a_member_hears_a_group_from_the_joining_to_the_leaving() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let change = |version, is_member, seq| {
        Announcement::Member(MemberChange {
            reader: reader(store.tenant),
            group: "late".parse().unwrap(),
            seq,
            is_member,
            version,
        })
    };
    let late: Stream = "group:late".parse().unwrap();
    let key = key(store.tenant, &late);
    let told = |seq| Announcement::Entry(entry(&key, seq));

    hub.tell(&[told(4), change(1, true, 4), told(5), told(6)]);
    let heard = visitor.wire.heard();
    assert!(
        matches!(&heard[0], Told::Joined(joined) if joined.seq == 4),
        "{heard:?}"
    );
    assert_eq!(heard.len(), 3);

    // One of them comes late: it is older than what is known.
    hub.tell(&[change(2, false, 6), change(1, true, 4), told(7)]);
    let heard = visitor.wire.heard();
    assert!(matches!(&heard[..], [Told::Left(_)]), "{heard:?}");
    store.streams.clear();
    store.streams.insert(Stream::User, Vec::new());
    hub.settle(&reader(store.tenant), &store.open());
    assert!(visitor.wire.heard().is_empty());
}

#[test]
fn what_was_told_between_a_joining_and_its_late_announcement_is_not_missed_in_silence() {
    let config = LiveConfig {
        kept_entries_max: 2,
        ..LiveConfig::default()
    };
    let (hub, mut store) = (hub(&config), Store::new());
    let late: Stream = "group:late".parse().unwrap();
    let (first, _) = visit(&hub, &store, &[]);
    store.streams.insert(late.clone(), Vec::new());
    // Somebody else has the stream followed here; ten are told before the joining is heard of.
    let _stays = store.visit_as_bob(&hub);
    for _ in 0..10 {
        hub.tell(&[Announcement::Entry(store.commit(&late))]);
    }
    let joining = |seq, version| {
        Announcement::Member(MemberChange {
            reader: reader(store.tenant),
            group: "late".parse().unwrap(),
            seq,
            is_member: true,
            version,
        })
    };

    hub.tell(&[joining(3, 1)]);

    let heard = first.wire.heard();
    assert!(
        matches!(&heard[..], [Told::Joined(joined)]
            if (joined.seq, joined.recovered) == (10, Some(false))),
        "{heard:?}"
    );
    hub.tell(&[Announcement::Entry(store.commit(&late))]);
    assert_eq!(first.seqs(), [11]);
}

#[test]
fn what_a_client_acknowledges_is_measured_once() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    for stream in [Stream::User, Stream::User, staff()] {
        hub.tell(&[Announcement::Entry(store.commit(&stream))]);
    }
    let ack = |user, group| {
        let streams = [(Stream::User, user), (staff(), group)].into();
        hub.acknowledge(&visitor.conn, &streams)
    };

    // In these tests the sequence is when it was stored.
    assert_eq!(ack(1, 0), Some(1));
    assert_eq!(ack(1, 0), None);
    assert_eq!(ack(2, 1), Some(2));
    assert_eq!(ack(1, 1), None);
    // What nobody was told.
    assert_eq!(ack(9, 1), None);
    hub.tell(&[Announcement::Entry(store.commit(&Stream::User))]);
    assert_eq!(ack(3, 1), Some(3));
}

#[test]
fn what_a_member_misses_since_the_joining_is_looked_for() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let late: Stream = "group:late".parse().unwrap();
    store.streams.insert(late.clone(), Vec::new());
    // Told while nobody here followed it.
    let first = store.commit(&late);
    hub.tell(&[Announcement::Entry(first)]);
    let change = MemberChange {
        reader: reader(store.tenant),
        group: "late".parse().unwrap(),
        seq: 0,
        is_member: true,
        version: 1,
    };
    hub.tell(&[Announcement::Member(change)]);
    assert!(visitor.seqs().is_empty());

    hub.settle(&reader(store.tenant), &store.open());
    store.heal(&hub);

    assert_eq!(visitor.seqs(), [1]);
}

#[test]
fn a_group_that_a_second_connection_learns_of_is_the_firsts_too() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let (first, _) = visit(&hub, &store, &[]);
    let late: Stream = "group:late".parse().unwrap();
    store.streams.insert(late.clone(), Vec::new());
    // The joining is committed; before it is heard of here, another connection begins.
    let (second, _) = visit(&hub, &store, &[]);
    let change = MemberChange {
        reader: reader(store.tenant),
        group: "late".parse().unwrap(),
        seq: 0,
        is_member: true,
        version: 1,
    };

    let told = store.commit(&late);
    hub.tell(&[Announcement::Member(change), Announcement::Entry(told)]);

    let heard = first.wire.heard();
    assert!(
        matches!(&heard[..], [Told::Joined(joined), Told::Notification(told)]
            if joined.stream == late && (joined.seq, told.seq) == (0, 1)),
        "{heard:?}"
    );
    assert_eq!(second.seqs(), [1]);
}

#[test]
fn who_comes_back_into_a_group_hears_nothing_twice() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let had = [store.commit(&staff()), store.commit(&staff())];
    hub.tell(&had.map(Announcement::Entry));
    let left = MemberChange {
        reader: reader(store.tenant),
        group: "staff".parse().unwrap(),
        seq: 2,
        is_member: false,
        version: 2,
    };
    // Somebody else keeps what was told here.
    let _stays = store.visit_as_bob(&hub);
    hub.tell(&[Announcement::Member(left)]);
    assert_eq!(visitor.seqs(), [1, 2]);

    let mut back = store.open();
    back.groups[0].stood = 2;
    back.groups[0].version = 3;
    hub.settle(&reader(store.tenant), &back);

    let heard = visitor.wire.heard();
    assert!(
        matches!(&heard[..], [Told::Joined(joined)] if joined.seq == 2),
        "{heard:?}"
    );
}

#[test]
fn of_too_many_connections_of_one_person_the_oldest_goes() {
    let config = LiveConfig {
        user_connections_max: 2,
        ..LiveConfig::default()
    };
    let (hub, store) = (hub(&config), Store::new());

    let visitors: Vec<_> = (0..3).map(|_| visit(&hub, &store, &[]).0).collect();

    let closed = visitors.iter().map(|visitor| visitor.wire.closed());
    assert_eq!(
        closed.collect::<Vec<_>>(),
        [Some(close::REPLACED), None, None]
    );
    for visitor in &visitors {
        hub.leave(&visitor.conn);
        hub.leave(&visitor.conn);
    }
    assert!(hub.is_empty());
    assert!(
        hub.people
            .iter()
            .all(|shard| shard.lock().unwrap().is_empty())
    );
    assert!(
        hub.streams
            .iter()
            .all(|shard| shard.lock().unwrap().is_empty())
    );
}

#[test]
fn a_heartbeat_says_where_the_streams_stand() {
    let (hub, mut store) = (hub(&LiveConfig::default()), Store::new());
    store.commit(&staff());
    let (visitor, _) = visit(&hub, &store, &[]);

    for part in 0..SHARDS {
        hub.beat(&hub.part(part));
    }

    let heard = visitor.wire.heard();
    let [Told::Tops(places)] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(places.streams, [(Stream::User, 0), (staff(), 1)].into());
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_a_few_at_a_time() {
    let each = 16;
    let config = LiveConfig {
        user_connections_max: SHARDS * each,
        ..LiveConfig::default()
    };
    let (hub, store) = (Arc::new(hub(&config)), Store::new());
    let visitors: Vec<_> = (0..SHARDS * each)
        .map(|_| visit(&hub, &store, &[]).0)
        .collect();
    let step = Duration::from_millis(50);
    let heartbeat = step * u32::try_from(visitors.len()).unwrap();
    let mut beat = pin!(wheel::beat(hub, heartbeat, CancellationToken::new()));

    // Between two steps.
    let _goes_on = timeout(step / 2, beat.as_mut()).await;
    let mut told = Vec::new();
    for _ in 0..=each {
        let first = visitors.iter().step_by(SHARDS);
        told.push(first.map(|one| one.wire.heard().len()).sum::<usize>());
        let _goes_on = timeout(step, beat.as_mut()).await;
    }

    assert_eq!(told, [vec![1; each], vec![0]].concat());
}

#[test]
fn reads_and_signals_reach_every_device() {
    let (hub, store) = (hub(&LiveConfig::default()), Store::new());
    let visitors: Vec<_> = (0..2).map(|_| visit(&hub, &store, &[]).0).collect();

    let signal = Signal {
        key: key(store.tenant, &Stream::User),
        collapse: Some("typing".into()),
        text: Told::Pong.text(),
    };
    let moved = ReadMove {
        reader: reader(store.tenant),
        stream: staff(),
        seq: 3,
    };
    // The look at the database sees the cursor once more, or the last but one late.
    let earlier = ReadMove {
        seq: 2,
        ..moved.clone()
    };
    let reads = [moved.clone(), moved, earlier].map(Announcement::Read);
    hub.tell(&[Announcement::Signal(signal)]);
    hub.tell(&reads);

    for visitor in visitors {
        let heard = visitor.wire.heard();
        assert!(
            matches!(&heard[..], [Told::Pong, Told::Read(_)]),
            "{heard:?}"
        );
    }
}

#[test]
fn memory_for_the_last_entries_has_one_bound() {
    let config = LiveConfig {
        kept_entries_max: 10_000,
        kept_mib_max: 1,
        ..LiveConfig::default()
    };
    let (hub, store) = (hub(&config), Store::new());
    let (visitor, _) = visit(&hub, &store, &[]);
    let user = key(store.tenant, &Stream::User);

    for seq in 1..=6_000 {
        hub.tell(&[Announcement::Entry(entry(&user, seq))]);
    }

    let kept = hub.kept_bytes.load(std::sync::atomic::Ordering::Relaxed);
    assert!((900_000..=1_048_576).contains(&kept), "{kept}");
    assert_eq!(visitor.seqs().len(), 6_000);
    let stored = hub.acknowledge(&visitor.conn, &[(Stream::User, 6_000)].into());
    assert_eq!(stored, Some(6_000));
    hub.leave(&visitor.conn);
    assert_eq!(hub.kept_bytes.load(std::sync::atomic::Ordering::Relaxed), 0);
}
