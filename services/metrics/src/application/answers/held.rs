//! An answer in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tradepost_service::Clock;

use super::Answer;
use crate::ports::Version;

/// What an answer takes besides its bytes.
const OVERHEAD_BYTES: usize = 512;

/// A moment by both clocks: ages by the one that never jumps, words by the one that all share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) ms: i64,
}

impl Moment {
    /// Now.
    pub(super) fn of(clock: &Clock) -> Self {
        let ms = clock.now().unix_timestamp_nanos() / 1_000_000;
        Self {
            at: Instant::now(),
            ms: i64::try_from(ms).unwrap_or(i64::MAX),
        }
    }

    pub(super) fn elapsed(self) -> Duration {
        self.at.elapsed()
    }
}

/// An answer, and up to when it is known to be right.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) version: Version,
    pub(super) as_of: Moment,
    pub(super) bytes: Arc<[u8]>,
    is_refreshed: AtomicBool,
}

impl Held {
    pub(super) const fn new(version: Version, as_of: Moment, bytes: Arc<[u8]>) -> Self {
        Self {
            version,
            as_of,
            bytes,
            is_refreshed: AtomicBool::new(false),
        }
    }

    /// The same, known to be right at another moment.
    pub(super) fn as_of(&self, as_of: Moment) -> Self {
        Self::new(self.version.clone(), as_of, Arc::clone(&self.bytes))
    }

    pub(super) fn answer(&self) -> Answer {
        Answer {
            bytes: Arc::clone(&self.bytes),
            as_of_ms: self.as_of.ms,
        }
    }

    /// Bytes of memory, about.
    pub(super) fn weight(&self) -> u32 {
        u32::try_from(self.bytes.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX)
    }

    /// Claims to refresh it; `None`: somebody does.
    pub(super) fn refreshing(held: Arc<Self>) -> Option<Refreshing> {
        let is_refreshed = held.is_refreshed.swap(true, Ordering::AcqRel);
        // Lazily: one that is made and dropped would let the next one in.
        (!is_refreshed).then(|| Refreshing(held))
    }
}

/// As long as it lives nobody else refreshes this answer.
pub(super) struct Refreshing(Arc<Held>);

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.0.is_refreshed.store(false, Ordering::Release);
    }
}
