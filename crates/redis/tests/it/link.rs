//! Who asks through a link, whatever becomes of Redis.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;
use tradepost_redis::{Fault, Keeper, Link, Missed, Observe, client};
use tradepost_testkit::{eventually, private_redis};

const SOON: Duration = Duration::from_secs(60);
/// A budget that a busy machine keeps.
const PATIENT: Duration = Duration::from_secs(30);
/// One that is short enough to wait for, and that it may miss.
const BUDGET: Duration = Duration::from_millis(50);

/// What was told, in order.
#[derive(Debug, Clone, Default)]
struct Told {
    states: Arc<Mutex<Vec<&'static str>>>,
    proofs: Arc<AtomicU32>,
}

#[async_trait::async_trait]
impl Observe for Told {
    async fn prove(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        self.proofs.fetch_add(1, Ordering::Relaxed);
        redis::cmd("PING").query_async(connection).await
    }

    fn closed(&self) {
        self.states.lock().unwrap().push("closed");
    }

    fn opened(&self, _fault: Option<&Fault>) {
        self.states.lock().unwrap().push("opened");
    }

    fn away(&self, _fault: &Fault, first: bool) {
        if first {
            self.states.lock().unwrap().push("away");
        }
    }
}

impl Told {
    fn states(&self) -> Vec<&'static str> {
        self.states.lock().unwrap().clone()
    }

    /// Until it was told that: whoever asks may find the link closed a moment before.
    async fn until(&self, told: impl Fn(&[&str]) -> bool) {
        eventually("word of it", SOON, async || {
            told(&self.states()).then_some(())
        })
        .await;
    }
}

/// Ends the keeper with the test.
struct Kept(JoinHandle<()>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn keep(url: &secrecy::SecretString, budget: Duration) -> (Arc<Link>, Told, Kept) {
    let (link, told) = (Arc::<Link>::default(), Told::default());
    let keeper = Keeper::new(client(url).unwrap(), link.clone(), budget, told.clone());
    let kept = Kept(tokio::spawn(async move { keeper.keep().await }));
    (link, told, kept)
}

async fn ping(link: &Link, budget: Duration) -> Result<String, Missed> {
    link.ask(budget, async |connection| {
        redis::cmd("PING").query_async(connection).await
    })
    .await
}

async fn is_closed(link: &Link) {
    eventually("a connection", SOON, async || link.connection()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_before_it_is_there_goes_without_and_later_not() {
    let redis = private_redis().await;
    redis.stop().await;
    let (link, told, _kept) = keep(&redis.url(), PATIENT);
    eventually("word", SOON, async || told.states().pop()).await;

    assert!(matches!(ping(&link, PATIENT).await, Err(Missed::Open)));
    redis.start().await;
    is_closed(&link).await;

    assert_eq!(ping(&link, PATIENT).await.unwrap(), "PONG");
    told.until(|states| states == ["away", "closed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_costs_a_few_budgets_and_is_used_again_when_it_answers() {
    let redis = private_redis().await;
    let (link, told, _kept) = keep(&redis.url(), BUDGET);
    is_closed(&link).await;

    redis.freeze();
    let mut late = 0;
    while let Err(Missed::Late) = ping(&link, BUDGET).await {
        late += 1;
    }
    // The fifth failure within a second opens it. The keeper may have seen it before, and a machine
    // that stalls may spread them over more.
    assert!(late <= 20, "{late}");
    assert!(matches!(ping(&link, BUDGET).await, Err(Missed::Open)));
    redis.resume();

    let pong = eventually("an answer", SOON, async || ping(&link, PATIENT).await.ok());
    assert_eq!(pong.await, "PONG");
    // What is late by chance opens and closes it once more.
    told.until(|states| states.starts_with(&["closed", "opened", "closed"]))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_is_followed_by_another() {
    let redis = private_redis().await;
    let (link, told, _kept) = keep(&redis.url(), PATIENT);
    is_closed(&link).await;

    redis.stop().await;
    eventually("it breaks", SOON, async || ping(&link, PATIENT).await.err()).await;
    redis.start().await;
    eventually("an answer", SOON, async || ping(&link, PATIENT).await.ok()).await;

    told.until(|states| states.starts_with(&["closed", "opened"]) && states.ends_with(&["closed"]))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_refused_is_its_own_affair() {
    let redis = private_redis().await;
    let (link, told, _kept) = keep(&redis.url(), PATIENT);
    is_closed(&link).await;

    for _ in 0..10 {
        let refused: Result<(), Missed> = link
            .ask(PATIENT, async |connection| {
                redis::cmd("NO-SUCH-COMMAND").query_async(connection).await
            })
            .await;
        assert!(matches!(refused, Err(Missed::Failed(_))), "{refused:?}");
    }

    assert_eq!(ping(&link, PATIENT).await.unwrap(), "PONG");
    told.until(|states| states == ["closed"]).await;
    assert!(told.proofs.load(Ordering::Relaxed) > 0);
}
