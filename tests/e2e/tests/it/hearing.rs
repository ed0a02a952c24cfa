//! Whatever dies between people and what they are told, they hear all of it, once and in order: by
//! a WebSocket, by events, and by what a client chooses.

use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tradepost_e2e::{Audience, Cluster, Service, Setup, Shop};
use tradepost_testkit::{PrivateRedis, private_postgres, private_redis};

/// What each person and the group are told in a test.
const TOLD: u64 = 120;

async fn shop(redis: &PrivateRedis) -> Shop {
    Shop::with(nervous(Setup::default(), redis)).await
}

/// Whoever is away is missed soon, and back soon.
fn nervous<'a>(setup: Setup<'a>, redis: &PrivateRedis) -> Setup<'a> {
    setup
        .with(
            Service::Notification,
            "REDIS__URL",
            redis.url().expose_secret(),
        )
        .with(Service::Notification, "LIVE__HEARTBEAT_MS", 500)
        .with(Service::Gateway, "SOCKETS__DRAIN_MS", 500)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_service_that_is_killed_takes_nothing_with_it() {
    let redis = private_redis().await;
    let mut shop = shop(&redis).await;
    let audience = Audience::gather(&shop.open_account().await).await;

    let telling = audience.tell(TOLD);
    for third in 1..3 {
        telling.until(TOLD / 3 * third).await;
        let service = shop.unit_mut(Service::Notification);
        service.kill();
        service.start().await;
    }

    telling.done().await;
    audience.assert_heard(TOLD).await;
    audience.assert_came_back();
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_replaced_or_killed_takes_nothing_with_it() {
    let redis = private_redis().await;
    let mut shop = shop(&redis).await;
    let audience = Audience::gather(&shop.open_account().await).await;

    let telling = audience.tell(TOLD);
    telling.until(TOLD / 3).await;
    let gateway = shop.unit_mut(Service::Gateway);
    gateway.stop().await;
    gateway.start().await;
    telling.until(TOLD / 3 * 2).await;
    gateway.kill();
    gateway.start().await;

    telling.done().await;
    audience.assert_heard(TOLD).await;
    audience.assert_came_back();
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_emptied_or_dies_beside_the_service_takes_nothing_with_it() {
    let redis = private_redis().await;
    let mut shop = shop(&redis).await;
    let audience = Audience::gather(&shop.open_account().await).await;

    let telling = audience.tell(TOLD);
    telling.until(TOLD / 4).await;
    empty(&redis).await;
    telling.until(TOLD / 4 * 2).await;
    redis.stop().await;
    // Who comes back now is told what they missed without it.
    let service = shop.unit_mut(Service::Notification);
    service.stop().await;
    service.start().await;
    telling.until(TOLD / 4 * 3).await;
    redis.start().await;

    telling.done().await;
    audience.assert_heard(TOLD).await;
    audience.assert_came_back();
    shop.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_behind_the_service_takes_nothing_with_it() {
    let (redis, postgres) = (private_redis().await, private_postgres().await);
    let setup = Setup {
        cluster: Cluster::Private(&postgres),
        ..Setup::default()
    };
    let mut shop = Shop::with(nervous(setup, &redis)).await;
    let audience = Audience::gather(&shop.open_account().await).await;

    let telling = audience.tell(TOLD);
    telling.until(TOLD / 3).await;
    postgres.restart_immediate().await;
    telling.until(TOLD / 3 * 2).await;
    // And once more while who listened is on the way back.
    shop.unit_mut(Service::Notification).kill();
    postgres.restart_immediate().await;
    shop.unit_mut(Service::Notification).start().await;

    telling.done().await;
    audience.assert_heard(TOLD).await;
    audience.assert_came_back();
    shop.assert_sound().await;
}

/// All that is in it goes, and connections stay.
async fn empty(redis: &PrivateRedis) {
    let url = redis.url();
    let (_, place) = url.expose_secret().split_once("://:").unwrap();
    let (password, address) = place.split_once('@').unwrap();
    let address = address.split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let commands = format!("AUTH {password}\r\nFLUSHALL\r\nQUIT\r\n");
    stream.write_all(commands.as_bytes()).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers, "+OK\r\n+OK\r\n+OK\r\n");
}
