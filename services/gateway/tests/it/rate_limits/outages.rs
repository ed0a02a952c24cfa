//! With Redis stopped, frozen or flushed under load: the limits hold, within an error.
//!
//! The error: a gateway goes on from what it last heard. What the others were admitted since its
//! own last decision for a caller it does not know, and it admits its share of that again. The
//! askers here go to both gateways in turn, `AT_ONCE` requests at a time.

use std::time::Duration;

use tradepost_gateway::domain::strict::Strict;
use tradepost_testkit::{free_port, private_redis};

use super::stage::{Asker, Instance, LIMIT, PATIENT_MS, connect, run};

const AT_ONCE: u32 = 20;
/// What is in flight when Redis fails was not told to the others, or was charged twice.
const ERROR: u32 = 3 * AT_ONCE;
/// As in production.
const BUDGET_MS: u64 = 5;

#[tokio::test]
async fn a_redis_that_stops_under_load_frees_nobody() {
    let redis = private_redis().await;
    let instances = Instance::several::<2>(&redis.url(), PATIENT_MS).await;
    let mut asker = Asker::new();

    asker.ask(&instances, 600, AT_ONCE).await;
    tokio::join!(asker.ask(&instances, 2_000, AT_ONCE), redis.stop());
    for instance in &instances {
        instance.is_alone().await;
    }
    asker.ask(&instances, 2_000, AT_ONCE).await;
    asker.assert_limited(ERROR);
    redis.start().await;
    for instance in &instances {
        instance.shares().await;
    }
    asker.ask(&instances, 2_000, AT_ONCE).await;

    // Empty as it came back, it learnt from the gateways how much was used.
    asker.assert_limited(ERROR);
    assert!(asker.admitted >= LIMIT - ERROR, "{}", asker.admitted);
}

#[tokio::test]
async fn a_redis_that_is_frozen_under_load_frees_nobody() {
    let redis = private_redis().await;
    // A budget short enough to wait for, and long enough for a busy machine.
    let instances = Instance::several::<2>(&redis.url(), 200).await;
    let mut asker = Asker::new();

    asker.ask(&instances, 600, AT_ONCE).await;
    redis.freeze();
    asker.ask(&instances, 100, AT_ONCE).await;
    for instance in &instances {
        instance.is_alone().await;
    }
    asker.ask(&instances, 2_000, AT_ONCE).await;
    asker.assert_limited(ERROR);
    redis.resume();
    for instance in &instances {
        instance.shares().await;
    }
    asker.ask(&instances, 2_000, AT_ONCE).await;

    asker.assert_limited(ERROR);
}

#[tokio::test]
async fn a_redis_that_is_flushed_under_load_frees_nobody() {
    let redis = private_redis().await;
    let instances = Instance::several::<2>(&redis.url(), PATIENT_MS).await;
    let mut connection = connect(&redis).await;
    let mut asker = Asker::new();

    for _ in 0..10 {
        asker.ask(&instances, 100, AT_ONCE).await;
        run(&mut connection, &["FLUSHALL", "SYNC"]).await;
    }
    asker.ask(&instances, 2_000, AT_ONCE).await;

    // Each flush may forget what the other gateway had not heard of.
    asker.assert_limited(10 * AT_ONCE);
    let local: u64 = instances.iter().map(|one| one.decided("local")).sum();
    let refused = u64::from(asker.asked - asker.admitted);
    assert!(local <= refused, "only refusals were decided without Redis");
}

#[tokio::test]
async fn with_the_budget_of_production_a_frozen_redis_delays_few_and_the_breaker_closes_again() {
    let redis = private_redis().await;
    let instances = [Instance::start(&redis.url(), BUDGET_MS)];
    instances[0].shares().await;
    let mut asker = Asker::new();

    redis.freeze();
    // One after the other: each waits for its budget, until the breaker opens.
    asker.ask(&instances, 100, 1).await;
    instances[0].says("tradepost_rate_limit_degraded 1").await;
    let late = "tradepost_rate_limit_redis_faults_total{reason=\"late\"} ";
    let metrics = instances[0].registry.render().unwrap();
    let late = metrics.lines().find_map(|line| line.strip_prefix(late));
    redis.resume();
    instances[0].shares().await;
    instances[0].says("tradepost_rate_limit_degraded 0").await;

    assert_eq!(asker.admitted, 100);
    // Five in a second open it; a machine that stalls may spread them over more.
    let late: u32 = late.unwrap().parse().unwrap();
    assert!((5..=20).contains(&late), "{late}");
}

#[tokio::test]
async fn a_gateway_starts_without_redis_and_shares_as_soon_as_it_is_there() {
    let redis = private_redis().await;
    redis.stop().await;
    let instances = [Instance::start(&redis.url(), PATIENT_MS)];
    let mut asker = Asker::new();

    asker.ask(&instances, 1_500, AT_ONCE).await;
    asker.assert_limited(0);
    assert_eq!(instances[0].decided("redis"), 0);
    redis.start().await;
    instances[0].shares().await;
    asker.ask(&instances, 1_500, AT_ONCE).await;

    asker.assert_limited(0);
}

#[tokio::test]
async fn logins_stay_limited_without_redis() {
    let url = format!("redis://127.0.0.1:{}/0", free_port()).into();
    let instance = Instance::start(&url, BUDGET_MS);
    let address = "192.0.2.1".parse().unwrap();
    let mut admitted = 0;

    for _ in 0..50 {
        let login = instance
            .limiter
            .strict(Strict::Login, address, "ada@example.com");
        admitted += u32::from(!login.await.is_refused());
    }

    assert_eq!(admitted, 5);
    let left = instance
        .limiter
        .strict(Strict::Login, address, "ada@example.com")
        .await;
    assert!(left.retry_after().unwrap() > Duration::from_secs(1));
}
