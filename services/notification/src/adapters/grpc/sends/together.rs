//! Which outcomes of a stream share an answer.

use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, sleep_until};
use tradepost_proto::notification::v1 as pb;

/// Outcomes of one answer.
const OUTCOMES_MAX: usize = 64;
/// How far apart answers begin that nobody waits for. Each is a write of its own, which would cost
/// more than the message that it is about.
const GAP: Duration = Duration::from_millis(4);

/// What became of a send.
pub(super) struct Done {
    pub(super) outcome: pb::SendOutcome,
    /// Nothing depends on it: what is told passes, and was told.
    pub(super) may_wait: bool,
}

/// Outcomes by answers. What is there goes together, and what may wait takes along what comes until
/// the next answer may begin; after a pause none waits.
pub(super) fn together(
    outcomes: impl Stream<Item = Done> + Send,
) -> impl Stream<Item = Vec<pb::SendOutcome>> + Send {
    let begin = (Box::pin(outcomes.fuse()), Instant::now());
    stream::unfold(begin, async |(mut outcomes, next)| {
        let some = gather(&mut outcomes, next).await;
        (!some.is_empty()).then(|| (some, (outcomes, Instant::now() + GAP)))
    })
}

/// None: there are no more.
async fn gather(
    outcomes: &mut (impl Stream<Item = Done> + Unpin),
    next: Instant,
) -> Vec<pb::SendOutcome> {
    let mut gap = pin!(sleep_until(next));
    let (mut some, mut may_wait) = (Vec::new(), true);
    while some.len() < OUTCOMES_MAX {
        let more = tokio::select! {
            biased;
            more = outcomes.next() => more,
            () = std::future::ready(()), if !may_wait => None,
            () = &mut gap, if !some.is_empty() => None,
        };
        let Some(done) = more else { break };
        may_wait &= done.may_wait;
        some.push(done.outcome);
    }
    some
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::{UnboundedSender, unbounded};
    use futures::stream::BoxStream;
    use tokio::time::timeout;

    use super::*;

    type Answers = BoxStream<'static, Vec<pb::SendOutcome>>;

    fn open() -> (UnboundedSender<Done>, Answers) {
        let (to, outcomes) = unbounded();
        (to, together(outcomes).boxed())
    }

    fn put(to: &UnboundedSender<Done>, tag: u64, may_wait: bool) {
        let outcome = pb::SendOutcome { tag, outcome: None };
        to.unbounded_send(Done { outcome, may_wait }).unwrap();
    }

    /// The tags of an answer that does not let wait.
    async fn at_once(answers: &mut Answers) -> Vec<u64> {
        let answer = timeout(Duration::ZERO, answers.next()).await;
        let answer = answer.ok().flatten().unwrap_or_default();
        answer.iter().map(|outcome| outcome.tag).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_soon_after_an_answer_goes_together() {
        let (to, mut answers) = open();

        put(&to, 1, true);
        assert_eq!(at_once(&mut answers).await, [1]);
        for tag in 2..4 {
            put(&to, tag, true);
            assert!(at_once(&mut answers).await.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_answered_when_its_time_has_come() {
        let (to, mut answers) = open();
        put(&to, 1, true);
        at_once(&mut answers).await;

        let begun = Instant::now();
        for tag in 2..4 {
            put(&to, tag, true);
        }
        let answer = answers.next().await.unwrap();

        assert_eq!(answer.len(), 2);
        assert_eq!(begun.elapsed(), GAP);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_not_wait_takes_along_what_does() {
        let (to, mut answers) = open();
        put(&to, 1, true);
        at_once(&mut answers).await;

        for (tag, may_wait) in [(2, true), (3, false), (4, true)] {
            put(&to, tag, may_wait);
        }

        assert_eq!(at_once(&mut answers).await, [2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn many_and_the_last_do_not_wait() {
        let (to, mut answers) = open();
        put(&to, 0, true);
        at_once(&mut answers).await;

        for tag in 1..=65 {
            put(&to, tag, true);
        }
        drop(to);

        let many: Vec<u64> = (1..=64).collect();
        assert_eq!(at_once(&mut answers).await, many);
        assert_eq!(at_once(&mut answers).await, [65]);
        assert_eq!(answers.next().await, None);
    }
}
