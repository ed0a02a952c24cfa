use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tradepost_testkit::{Alarm, eventually, private_broker, private_postgres, private_redis};
use url::Url;

const SOON: Duration = Duration::from_secs(60);
/// Long enough to tell "nothing comes" from "it is a little late".
const SILENCE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_private_cluster_keeps_what_was_committed_before_a_crash() {
    let server = private_postgres().await;
    let database = server
        .database(&Migrator::with_migrations(Vec::new()), &[])
        .await;
    let mut conn = database.admin().await;
    sqlx::raw_sql("create table kept (id int); insert into kept values (7)")
        .execute(&mut conn)
        .await
        .unwrap();

    server.restart_immediate().await;
    let lost = conn.ping().await;
    let kept: i32 = sqlx::query_scalar("select id from kept")
        .fetch_one(&mut database.admin().await)
        .await
        .unwrap();

    assert!(lost.is_err(), "the session outlived the crash");
    assert_eq!(kept, 7);
}

#[tokio::test]
async fn a_stopped_private_cluster_refuses_and_comes_back_at_the_same_address() {
    let server = private_postgres().await;
    let url = server.url();

    server.stop().await;
    let stopped = PgConnection::connect(url.expose_secret()).await;
    server.start().await;
    let started = PgConnection::connect(url.expose_secret()).await;

    assert!(stopped.is_err(), "a stopped server answered");
    assert!(started.is_ok(), "{:?}", started.err());
}

#[tokio::test]
async fn a_private_broker_can_be_killed_started_and_choked() {
    let broker = private_broker().await;
    let url = Url::parse(broker.url().expose_secret()).unwrap();
    let connect = async || TcpStream::connect(("127.0.0.1", url.port().unwrap())).await;
    connect().await.unwrap();

    broker.kill().await;
    let killed = connect().await;
    broker.start().await;
    eventually("the broker's return", SOON, async || connect().await.ok()).await;
    broker.set_memory_alarm(Alarm::Raised).await;
    broker
        .ctl(&["eval", "[_ | _] = rabbit_alarm:get_alarms()."])
        .await;
    broker.set_memory_alarm(Alarm::Cleared).await;
    broker
        .ctl(&["eval", "[] = rabbit_alarm:get_alarms()."])
        .await;
    broker.close_all_connections().await;

    assert!(killed.is_err(), "a killed broker answered");
}

#[tokio::test]
async fn a_private_redis_can_be_frozen_resumed_and_restarted_at_the_same_address() {
    let server = private_redis().await;
    let url = Url::parse(server.url().expose_secret()).unwrap();
    let ask = async || {
        let mut stream = TcpStream::connect(("127.0.0.1", url.port().unwrap())).await?;
        stream.write_all(b"PING\r\n").await?;
        stream.read_u8().await
    };
    let answer = async || timeout(SOON, ask()).await.unwrap();

    let running = answer().await;
    server.freeze();
    let frozen = timeout(SILENCE, ask()).await;
    server.resume();
    let resumed = answer().await;
    server.stop().await;
    let stopped = answer().await;
    server.start().await;
    let started = answer().await;

    // It wants a password first.
    assert_eq!(running.unwrap(), b'-');
    assert!(frozen.is_err(), "a frozen server answered");
    assert_eq!(resumed.unwrap(), b'-');
    assert!(stopped.is_err(), "a stopped server answered");
    assert_eq!(started.unwrap(), b'-');
}
