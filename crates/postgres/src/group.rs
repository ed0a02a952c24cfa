//! Group commit: calls that arrive together share one transaction.
//!
//! A transaction for one call costs almost as much as one for twenty: begin, the round trips,
//! commit, its flush. So whoever has the turn takes along what waits and does all of it as one
//! batch; what comes meanwhile is the next one. There is no task and no queue that outlives its
//! callers: a call that comes alone leads a batch of one, at once, and one whose caller went away
//! before its batch began is not done.
//!
//! A group gives every call its own answer and knows nothing of what a batch does.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

use crate::pace::Pace;

/// Limits of a [`Group`].
#[derive(Debug, Clone, Copy)]
pub struct GroupLimits {
    /// Calls in one batch.
    pub batch_max: usize,
    /// Batches under way at once. One fills batches best; a second one goes on where the first
    /// waits for a lock.
    pub batches_max: usize,
    /// How far apart batches begin under load. What comes alone never waits.
    pub gap: Duration,
}

/// Whoever led the call's batch went away amid it: whether it was committed is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the batch was abandoned")]
pub struct Abandoned;

/// Calls of one kind that share transactions.
#[derive(Debug)]
pub struct Group<T, R> {
    waiting: Mutex<Waiting<T, R>>,
    turns: Semaphore,
    pace: tokio::sync::Mutex<Pace>,
    batch_max: usize,
}

#[derive(Debug)]
struct Waiting<T, R> {
    calls: VecDeque<(T, oneshot::Sender<R>)>,
    /// How many calls were taken into batches; hence the number of the first that waits.
    taken: u64,
}

impl<T, R> Group<T, R> {
    /// A group without calls.
    #[must_use]
    pub fn new(limits: GroupLimits) -> Self {
        let calls = VecDeque::new();
        Self {
            waiting: Mutex::new(Waiting { calls, taken: 0 }),
            turns: Semaphore::new(limits.batches_max.max(1)),
            pace: tokio::sync::Mutex::new(Pace::new(limits.gap)),
            batch_max: limits.batch_max.max(1),
        }
    }

    /// Does `call` in some batch and returns its own answer. `run` does a batch and answers it
    /// call by call, in the same order; it must be the same for every call of the group.
    ///
    /// # Errors
    /// [`Abandoned`] if the batch was begun and not brought to its end, or not answered in full.
    pub async fn call<Run, Batch>(&self, call: T, run: Run) -> Result<R, Abandoned>
    where
        Run: Fn(Vec<T>) -> Batch,
        Batch: Future<Output = Vec<R>>,
    {
        let (answer, mut answered) = oneshot::channel();
        let number = self.waiting().push(call, answer);
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut answered => return answer.map_err(|_gone| Abandoned),
                turn = self.turn() => turn,
            };
            let batch = self.waiting().take(number, self.batch_max);
            let Some(batch) = batch else {
                // It is under way already: whoever waits next may begin.
                drop(turn);
                return answered.await.map_err(|_gone| Abandoned);
            };
            if batch.is_empty() {
                continue;
            }
            let (calls, answers): (Vec<T>, Vec<_>) = batch.into_iter().unzip();
            for (to, answer) in answers.into_iter().zip(run(calls).await) {
                // Its caller may have gone.
                let _ = to.send(answer);
            }
        }
    }

    /// The right to begin a batch, kept until it has ended.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let turn = self.turns.acquire().await.ok();
        self.pace.lock().await.keep().await;
        turn
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T, R>> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, R> Waiting<T, R> {
    /// The number of the call.
    fn push(&mut self, call: T, answer: oneshot::Sender<R>) -> u64 {
        let ahead = u64::try_from(self.calls.len()).unwrap_or(u64::MAX);
        self.calls.push_back((call, answer));
        self.taken.saturating_add(ahead)
    }

    /// The oldest calls whose callers still wait, unless the one of that number was taken before.
    fn take(&mut self, number: u64, batch_max: usize) -> Option<Vec<(T, oneshot::Sender<R>)>> {
        if number < self.taken {
            return None;
        }
        let count = self.calls.len().min(batch_max);
        self.taken = self
            .taken
            .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        let mut batch: Vec<_> = self.calls.drain(..count).collect();
        batch.retain(|(_, answer)| !answer.is_closed());
        Some(batch)
    }
}

#[cfg(test)]
mod tests;
