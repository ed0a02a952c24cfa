//! Equal work is done once for all who want it at the same time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tradepost_service::Tasks;

/// What work in a flight comes to; `None`: it died.
pub(super) type Flight<V> = Shared<BoxFuture<'static, Option<V>>>;

/// Work that is under way, by what it is for: no more of it than calls that wait or began it.
pub(super) struct Flights<K, V>(Arc<UnderWay<K, V>>);

type UnderWay<K, V> = Mutex<HashMap<K, Flight<V>>>;

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The flight for this, begun with `work` if there is none. It goes on whether or not anybody
    /// waits. Others join it until `work` drops what it is given, at its end at the latest; whoever
    /// comes after that begins another.
    pub(super) fn join<W>(
        &self,
        key: K,
        tasks: &Tasks,
        work: impl FnOnce(Boarding<K, V>) -> W,
    ) -> Flight<V>
    where
        W: Future<Output = V> + Send + 'static,
    {
        // Held until the flight is noted: its end takes the lock too.
        let mut under_way = lock(&self.0);
        if let Some(flight) = under_way.get(&key) {
            return flight.clone();
        }
        let work = work(Boarding {
            under_way: Arc::clone(&self.0),
            key: key.clone(),
        });
        let flight = tasks.detach(work).map(Result::ok).boxed().shared();
        under_way.insert(key, flight.clone());
        flight
    }
}

/// As long as it lives others may join, however its work ends.
pub(super) struct Boarding<K: Eq + Hash, V> {
    under_way: Arc<UnderWay<K, V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Boarding<K, V> {
    fn drop(&mut self) {
        let flight = lock(&self.under_way).remove(&self.key);
        // Outside of the lock: with it may go the last who waits.
        drop(flight);
    }
}

fn lock<K, V>(under_way: &UnderWay<K, V>) -> MutexGuard<'_, HashMap<K, Flight<V>>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::oneshot;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn equal_work_is_done_once_and_again_when_it_is_over() {
        let (flights, tasks) = (Flights::default(), Tasks::new(CancellationToken::new()));
        let begun = Arc::new(AtomicU32::new(0));
        let (go, wait) = oneshot::channel::<()>();
        let mut wait = Some(wait);
        let mut work = |boarding| {
            let (begun, wait) = (Arc::clone(&begun), wait.take());
            async move {
                let _boarding = boarding;
                if let Some(wait) = wait {
                    wait.await.unwrap();
                }
                begun.fetch_add(1, Ordering::SeqCst) + 1
            }
        };

        let first = flights.join("a", &tasks, &mut work);
        let second = flights.join("a", &tasks, &mut work);
        go.send(()).unwrap();

        assert_eq!((first.await, second.await), (Some(1), Some(1)));
        assert_eq!(flights.join("a", &tasks, &mut work).await, Some(2));
    }

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_and_a_death_of_it_is_told() {
        let (flights, tasks) = (Flights::default(), Tasks::new(CancellationToken::new()));
        let (done, is_done) = oneshot::channel::<()>();

        drop(flights.join("a", &tasks, |boarding| async move {
            drop(boarding);
            done.send(()).unwrap();
        }));
        is_done.await.unwrap();
        let dead = flights.join("b", &tasks, |boarding| async move {
            let _boarding = boarding;
            panic!("on purpose")
        });

        assert_eq!(dead.await, None);
        tasks.drained().await;
        assert!(lock(&flights.0).is_empty());
    }
}
