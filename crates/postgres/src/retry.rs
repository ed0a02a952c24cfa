//! Running a whole transaction again when it lost against another one.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use crate::DbError;

/// Tries after the first one.
const RETRIES_MAX: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// An error of a whole transaction, as far as [`retrying`] must understand it.
pub trait RetryableTx {
    /// True if the transaction lost against a concurrent one and may be run again at once.
    fn is_serialization_failure(&self) -> bool;
}

impl RetryableTx for DbError {
    fn is_serialization_failure(&self) -> bool {
        matches!(self, Self::SerializationFailure(_))
    }
}

/// Runs `attempt`, which must be a whole transaction from begin to commit, up to five times, with
/// jittered pauses, for as long as it fails with a serialization failure.
///
/// # Errors
/// The last attempt's error.
pub async fn retrying<T, E, F, Fut>(attempt: F) -> Result<T, E>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: RetryableTx,
{
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(PAUSE_MAX)
        .with_factor(3.0)
        .with_jitter()
        .with_max_times(RETRIES_MAX);
    attempt
        .retry(pauses)
        .when(RetryableTx::is_serialization_failure)
        .await
}
