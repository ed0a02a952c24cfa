//! The one clock: real in a process, fixed in a test.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

/// Tells the time, UTC. Cheap to clone; the clones of a fixed clock move together.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    fixed: Option<Arc<Mutex<OffsetDateTime>>>,
}

impl Clock {
    /// The clock of the system.
    #[must_use]
    pub const fn system() -> Self {
        Self { fixed: None }
    }

    /// A clock that stands still at `at` until it is [advanced](Clock::advance).
    #[must_use]
    pub fn fixed(at: OffsetDateTime) -> Self {
        Self {
            fixed: Some(Arc::new(Mutex::new(at))),
        }
    }

    /// The time now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place where time is read"
    )]
    pub fn now(&self) -> OffsetDateTime {
        self.fixed
            .as_ref()
            .map_or_else(OffsetDateTime::now_utc, |fixed| {
                *fixed.lock().unwrap_or_else(PoisonError::into_inner)
            })
    }

    /// Moves a fixed clock forward; the system's clock does not care.
    pub fn advance(&self, by: Duration) {
        if let Some(fixed) = &self.fixed {
            *fixed.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}
