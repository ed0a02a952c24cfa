//! What is read and computed when many ask at once.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use time::macros::date;
use tokio_util::sync::CancellationToken;
use tradepost_postgres::DbError;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::*;
use crate::ports::VersionStore;

const DAYS: Days = Days {
    first: date!(2026 - 01 - 01),
    last: date!(2026 - 01 - 31),
};

/// Reads when it may; fails when it is told to.
struct Looking {
    looks: AtomicU32,
    gate: Semaphore,
    fails: bool,
}

#[async_trait]
impl VersionStore for Looking {
    async fn version(&self, _scope: Scope, _days: Days) -> Result<Version, StoreError> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.acquire().await);
        if self.fails {
            return Err(DbError::from(sqlx::Error::PoolTimedOut).into());
        }
        Ok(Version::new(Uuid::nil(), "1", i64::from(look / 100)))
    }
}

fn answers(looking: &Arc<Looking>, limits: AnswerLimits) -> Answers {
    Answers::kept(AnswerParts {
        versions: looking.clone(),
        shared: None,
        limits,
        metrics: AnswerMetrics::default(),
        clock: Clock::system(),
        tasks: Tasks::new(CancellationToken::new()),
    })
}

fn looking(permits: usize, fails: bool) -> Arc<Looking> {
    Arc::new(Looking {
        looks: AtomicU32::new(0),
        gate: Semaphore::new(permits),
        fails,
    })
}

const LIMITS: AnswerLimits = AnswerLimits {
    stale: Duration::ZERO,
    refresh_after: Duration::ZERO,
    memory_bytes_max: 100_000,
    answer_bytes_max: 10_000,
    open_for: Duration::from_secs(60),
    closed_for: Duration::from_secs(60),
    refreshes_max: 1,
};

fn asked() -> Asked {
    Asked::new(Scope::Tenant(TenantId::from_uuid(Uuid::max())), DAYS, "a")
}

#[tokio::test]
async fn many_who_ask_the_same_look_a_few_times_and_compute_once() {
    let (looking, computed) = (looking(0, false), Arc::new(AtomicU32::new(0)));
    let answers = answers(&looking, LIMITS);
    let tasks = Tasks::new(CancellationToken::new());
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let (answers, computed) = (answers.clone(), Arc::clone(&computed));
            let compute = move || async move {
                computed.fetch_add(1, Ordering::SeqCst);
                Ok(vec![7])
            };
            tasks.detach(async move { answers.answer(asked(), compute).await.unwrap() })
        })
        .collect();
    // On one thread all have come as far as they can when this goes on.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }

    looking.gate.add_permits(10);

    for answer in asking {
        assert_eq!(*answer.await.unwrap().bytes, [7]);
    }
    // Those that began at once, and one for all who came meanwhile.
    assert!(looking.looks.load(Ordering::SeqCst) <= 5);
    assert_eq!(computed.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_asked_again() {
    let looking = looking(1, true);
    let answers = answers(&looking, LIMITS);

    for looks in 1..=2 {
        let failed = answers.answer(asked(), || async { Ok(Vec::new()) }).await;

        assert!(matches!(failed, Err(NotAnswered::Store(_))));
        assert_eq!(looking.looks.load(Ordering::SeqCst), looks);
    }
}

#[tokio::test]
async fn a_computation_that_fails_or_dies_is_told_and_not_kept() {
    let answers = answers(&looking(1, false), LIMITS);

    let failed = answers
        .answer(asked(), || async {
            Err(DbError::from(sqlx::Error::PoolTimedOut).into())
        })
        .await;
    let died = answers
        .answer(asked(), || async { panic!("on purpose") })
        .await;
    let good = answers.answer(asked(), || async { Ok(vec![1]) }).await;

    assert!(matches!(failed, Err(NotAnswered::Store(_))));
    assert!(matches!(died, Err(NotAnswered::Died)));
    assert_eq!(*good.unwrap().bytes, [1]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_without_a_look_until_it_is_too_old() {
    let looking = looking(1, false);
    let limits = AnswerLimits {
        stale: Duration::from_secs(1),
        refresh_after: Duration::from_millis(500),
        ..LIMITS
    };
    let answers = answers(&looking, limits);
    let ask = async || {
        let compute = || async { Ok(vec![1]) };
        answers.answer(asked(), compute).await.unwrap();
        // What was begun beside the calls ends.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        looking.looks.load(Ordering::SeqCst)
    };

    let first = ask().await;
    tokio::time::advance(Duration::from_millis(499)).await;
    let young = ask().await;
    tokio::time::advance(Duration::from_millis(1)).await;
    let renewed = (ask().await, ask().await);
    tokio::time::advance(Duration::from_millis(1_001)).await;
    let old = ask().await;

    assert_eq!((first, young, renewed, old), (1, 1, (2, 2), 3));
}

#[tokio::test]
async fn an_answer_too_large_is_given_and_not_kept() {
    let answers = answers(&looking(1, false), LIMITS);
    let compute = || async { Ok(vec![0; 10_001]) };

    let answer = answers.answer(asked(), compute).await.unwrap();

    let Kind::Kept(keep) = &answers.0 else {
        panic!("they are kept")
    };
    keep.memory.run_pending_tasks();
    assert_eq!((answer.bytes.len(), keep.memory.entry_count()), (10_001, 0));
}
