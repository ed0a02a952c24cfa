//! Of a limiter whose shared buckets are a script of the test.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tradepost_telemetry::Registry;
use tradepost_types::{ApiKeyId, TenantId, UserId};

use super::*;
use crate::domain::caller::{Plan, Proof, Subject};
use crate::domain::rights::{Rights, Role};
use crate::ports::NotShared;

/// Buckets without a clock: nothing is ever given back.
#[derive(Default)]
struct Still {
    backlogs: Mutex<HashMap<String, u64>>,
    is_away: AtomicBool,
    instances: AtomicU32,
    asked: AtomicU32,
}

#[async_trait]
impl SharedBuckets for Still {
    async fn charge(&self, buckets: &[SharedBucket]) -> Result<Vec<Shared>, NotShared> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.is_away.load(Ordering::Relaxed) {
            return Err(NotShared);
        }
        let mut stored = self.backlogs.lock().unwrap();
        let before = |bucket: &SharedBucket| {
            let stored = stored.get(&bucket.key).copied();
            let remembered = match bucket.memory {
                Memory::Told { is_emptied, .. } if is_emptied && stored.is_some() => 0,
                Memory::Told { tat_us, .. } => tat_us,
                Memory::Ahead { backlog_us } => backlog_us,
            };
            let backlog_us = stored.unwrap_or_default().max(remembered);
            let tat_us = backlog_us;
            Shared { backlog_us, tat_us }
        };
        let found: Vec<_> = buckets.iter().map(before).collect();
        let charges = || buckets.iter().zip(&found);
        let admits = |(bucket, found): (&SharedBucket, &Shared)| {
            bucket.quota.charge(found.backlog_us, bucket.cost).is_ok()
        };
        if charges().all(admits) {
            for (bucket, found) in charges() {
                let charged = found.backlog_us + bucket.quota.increment_us(bucket.cost);
                stored.insert(bucket.key.clone(), charged);
            }
        }
        Ok(found)
    }

    async fn empty(&self, buckets: &[SharedBucket]) -> Result<(), NotShared> {
        let mut stored = self.backlogs.lock().unwrap();
        for bucket in buckets {
            stored.insert(bucket.key.clone(), 0);
        }
        Ok(())
    }

    fn instances(&self) -> u32 {
        self.instances.load(Ordering::Relaxed)
    }
}

impl Still {
    fn away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }
}

fn limiter(config: &RateLimitsConfig, shared: Option<&Arc<Still>>) -> Limiter {
    let shared = shared.map(|shared| Arc::clone(shared) as Arc<dyn SharedBuckets>);
    let metrics = LimitMetrics::register(&Registry::new("gateway"));
    Limiter::new(config, shared, metrics)
}

fn config() -> RateLimitsConfig {
    RateLimitsConfig::default()
}

fn caller(subject: Subject) -> Caller {
    Caller {
        subject,
        tenant: Some(TenantId::new()),
        role: Role::Manager,
        rights: Rights::NONE,
        session: None,
        client: None,
        plan: Plan::Standard,
        proof: Proof::Secret,
        expires_at: None,
    }
}

fn user() -> Caller {
    caller(Subject::User(UserId::new()))
}

async fn admitted(limiter: &Limiter, caller: &Caller, tries: usize) -> usize {
    let mut admitted = 0;
    for _ in 0..tries {
        admitted += usize::from(!limiter.identity(caller, 1).await.is_refused());
    }
    admitted
}

/// What a minute's refill may add while a test runs.
fn about(count: usize, limit: usize) -> std::ops::RangeInclusive<usize> {
    limit..=limit + count / 20
}

#[tokio::test]
async fn a_user_a_key_and_a_plan_have_the_limits_they_were_promised() {
    let limiter = limiter(&config(), Some(&Arc::default()));
    let key = caller(Subject::Key(ApiKeyId::new()));
    let plus = Caller {
        plan: Plan::Plus,
        ..user()
    };

    assert_eq!(admitted(&limiter, &user(), 1_000).await, 1_000);
    assert_eq!(admitted(&limiter, &key, 10_000).await, 10_000);
    assert_eq!(admitted(&limiter, &plus, 10_000).await, 10_000);
    for (who, limit) in [(&user(), 1_000), (&key, 10_000), (&plus, 10_000)] {
        let headers = limiter.identity(who, 1).await.headers();
        let policy = headers[RATE_LIMIT_POLICY].to_str().unwrap();
        assert!(policy.contains(&format!("q={limit};w=60")), "{policy}");
    }
}

#[tokio::test]
async fn one_more_than_the_burst_is_refused_without_a_charge_anywhere() {
    let shared = Arc::new(Still::default());
    let limiter = limiter(&config(), Some(&shared));
    let user = user();
    assert_eq!(admitted(&limiter, &user, 1_000).await, 1_000);
    let before = shared.backlogs.lock().unwrap().clone();

    let refused = limiter.identity(&user, 900).await;

    assert!(refused.is_refused());
    assert!(refused.retry_after().unwrap() > std::time::Duration::ZERO);
    assert_eq!(*shared.backlogs.lock().unwrap(), before);
}

#[tokio::test]
async fn who_is_refused_is_refused_again_without_asking() {
    let shared = Arc::new(Still::default());
    let limiter = limiter(&config(), Some(&shared));
    let user = user();
    let plenty = admitted(&limiter, &user, 5_000).await;

    assert!(about(5_000, 1_000).contains(&plenty), "{plenty}");
    let asked = shared.asked.load(Ordering::Relaxed);
    assert!(asked < 1_500, "{asked}");
}

#[tokio::test]
async fn when_the_shared_buckets_leave_everybody_goes_on_from_where_they_were() {
    let shared = Arc::new(Still::default());
    shared.instances.store(2, Ordering::Relaxed);
    let limiters = [
        limiter(&config(), Some(&shared)),
        limiter(&config(), Some(&shared)),
    ];
    let user = user();
    assert_eq!(admitted(&limiters[0], &user, 400).await, 400);
    assert_eq!(admitted(&limiters[1], &user, 200).await, 200);

    shared.away(true);
    let one = admitted(&limiters[0], &user, 1_000).await;
    let other = admitted(&limiters[1], &user, 1_000).await;

    // The first has not heard of the last 200; each has half of what it knows to be left.
    assert!(about(1_000, 300).contains(&one), "{one}");
    assert!(about(1_000, 200).contains(&other), "{other}");
}

#[tokio::test]
async fn what_was_charged_without_the_shared_buckets_is_told_to_them() {
    let shared = Arc::new(Still::default());
    let limiters = [
        limiter(&config(), Some(&shared)),
        limiter(&config(), Some(&shared)),
    ];
    let user = user();
    assert_eq!(admitted(&limiters[0], &user, 100).await, 100);
    shared.away(true);
    assert_eq!(admitted(&limiters[0], &user, 800).await, 800);

    shared.away(false);
    let told = admitted(&limiters[0], &user, 1).await;
    let other = admitted(&limiters[1], &user, 1_000).await;

    assert_eq!(told, 1);
    assert!(about(1_000, 99).contains(&other), "{other}");
}

#[tokio::test]
async fn buckets_that_were_lost_are_filled_by_who_remembers_them() {
    let shared = Arc::new(Still::default());
    let limiter = limiter(&config(), Some(&shared));
    let user = user();
    assert_eq!(admitted(&limiter, &user, 900).await, 900);

    shared.backlogs.lock().unwrap().clear();
    let more = admitted(&limiter, &user, 1_000).await;

    assert!(about(1_900, 100).contains(&more), "{more}");
}

#[tokio::test]
async fn a_tenant_has_a_limit_for_all_of_its_callers_and_refusing_charges_none() {
    let config = RateLimitsConfig {
        tenant_per_minute: 10,
        ..config()
    };
    let limiter = limiter(&config, None);
    let one = user();
    let other = Caller {
        subject: Subject::User(UserId::new()),
        ..one.clone()
    };

    assert_eq!(admitted(&limiter, &one, 8).await, 8);
    assert_eq!(admitted(&limiter, &other, 8).await, 2);
    let refused = limiter.identity(&one, 1).await;

    assert!(refused.is_refused());
    let left = refused.headers()[RATE_LIMIT].to_str().unwrap().to_owned();
    assert!(left.starts_with("\"tenant\";r=0;t="), "{left}");
    let key = format!("limit:{{{}}}:{}", one.tenant.unwrap(), one.subject);
    let this = &*limiter.0;
    let cell = this.cells.look(this.cells.id(&key));
    // Eight requests at 60 ms, and not the refused ones.
    assert!(cell.backlog_us(this.now_us()) <= 480_000, "{cell:?}");
}

#[tokio::test]
async fn without_enforcement_all_is_admitted_and_said_to_be_over() {
    let config = RateLimitsConfig {
        enforce: false,
        user_per_minute: 3,
        ..config()
    };
    let limiter = limiter(&config, None);
    let user = user();

    assert_eq!(admitted(&limiter, &user, 50).await, 50);
    let headers = limiter.identity(&user, 1).await.headers();
    assert!(headers[RATE_LIMIT].to_str().unwrap().contains("r=0"));
}

#[test]
fn an_address_of_ipv6_is_its_network_and_one_of_ipv4_is_itself() {
    let config = RateLimitsConfig {
        address_per_second: 1,
        ..config()
    };
    let limiter = limiter(&config, None);
    let refused = |address: &str| limiter.address(address.parse().unwrap()).is_refused();

    assert!(!refused("2001:db8::1"));
    assert!(refused("2001:db8::ffff"));
    assert!(!refused("2001:db8:0:1::1"));
    assert!(!refused("192.0.2.1"));
    assert!(refused("::ffff:192.0.2.1"));
    assert!(!refused("192.0.2.2"));
}

async fn tries(limiter: &Limiter, address: &str, account: &str, tries: usize) -> usize {
    let address = address.parse().unwrap();
    let mut admitted = 0;
    for _ in 0..tries {
        let decision = limiter.strict(Strict::Login, address, account).await;
        admitted += usize::from(!decision.is_refused());
    }
    admitted
}

#[tokio::test]
async fn five_logins_are_tried_whatever_is_enforced_and_whoever_is_away() {
    let config = RateLimitsConfig {
        enforce: false,
        ..config()
    };
    let shared = Arc::new(Still::default());
    for is_away in [false, true] {
        shared.away(is_away);
        let limiter = limiter(&config, Some(&shared));
        let account = format!("ada-{is_away}@example.com");

        let first = tries(&limiter, "192.0.2.1", &account, 10).await;
        let in_capitals = tries(&limiter, "192.0.2.1", &account.to_uppercase(), 1).await;
        let elsewhere = tries(&limiter, "192.0.2.2", &account, 10).await;

        assert_eq!((first, in_capitals, elsewhere), (5, 0, 5), "{is_away}");
    }
}

#[tokio::test]
async fn an_account_is_guarded_against_many_addresses() {
    let limiter = limiter(&config(), None);
    let mut admitted = 0;
    for host in 1..=100 {
        let address = format!("192.0.2.{host}");
        admitted += tries(&limiter, &address, "ada@example.com", 5).await;
    }

    assert_eq!(admitted, 30);
}

#[tokio::test]
async fn who_was_right_starts_anew_but_their_address_does_not() {
    let shared = Arc::new(Still::default());
    let limiter = limiter(&config(), Some(&shared));
    let address = "192.0.2.1".parse().unwrap();
    let mut admitted = 0;
    for _ in 0..100 {
        admitted += tries(&limiter, "192.0.2.1", "ada@example.com", 1).await;
        limiter
            .forgive(Strict::Login, address, "ada@example.com")
            .await;
    }

    // 60 a minute, and one comes back each second.
    assert!((60..70).contains(&admitted), "{admitted}");
    let keys = shared.backlogs.lock().unwrap();
    assert!(keys.keys().all(|key| !key.contains("ada")), "{keys:?}");
}
