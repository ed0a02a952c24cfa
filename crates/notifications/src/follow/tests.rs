use super::*;
use crate::stream::Epoch;

fn welcome(epoch: &str, seq: u64, recovered: Option<bool>) -> Told {
    let start = Start {
        seq,
        read: 0,
        recovered,
    };
    Told::Welcome(Welcome {
        epoch: Epoch(epoch.into()),
        heartbeat_ms: 1_000,
        streams: [(Stream::User, start)].into(),
    })
}

fn notification(seq: u64) -> Told {
    let text = format!(
        r#"{{"t":"notification","stream":"user","seq":{seq},"id":"ntf_1","time":"2026-01-01T00:00:00Z","type":"note","title":"t","message":"","data":{{}}}}"#
    );
    Told::parse(&text).unwrap()
}

/// What is heard in one go: the sequences, the pieces that are missing, and the last turn.
fn hear(follower: &mut Follower, told: Vec<Told>) -> (Vec<u64>, Vec<(u64, u64)>, Turn) {
    let (mut events, mut turn) = (Vec::new(), Turn::Stay);
    for told in told {
        turn = follower.hear(told, &mut events);
    }
    let (mut had, mut missed) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Notification(told) => had.push(told.seq),
            Event::Missed { after, upto, .. } => missed.push((after, upto)),
            Event::Opened(_)
            | Event::Signal(_)
            | Event::Read(_)
            | Event::Joined(_)
            | Event::Left(_) => {}
        }
    }
    (had, missed, turn)
}

#[test]
fn each_is_had_once_and_in_order() {
    let mut follower = Follower::default();

    let told = vec![
        welcome("one", 4, None),
        notification(4),
        notification(5),
        notification(5),
        notification(6),
    ];
    assert_eq!(hear(&mut follower, told), (vec![5, 6], vec![], Turn::Stay));
    assert_eq!(follower.positions()[&Stream::User].seq, 6);
}

#[test]
fn a_gap_is_resumed_from() {
    let mut follower = Follower::default();

    let told = vec![welcome("one", 4, None), notification(6)];
    assert_eq!(hear(&mut follower, told), (vec![], vec![], Turn::Resume));
    let told = vec![
        welcome("one", 6, Some(true)),
        notification(5),
        notification(6),
    ];
    assert_eq!(hear(&mut follower, told), (vec![5, 6], vec![], Turn::Stay));
}

#[test]
fn a_top_above_what_is_had_is_resumed_from() {
    let mut follower = Follower::default();
    let tops = |seq| {
        Told::Tops(Places {
            streams: [(Stream::User, seq)].into(),
        })
    };

    let told = vec![welcome("one", 4, None), tops(4)];
    assert_eq!(hear(&mut follower, told).2, Turn::Stay);
    assert_eq!(hear(&mut follower, vec![tops(5)]).2, Turn::Resume);
}

#[test]
fn what_is_not_recovered_is_said() {
    let mut follower = Follower::default();
    hear(&mut follower, vec![welcome("one", 4, None)]);

    let told = vec![welcome("one", 900, Some(false)), notification(901)];
    assert_eq!(
        hear(&mut follower, told),
        (vec![901], vec![(4, 900)], Turn::Stay)
    );
    // Another history: all of it is unknown.
    let told = vec![welcome("two", 3, Some(false)), notification(4)];
    assert_eq!(
        hear(&mut follower, told),
        (vec![4], vec![(0, 3)], Turn::Stay)
    );
}

#[test]
fn groups_come_and_go() {
    let mut follower = Follower::default();
    hear(&mut follower, vec![welcome("one", 4, None)]);
    let group = r#""stream":"group:staff""#;

    let joined = Told::parse(&format!(r#"{{"t":"joined",{group},"seq":7}}"#)).unwrap();
    hear(&mut follower, vec![joined]);
    let staff: Stream = "group:staff".parse().unwrap();
    assert_eq!(follower.positions()[&staff].seq, 7);
    let late = format!(r#"{{"t":"joined",{group},"seq":9,"recovered":false}}"#);
    let late = vec![Told::parse(&late).unwrap()];
    assert_eq!(hear(&mut follower, late).1, [(0, 9)]);
    let left = Told::parse(&format!(r#"{{"t":"left",{group}}}"#)).unwrap();
    hear(&mut follower, vec![left]);
    assert!(!follower.positions().contains_key(&staff));
}
