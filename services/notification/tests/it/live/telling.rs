//! What clients hear.

use tradepost_notification::config::LiveConfig;
use tradepost_notification::ports::{Announcement, Follow, Gap, Signal};
use tradepost_notifications::follow::Event;
use tradepost_notifications::stream::Stream;

use super::desk::{Desk, event, group_of, opened, own, seq, until_connected};

#[tokio::test]
async fn a_client_hears_its_own_stream_and_its_groups() {
    let desk = Desk::new();
    let node = desk.node(LiveConfig::default()).await;
    let (ada, staff) = (desk.reader("ada"), "staff".parse().unwrap());
    desk.store.join("staff", &ada);
    let mut client = desk.client(&node, "ada");
    opened(&mut client).await;

    desk.tell(&[&node], &own(&ada), "for ada");
    desk.tell(&[&node], &own(&desk.reader("bob")), "for bob");
    desk.tell(&[&node], &group_of(desk.tenant, &staff), "for staff");

    let (mut heard, streams) = (Vec::new(), [Stream::User, Stream::Group(staff)]);
    for _ in &streams {
        let Event::Notification(told) = event(&mut client).await else {
            panic!("something else");
        };
        heard.push((told.stream, told.message));
    }
    let [user, group] = streams;
    assert_eq!(
        heard,
        [
            (user, "for ada".to_owned()),
            (group, "for staff".to_owned())
        ]
    );
}

#[tokio::test]
async fn what_was_missed_is_resumed_at_another_node_and_nothing_comes_twice() {
    let desk = Desk::new();
    let (one, two) = tokio::join!(
        desk.node(LiveConfig::default()),
        desk.node(LiveConfig::default())
    );
    let stream = own(&desk.reader("ada"));
    let mut client = desk.client(&one, "ada");
    opened(&mut client).await;
    desk.tell(&[&one, &two], &stream, "");
    assert_eq!(seq(&mut client).await, 1);
    client.cut();
    until_connected(&one, 0).await;

    for _ in 0..50 {
        desk.tell(&[&one, &two], &stream, "");
    }
    let mut client = desk
        .client(&two, "ada")
        .standing_at(client.positions().clone());
    for wanted in 2..=51 {
        assert_eq!(seq(&mut client).await, wanted);
    }
    desk.tell(&[&two], &stream, "");
    assert_eq!(seq(&mut client).await, 52);
}

#[tokio::test]
async fn a_gap_is_seen_by_the_heartbeat_and_resumed() {
    let desk = Desk::new();
    let config = LiveConfig {
        heartbeat_ms: 200,
        ..LiveConfig::default()
    };
    let node = desk.node(config).await;
    let stream = own(&desk.reader("ada"));
    let mut client = desk.client(&node, "ada");
    opened(&mut client).await;
    // Committed, and nobody is told of the first.
    let first = desk.store.commit(&stream, "");
    desk.tell(&[&node], &stream, "");
    let gaps = node.hub.gaps(&[]);

    assert_eq!(
        gaps,
        [Gap {
            key: stream.clone(),
            after: 0,
            upto: 1
        }]
    );
    node.hub.tell(&[Announcement::Entry(first)]);

    assert_eq!(seq(&mut client).await, 1);
    assert_eq!(seq(&mut client).await, 2);
}

#[tokio::test]
async fn reading_on_one_device_is_heard_on_the_other() {
    let desk = Desk::new();
    let node = desk.node(LiveConfig::default()).await;
    let ada = desk.reader("ada");
    let (mut phone, mut laptop) = (desk.client(&node, "ada"), desk.client(&node, "ada"));
    opened(&mut phone).await;
    opened(&mut laptop).await;
    desk.tell(&[&node], &own(&ada), "");
    assert_eq!(seq(&mut phone).await, 1);
    assert_eq!(seq(&mut laptop).await, 1);

    // More than there is cannot have been read.
    phone.read([(Stream::User, 7)].into()).await;

    let Event::Read(places) = event(&mut laptop).await else {
        panic!("something else");
    };
    assert_eq!(places.streams, [(Stream::User, 1)].into());
    assert_eq!(*desk.store.reads.lock().unwrap(), [(ada, Stream::User, 1)]);
}

#[tokio::test]
async fn a_signal_reaches_who_is_there() {
    let desk = Desk::new();
    let node = desk.node(LiveConfig::default()).await;
    let mut client = desk.client(&node, "ada");
    opened(&mut client).await;
    let text = r#"{"t":"signal","id":"ntf_1","type":"typing","title":"t","message":"","data":{}}"#;
    let signal = Signal {
        key: own(&desk.reader("ada")),
        collapse: Some("typing".into()),
        text: text.into(),
    };

    node.hub.tell(&[Announcement::Signal(signal)]);

    let event = event(&mut client).await;
    assert!(
        matches!(&event, Event::Signal(told) if told.kind == "typing"),
        "{event:?}"
    );
}

#[tokio::test]
async fn many_that_leave_at_once_leave_nothing_behind() {
    let desk = Desk::new();
    let node = desk.node(LiveConfig::default()).await;
    let staff = "staff".parse().unwrap();
    let mut clients = Vec::new();
    for number in 0..200 {
        let user = format!("user-{number}");
        desk.store.join("staff", &desk.reader(&user));
        clients.push(desk.client(&node, &user));
    }
    futures::future::join_all(clients.iter_mut().map(opened)).await;
    desk.tell(&[&node], &group_of(desk.tenant, &staff), "");
    let seqs = futures::future::join_all(clients.iter_mut().map(seq)).await;
    assert_eq!(seqs, vec![1; 200]);

    drop(clients);
    let mut late = desk.client(&node, "late");
    opened(&mut late).await;
    until_connected(&node, 1).await;
}
