//! With Redis there.

use tradepost_gateway::domain::strict::Strict;
use tradepost_testkit::private_redis;

use super::stage::{Asker, Instance, LIMIT, PATIENT_MS, connect, run};

#[tokio::test]
async fn two_gateways_agree_on_a_limit() {
    let redis = private_redis().await;
    let instances = Instance::several::<2>(&redis.url(), PATIENT_MS).await;
    let mut asker = Asker::new();

    asker.ask(&instances, LIMIT, 50).await;
    assert_eq!(asker.admitted, LIMIT, "a burst of the limit is admitted");
    asker.ask(&instances, 2 * LIMIT, 50).await;

    asker.assert_limited(0);
    assert!(instances[0].decided("redis") >= u64::from(LIMIT / 2));
    assert!(instances[1].decided("redis") >= u64::from(LIMIT / 2));
}

#[tokio::test]
async fn the_request_after_the_burst_is_refused_and_told_when_to_come_back() {
    let redis = private_redis().await;
    let instances = Instance::several::<1>(&redis.url(), PATIENT_MS).await;
    let mut asker = Asker::new();
    asker.ask(&instances, LIMIT - 1, 50).await;
    let limiter = &instances[0].limiter;

    let last = limiter.identity(&asker.caller, 1).await;
    let refused = limiter.identity(&asker.caller, LIMIT).await;

    assert!(!last.is_refused());
    assert!(refused.is_refused());
    let headers = refused.headers();
    let left = headers["ratelimit"].to_str().unwrap();
    let seconds = headers["retry-after"].to_str().unwrap();
    assert_eq!(headers["ratelimit-policy"], "\"user\";q=1000;w=60");
    assert!(left.starts_with("\"user\";r="), "{left}");
    assert!(left.ends_with(&format!(";t={seconds}")), "{left}");
    // The whole limit comes back within a minute.
    let seconds: u64 = seconds.parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn a_server_that_forgot_the_script_gets_it_again() {
    let redis = private_redis().await;
    let instances = Instance::several::<1>(&redis.url(), PATIENT_MS).await;
    let mut connection = connect(&redis).await;
    let mut asker = Asker::new();

    for _ in 0..5 {
        asker.ask(&instances, 10, 10).await;
        run(&mut connection, &["SCRIPT", "FLUSH", "SYNC"]).await;
    }
    asker.ask(&instances, 10, 10).await;

    assert_eq!(asker.admitted, 60);
    assert_eq!(instances[0].decided("redis"), 60);
    assert_eq!(instances[0].decided("local"), 0);
}

#[tokio::test]
async fn a_bucket_is_one_key_that_goes_when_it_is_empty() {
    let redis = private_redis().await;
    let instances = Instance::several::<1>(&redis.url(), PATIENT_MS).await;
    let mut asker = Asker::new();

    asker.ask(&instances, 100, 10).await;

    let (tenant, subject) = (asker.caller.tenant.unwrap(), asker.caller.subject);
    let mut connection = connect(&redis).await;
    let ttl_of = async |connection: &mut _, key: String| -> i64 {
        let mut command = redis::cmd("PTTL");
        command.arg(key).query_async(connection).await.unwrap()
    };
    let user = ttl_of(&mut connection, format!("limit:{{{tenant}}}:{subject}")).await;
    // 100 at 60 ms each.
    assert!((1..=6_000).contains(&user), "{user}");
}

#[tokio::test]
async fn who_leaves_is_counted_no_longer() {
    let redis = private_redis().await;
    let [stays, leaves] = Instance::several::<2>(&redis.url(), PATIENT_MS).await;

    leaves.stop().await;

    stays.says("tradepost_rate_limit_instances 1").await;
}

#[tokio::test]
async fn logins_are_counted_together_and_forgiven_everywhere() {
    let redis = private_redis().await;
    let [one, other] = Instance::several::<2>(&redis.url(), PATIENT_MS).await;
    let address = "192.0.2.1".parse().unwrap();
    let tries = async |instance: &Instance, times: usize| {
        let mut admitted = 0;
        for _ in 0..times {
            let login = instance
                .limiter
                .strict(Strict::Login, address, "ada@example.com");
            admitted += usize::from(!login.await.is_refused());
        }
        admitted
    };

    let before = (tries(&one, 3).await, tries(&other, 10).await);
    one.limiter
        .forgive(Strict::Login, address, "ada@example.com")
        .await;
    let after = (tries(&other, 3).await, tries(&one, 10).await);

    assert_eq!(before, (3, 2));
    assert_eq!(after, (3, 2));
    let mut connection = connect(&redis).await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!(
        !keys.is_empty() && keys.iter().all(|key| !key.contains("ada")),
        "{keys:?}"
    );
}
