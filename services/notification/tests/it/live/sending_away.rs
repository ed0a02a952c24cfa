//! A node that goes.

use futures::future::join_all;
use tradepost_notification::config::LiveConfig;

use super::SOON;
use super::desk::{Desk, opened, own, seq};

#[tokio::test]
async fn a_node_that_goes_sends_everybody_to_another_and_nothing_is_missed() {
    let desk = Desk::new();
    let config = LiveConfig {
        drain_ms: 500,
        ..LiveConfig::default()
    };
    let (old, new) = tokio::join!(desk.node(config.clone()), desk.node(config));
    let users: Vec<_> = (0..20).map(|number| format!("user-{number}")).collect();
    let mut clients: Vec<_> = users.iter().map(|user| desk.client(&old, user)).collect();
    join_all(clients.iter_mut().map(opened)).await;
    let tell_all = || {
        for user in &users {
            desk.tell(&[&old, &new], &own(&desk.reader(user)), "");
        }
    };
    tell_all();
    assert_eq!(join_all(clients.iter_mut().map(seq)).await, vec![1; 20]);

    old.shutdown.cancel();
    tell_all();
    // They are away by themselves, or were closed: where they stand goes with them.
    tokio::time::timeout(SOON, old.tasks.drained())
        .await
        .unwrap();
    assert!(old.hub.is_empty());
    tell_all();

    let moved = users.iter().zip(clients);
    let mut clients: Vec<_> = moved
        .map(|(user, client)| {
            desk.client(&new, user)
                .standing_at(client.positions().clone())
        })
        .collect();
    assert_eq!(join_all(clients.iter_mut().map(seq)).await, vec![2; 20]);
    assert_eq!(join_all(clients.iter_mut().map(seq)).await, vec![3; 20]);
}

#[tokio::test]
async fn a_client_is_told_when_to_come_back_before_it_is_closed() {
    let desk = Desk::new();
    let config = LiveConfig {
        drain_ms: 300,
        ..LiveConfig::default()
    };
    let node = desk.node(config).await;
    let heard = super::opening::hear_until_closed(&desk, &node, || node.shutdown.cancel()).await;

    let [welcome, reconnect] = &heard.0[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(welcome["t"], "welcome");
    assert_eq!(reconnect["t"], "reconnect");
    assert!(reconnect["after_ms"].as_u64().unwrap() <= 300);
    assert_eq!(heard.1, Some(1012));
}
