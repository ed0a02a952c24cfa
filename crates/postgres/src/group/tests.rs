//! Who leads, who follows, and what becomes of those whose leader goes away.
#![expect(
    clippy::disallowed_methods,
    reason = "a test's tasks end with its runtime"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::*;

const LIMITS: GroupLimits = GroupLimits {
    batch_max: 4,
    batches_max: 1,
    gap: Duration::ZERO,
};

/// A group whose batches note their calls and wait to be let go.
struct Desk {
    group: Group<u32, u32>,
    batches: Mutex<Vec<Vec<u32>>>,
    go: Notify,
    begun: AtomicUsize,
}

impl Desk {
    fn new(limits: GroupLimits) -> Arc<Self> {
        Arc::new(Self {
            group: Group::new(limits),
            batches: Mutex::default(),
            go: Notify::new(),
            begun: AtomicUsize::new(0),
        })
    }

    async fn call(self: Arc<Self>, call: u32) -> Result<u32, Abandoned> {
        let run = |calls: Vec<u32>| async {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.batches.lock().unwrap().push(calls.clone());
            self.go.notified().await;
            calls.into_iter().map(|call| call * 10).collect()
        };
        self.group.call(call, run).await
    }

    async fn begun(&self, batches: usize) {
        while self.begun.load(Ordering::SeqCst) < batches {
            tokio::task::yield_now().await;
        }
    }

    async fn queued(&self, calls: usize) {
        while self.group.waiting().calls.len() < calls {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn what_comes_while_a_batch_is_under_way_is_the_next_one() {
    let desk = Desk::new(LIMITS);
    let mut calls = JoinSet::new();
    calls.spawn(Arc::clone(&desk).call(1));
    desk.begun(1).await;
    for call in 2..=6 {
        calls.spawn(Arc::clone(&desk).call(call));
        desk.queued(usize::try_from(call).unwrap() - 1).await;
    }

    for batch in 1..=3 {
        desk.begun(batch).await;
        desk.go.notify_one();
    }
    let mut answers: Vec<u32> = calls.join_all().await.into_iter().flatten().collect();

    answers.sort_unstable();
    assert_eq!(answers, [10, 20, 30, 40, 50, 60]);
    let batches = desk.batches.lock().unwrap().clone();
    assert_eq!(batches, [vec![1], vec![2, 3, 4, 5], vec![6]]);
}

#[tokio::test]
async fn a_second_batch_goes_on_while_the_first_one_waits() {
    let desk = Desk::new(GroupLimits {
        batches_max: 2,
        ..LIMITS
    });
    let first = tokio::spawn(Arc::clone(&desk).call(1));
    desk.begun(1).await;
    let second = tokio::spawn(Arc::clone(&desk).call(2));

    desk.begun(2).await;
    desk.go.notify_one();
    desk.go.notify_one();

    assert_eq!(first.await.unwrap(), Ok(10));
    assert_eq!(second.await.unwrap(), Ok(20));
}

#[tokio::test]
async fn a_leader_that_goes_away_leaves_no_call_without_an_answer() {
    let desk = Desk::new(LIMITS);
    let busy = tokio::spawn(Arc::clone(&desk).call(1));
    desk.begun(1).await;
    let leader = tokio::spawn(Arc::clone(&desk).call(2));
    desk.queued(1).await;
    let follower = tokio::spawn(Arc::clone(&desk).call(3));
    desk.queued(2).await;
    desk.go.notify_one();
    desk.begun(2).await;

    leader.abort();
    let abandoned = follower.await.unwrap();
    let next = tokio::spawn(Arc::clone(&desk).call(4));
    desk.begun(3).await;
    desk.go.notify_one();

    assert_eq!(busy.await.unwrap(), Ok(10));
    assert_eq!(abandoned, Err(Abandoned));
    assert_eq!(next.await.unwrap(), Ok(40));
}

#[tokio::test]
async fn a_call_whose_caller_went_away_before_its_batch_began_is_not_done() {
    let desk = Desk::new(LIMITS);
    let first = tokio::spawn(Arc::clone(&desk).call(1));
    desk.begun(1).await;
    let gone = tokio::spawn(Arc::clone(&desk).call(2));
    desk.queued(1).await;
    let last = tokio::spawn(Arc::clone(&desk).call(3));
    desk.queued(2).await;

    gone.abort();
    assert!(gone.await.is_err());
    desk.go.notify_one();
    desk.begun(2).await;
    desk.go.notify_one();

    assert_eq!(first.await.unwrap(), Ok(10));
    assert_eq!(last.await.unwrap(), Ok(30));
    assert_eq!(*desk.batches.lock().unwrap(), [vec![1], vec![3]]);
}
