//! Waiting for something to become true, in place of a sleep.

use std::time::{Duration, Instant};

const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Asks `probe` until it answers with a value, with growing pauses.
///
/// # Panics
/// With `what`, if there is no value `within` the time.
#[track_caller]
pub fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + within;
        let mut pause = PAUSE_FIRST;
        loop {
            // A probe that hangs must not outlast the deadline.
            let left = deadline
                .saturating_duration_since(Instant::now())
                .max(PAUSE_FIRST);
            if let Ok(Some(value)) = tokio::time::timeout(left, probe()).await {
                return value;
            }
            if Instant::now() >= deadline {
                panic!("not within {within:?}: {what} (waited for at {caller})");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}
