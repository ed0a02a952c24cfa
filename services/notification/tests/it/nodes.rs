//! What is told on one node reaches those who follow on all, whatever happens to Redis.

mod world;

use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret;
use tradepost_notification::ports::{Announcement, Gap, Signal};
use tradepost_testkit::{PrivateRedis, eventually, private_redis};

use world::{Node, SOON, World, group, user};

/// Looks so seldom that only Redis can have brought what is there.
const SELDOM: Duration = Duration::from_secs(3_600);
/// More than any piece of a stream has here.
const BYTES: usize = 1_024 * 1_024;
/// Looks so often that a test need not wait.
const OFTEN: Duration = Duration::from_millis(50);

/// A connection of the test's own, which waits longer than the client's half a second.
pub(crate) async fn connect(redis: &PrivateRedis) -> MultiplexedConnection {
    let client = redis::Client::open(redis.url().expose_secret()).unwrap();
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(SOON))
        .set_response_timeout(Some(SOON));
    eventually("Redis is there", SOON, async || {
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        connecting.await.ok()
    })
    .await
}

pub(crate) async fn command<T: redis::FromRedisValue>(redis: &PrivateRedis, parts: &[&str]) -> T {
    let mut command = redis::cmd(parts[0]);
    command.arg(&parts[1..]);
    command
        .query_async(&mut connect(redis).await)
        .await
        .unwrap()
}

/// Until what one node tells comes to the other without a look.
async fn until_carried(world: &World, from: &Node, to: &Node) {
    let key = user(world, "probe");
    let mut marks = Vec::new();
    eventually("Redis carries", SOON, async || {
        marks.push(from.signal(&key));
        marks.iter().any(|mark| to.heard_signal(mark)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_on_one_node_is_heard_on_all_of_them_in_order() {
    let (world, redis) = (World::new(), private_redis().await);
    let nodes = [
        Node::start(&world, Some(&redis), SELDOM).await,
        Node::start(&world, Some(&redis), SELDOM).await,
        Node::start(&world, Some(&redis), SELDOM).await,
    ];
    let keys = [user(&world, "ada"), group(&world, "staff")];
    for node in &nodes {
        keys.iter().for_each(|key| node.follow(key));
    }
    until_carried(&world, &nodes[0], &nodes[1]).await;
    until_carried(&world, &nodes[0], &nodes[2]).await;

    for _ in 0..100 {
        nodes[0].send(&keys);
    }

    for node in &nodes {
        node.until_has(&keys, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_everybody_hears_it_by_looking() {
    let world = World::new();
    let nodes = [
        Node::start(&world, None, OFTEN).await,
        Node::start(&world, None, OFTEN).await,
    ];
    let keys = [user(&world, "ada"), group(&world, "staff")];
    keys.iter().for_each(|key| nodes[1].follow(key));

    for _ in 0..500 {
        nodes[0].send(&keys);
    }

    nodes[1].until_has(&keys, 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_stopped_emptied_or_frozen_loses_nothing_and_is_used_again() {
    let (world, redis) = (World::new(), private_redis().await);
    let nodes = [
        Node::start(&world, Some(&redis), OFTEN).await,
        Node::start(&world, Some(&redis), OFTEN).await,
    ];
    let keys = [user(&world, "ada"), group(&world, "staff")];
    for node in &nodes {
        keys.iter().for_each(|key| node.follow(key));
    }
    until_carried(&world, &nodes[0], &nodes[1]).await;

    let keys = &keys;
    let both = |upto: u64| {
        for _ in 0..50 {
            nodes[0].send(keys);
            nodes[1].send(keys);
        }
        let nodes = &nodes;
        async move {
            nodes[0].until_has(keys, upto).await;
            nodes[1].until_has(keys, upto).await;
        }
    };
    both(100).await;

    redis.stop().await;
    both(200).await;
    redis.start().await;
    until_carried(&world, &nodes[0], &nodes[1]).await;
    until_carried(&world, &nodes[1], &nodes[0]).await;
    both(300).await;

    let () = command(&redis, &["FLUSHALL"]).await;
    both(400).await;
    until_carried(&world, &nodes[0], &nodes[1]).await;

    redis.freeze();
    both(500).await;
    redis.resume();
    until_carried(&world, &nodes[0], &nodes[1]).await;
    until_carried(&world, &nodes[1], &nodes[0]).await;
    both(600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_ids_begin_again_is_read_again() {
    let (world, redis) = (World::new(), private_redis().await);
    let nodes = [
        Node::start(&world, Some(&redis), SELDOM).await,
        Node::start(&world, Some(&redis), SELDOM).await,
    ];
    until_carried(&world, &nodes[0], &nodes[1]).await;

    // As if the clock of the Redis server were ahead, and then no more.
    let far = "9999999999999-0";
    let _id: String = command(&redis, &["XADD", "notification:carried", far, "n", "x"]).await;
    until_carried(&world, &nodes[0], &nodes[1]).await;
    let _count: u64 = command(&redis, &["DEL", "notification:carried"]).await;

    until_carried(&world, &nodes[0], &nodes[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_lately_is_given_whole_or_not_at_all() {
    let (world, redis) = (World::new(), private_redis().await);
    let node = Node::start(&world, Some(&redis), SELDOM).await;
    until_carried(
        &world,
        &node,
        &Node::start(&world, Some(&redis), SELDOM).await,
    )
    .await;
    let (ada, bob) = (user(&world, "ada"), user(&world, "bob"));
    for _ in 0..150 {
        node.send(std::slice::from_ref(&ada));
    }
    node.send(std::slice::from_ref(&bob));
    let gap = |key: &_, after, upto| Gap {
        key: Clone::clone(key),
        after,
        upto,
    };
    eventually("the last is there", SOON, async || {
        node.recents
            .recent(&[gap(&ada, 149, 150), gap(&bob, 0, 1)], BYTES)
            .await
            .into_iter()
            .all(|one| one.is_some())
            .then_some(())
    })
    .await;

    let gaps = [
        gap(&ada, 50, 150),
        gap(&ada, 49, 150),
        gap(&ada, 40, 60),
        gap(&ada, 100, 110),
        gap(&ada, 149, 151),
        gap(&ada, 150, 150),
        gap(&bob, 0, 1),
        gap(&group(&world, "ada"), 0, 1),
    ];
    // On a busy machine Redis may be too late: then there is nothing of any of them.
    let found = eventually("Redis is in time", SOON, async || {
        let found = node.recents.recent(&gaps, BYTES).await;
        found.iter().any(Option::is_some).then_some(found)
    })
    .await;

    let counts: Vec<_> = found.iter().map(|one| one.as_ref().map(Vec::len)).collect();
    let wanted = [Some(100), None, None, Some(10), None, None, Some(1), None];
    assert_eq!(counts, wanted);
    assert_eq!(found[3].as_deref().unwrap(), world.entries(&gaps[3]));

    // More bytes than are wanted.
    let few = found[3].iter().flatten().map(|entry| entry.text.len());
    let few = few.sum::<usize>() - 1;
    assert_eq!(node.recents.recent(&gaps[3..4], few).await, [None]);

    // Another's under this name, and what is no entry.
    let keys: Vec<String> = command(&redis, &["KEYS", "notification:recent:*:user:*"]).await;
    let of = |name: &str| keys.iter().find(|key| key.ends_with(name)).unwrap().clone();
    let () = command(&redis, &["RENAME", &of(":bob"), &of(":ada")]).await;
    assert_eq!(node.recents.recent(&[gap(&ada, 0, 1)], BYTES).await, [None]);
    let () = command(&redis, &["SET", &of(":ada"), "x"]).await;
    assert_eq!(node.recents.recent(&[gap(&ada, 0, 1)], BYTES).await, [None]);

    redis.freeze();
    for _ in 0..20 {
        assert_eq!(node.recents.recent(&[gap(&ada, 0, 1)], BYTES).await, [None]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_history_is_not_mixed_into_this_one() {
    let (world, redis) = (World::new(), private_redis().await);
    let nodes = [
        Node::start(&world, Some(&redis), OFTEN).await,
        Node::start(&world, Some(&redis), SELDOM).await,
    ];
    let key = user(&world, "ada");
    let keys = std::slice::from_ref(&key);
    nodes[1].follow(&key);
    until_carried(&world, &nodes[0], &nodes[1]).await;
    nodes[0].send(keys);
    nodes[1].until_has(keys, 1).await;

    world.restore(&key, 0, "second");
    nodes[0].until_epoch("second").await;
    nodes[0].send(keys);

    // The parcel of the new history led to a look.
    nodes[1].until_epoch("second").await;
    assert_eq!(nodes[1].epochs(), ["first", "second"]);
    nodes[1].follow_behind(&key, 1);
    nodes[0].send(keys);
    nodes[1].until_has(keys, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_whose_announcement_was_lost_is_found_at_a_look() {
    let world = World::new();
    let node = Node::start(&world, None, OFTEN).await;

    let moved = Announcement::Read(world.read("ada", 7));

    eventually("the cursor is heard of", SOON, async || {
        node.others().contains(&moved).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_kept_is_lost_and_said_so() {
    let world = World::new();
    let nodes = [
        Node::start(&world, None, OFTEN).await,
        Node::start(&world, None, OFTEN).await,
    ];
    let (ada, bob) = (user(&world, "ada"), user(&world, "bob"));
    nodes[1].follow(&ada);
    nodes[1].follow(&bob);
    world.set_failing(true);
    for _ in 0..10 {
        nodes[0].send(&[ada.clone(), bob.clone()]);
    }
    world.forget(&ada, 5);
    world.set_failing(false);

    nodes[1].until_has(std::slice::from_ref(&bob), 10).await;
    eventually("ada is told", SOON, async || {
        let lost = nodes[1].lost();
        lost.iter().any(|gap| gap.key == ada).then_some(())
    })
    .await;
    assert!(nodes[1].lost().iter().all(|gap| gap.key == ada));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fails_for_a_while_is_looked_at_again_and_nothing_is_forgotten() {
    let world = World::new();
    let nodes = [
        Node::start(&world, None, OFTEN).await,
        Node::start(&world, None, OFTEN).await,
    ];
    let keys: Vec<_> = (0..300)
        .map(|n| user(&world, &format!("user-{n}")))
        .collect();
    keys.iter().for_each(|key| nodes[1].follow(key));

    for round in 1..=5 {
        // Tops are seen, and then what is below them cannot be read.
        world.set_entries_failing(true);
        nodes[0].send(&keys);
        eventually("a read failed", SOON, async || {
            world.took_failures().then_some(())
        })
        .await;
        world.set_entries_failing(false);
        nodes[1].until_has(&keys, round).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_cursors_and_signals_are_carried_as_they_are() {
    let (world, redis) = (World::new(), private_redis().await);
    let nodes = [
        Node::start(&world, Some(&redis), SELDOM).await,
        Node::start(&world, Some(&redis), SELDOM).await,
    ];
    until_carried(&world, &nodes[0], &nodes[1]).await;
    let told = world.one_of_each();

    nodes[0].announce(told.clone());

    eventually("all of it", SOON, async || {
        let heard = nodes[1].others();
        told.iter().all(|one| heard.contains(one)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_that_redis_cannot_take_is_dropped_seen_and_healed() {
    let (world, redis) = (World::new(), private_redis().await);
    let nodes = [
        Node::start(&world, Some(&redis), SELDOM).await,
        Node::start(&world, Some(&redis), SELDOM).await,
    ];
    let key = user(&world, "ada");
    let keys = std::slice::from_ref(&key);
    nodes[1].follow(&key);
    until_carried(&world, &nodes[0], &nodes[1]).await;

    // While nobody writes, what is told falls out of the outbox.
    redis.freeze();
    for _ in 0..1_000 {
        nodes[0].send(keys);
    }
    let signal = |text: &str| Signal {
        key: key.clone(),
        collapse: None,
        text: text.to_owned().into(),
    };
    let flood = vec![Announcement::Signal(signal("flood")); 60_000];
    nodes[0].announce(flood);
    redis.resume();
    until_carried(&world, &nodes[0], &nodes[1]).await;

    nodes[1].until_has(keys, 1_000).await;
}
