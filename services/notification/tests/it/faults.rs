//! Whatever dies while people are told, everybody hears everything, once and in order.

mod cluster;
mod listener;

use tradepost_notification::adapters::postgres::MIGRATOR;
use tradepost_postgres::idempotency;
use tradepost_testkit::{private_postgres, private_redis};

use cluster::Cluster;

use crate::nodes;

const EXTRA: [(&str, &sqlx::migrate::Migrator); 1] =
    [(idempotency::SCHEMA, &idempotency::MIGRATOR)];
/// What each person and the group are told in a test.
const TOLD: u64 = 150;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_takes_nothing_with_it() {
    let database = tradepost_testkit::database(&MIGRATOR, &EXTRA).await;
    let redis = private_redis().await;
    let cluster = Cluster::start(&database, Some(&redis), 3).await;
    let shop = cluster.shop().await;

    let telling = shop.tell(TOLD);
    for node in 0..3 {
        telling.until(TOLD / 4 * (node + 1)).await;
        cluster.kill(usize::try_from(node).unwrap());
        cluster.start_anew(usize::try_from(node).unwrap()).await;
    }

    telling.done().await;
    shop.assert_heard(TOLD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_replaced_one_after_the_other_take_nothing_with_them() {
    let database = tradepost_testkit::database(&MIGRATOR, &EXTRA).await;
    let redis = private_redis().await;
    let cluster = Cluster::start(&database, Some(&redis), 3).await;
    let shop = cluster.shop().await;

    let telling = shop.tell(TOLD);
    for node in 0..3 {
        telling.until(TOLD / 4 * (node + 1)).await;
        let node = usize::try_from(node).unwrap();
        let status = cluster.end(node).await;
        assert!(status.success(), "{status}");
        cluster.start_anew(node).await;
    }

    telling.done().await;
    shop.assert_heard(TOLD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_is_emptied_or_freezes_takes_nothing_with_it() {
    let database = tradepost_testkit::database(&MIGRATOR, &EXTRA).await;
    let redis = private_redis().await;
    let cluster = Cluster::start(&database, Some(&redis), 2).await;
    let shop = cluster.shop().await;

    let telling = shop.tell(TOLD);
    telling.until(TOLD / 6).await;
    redis.stop().await;
    telling.until(TOLD / 6 * 2).await;
    redis.start().await;
    telling.until(TOLD / 6 * 3).await;
    let () = nodes::command(&redis, &["FLUSHALL"]).await;
    telling.until(TOLD / 6 * 4).await;
    redis.freeze();
    telling.until(TOLD / 6 * 5).await;
    redis.resume();

    telling.done().await;
    shop.assert_heard(TOLD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_under_load_takes_nothing_with_it() {
    let postgres = private_postgres().await;
    let database = postgres.database(&MIGRATOR, &EXTRA).await;
    let redis = private_redis().await;
    let cluster = Cluster::start(&database, Some(&redis), 2).await;
    let shop = cluster.shop().await;

    let telling = shop.tell(TOLD);
    for third in 1..3 {
        telling.until(TOLD / 3 * third).await;
        postgres.restart_immediate().await;
    }

    telling.done().await;
    shop.assert_heard(TOLD).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_killed_node_takes_nothing_with_it() {
    let database = tradepost_testkit::database(&MIGRATOR, &EXTRA).await;
    let cluster = Cluster::start(&database, None, 2).await;
    let shop = cluster.shop().await;

    let telling = shop.tell(TOLD);
    telling.until(TOLD / 2).await;
    cluster.kill(0);
    cluster.start_anew(0).await;

    telling.done().await;
    shop.assert_heard(TOLD).await;
}
