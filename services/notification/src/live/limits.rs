//! What there is room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files for everything else: pools, the broker, ports, logs.
const FILES_SPARE: usize = 512;

/// Tokens that come back with time.
#[derive(Debug)]
pub(super) struct Bucket {
    /// How long one takes to come back.
    each: Duration,
    most: u32,
    left: u32,
    since: Instant,
}

impl Bucket {
    /// So many a second, and `burst` seconds' worth at once.
    pub(super) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let most = per_second.saturating_mul(burst).max(1);
        Self {
            each: Duration::from_secs(1) / per_second.max(1),
            most,
            left: most,
            since: now,
        }
    }

    /// Whether one more is within.
    pub(super) fn takes(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.since);
        let earned = elapsed.as_nanos() / self.each.as_nanos().max(1);
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned >= self.most.saturating_sub(self.left) {
            (self.left, self.since) = (self.most, now);
        } else {
            self.left += earned;
            self.since += self.each.saturating_mul(earned);
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

impl Bucket {
    /// Whether all of it is there again: then it need not be remembered.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        let missing = self.each.saturating_mul(self.most - self.left);
        now.saturating_duration_since(self.since) >= missing
    }
}

/// Places for connections; taken and given back whatever happens to a connection.
#[derive(Debug, Clone)]
pub(super) struct Places {
    max: usize,
    taken: Arc<AtomicUsize>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Places {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            taken: Arc::default(),
        }
    }

    /// A place, if one is free.
    pub(super) fn take(&self) -> Option<Seat> {
        let more = |taken: usize| (taken < self.max).then_some(taken + 1);
        let order = Ordering::Relaxed;
        self.taken.fetch_update(order, order, more).ok()?;
        Some(Seat(Arc::clone(&self.taken)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many connections there may be: as many as configured, or as the process may open files.
pub(super) fn connections_max(configured: usize) -> usize {
    let Some(files) = open_files_max() else {
        return configured;
    };
    let possible = files.saturating_sub(FILES_SPARE).max(1);
    if possible < configured {
        tracing::warn!(
            event = "live.files",
            files,
            configured,
            possible,
            "the process may open fewer files than there may be connections"
        );
    }
    configured.min(possible)
}

/// The limit of the process, raised to what the system lets it have; none where there is none.
fn open_files_max() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(event = "live.files_kept", %error, "the limit of open files stays");
            limit.current
        }
    };
    current.and_then(|files| usize::try_from(files).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_a_burst_and_then_its_pace() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 2, start);
        let at = |ms| start + Duration::from_millis(ms);

        assert_eq!((0..30).filter(|_| bucket.takes(start)).count(), 20);
        assert!(!bucket.takes(at(99)));
        assert!(bucket.takes(at(100)));
        assert!(!bucket.takes(at(199)));
        assert!(bucket.takes(at(200)));
        let later = at(60_000);
        assert_eq!((0..30).filter(|_| bucket.takes(later)).count(), 20);
    }

    #[test]
    fn a_place_is_free_again_when_its_seat_is_dropped() {
        let places = Places::new(1);
        let seat = places.take();

        assert!(seat.is_some());
        assert!(places.take().is_none());
        drop(seat);
        assert!(places.take().is_some());
    }

    #[test]
    fn a_bucket_that_need_not_be_remembered_says_so() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 1, start);

        assert!(bucket.is_full(start));
        assert!(bucket.takes(start) && bucket.takes(start));
        assert!(!bucket.is_full(start + Duration::from_millis(199)));
        assert!(bucket.is_full(start + Duration::from_millis(200)));
    }

    #[test]
    fn the_process_may_open_as_many_files_as_the_system_lets_it() {
        let files = open_files_max();

        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(
            files,
            limit.maximum.map(|max| usize::try_from(max).unwrap())
        );
    }
}
