//! Named places where a test makes a process die, to show that nothing is lost there.
//!
//! A place is `tradepost_crash::point("relay.before_publish")`; where nothing is armed it costs
//! one load. The call in the source is the registration: the whole-system test collects the names
//! from the source, kills each service that an order passes at every one of its own, and fails for a
//! name that no process ever passed; for the other services `tests/tidy` fails for a name that is in
//! none of their tests (ADR 16).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where and when a process dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The point.
    pub point: String,
    /// How often the point is passed, the last time included: counted from 1.
    pub hit: u32,
}

#[derive(Debug)]
struct Armed {
    death: Death,
    passed: AtomicU32,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms the process; only the first call counts.
pub fn arm(death: Death) {
    // A second plan would make the count of the first meaningless.
    let _ = ARMED.set(Armed::new(death));
}

/// A place where the process may be made to die, as if by `kill -9`: nothing is flushed, closed or
/// rolled back by it.
#[inline]
pub fn point(name: &'static str) {
    if let Some(armed) = ARMED.get()
        && armed.strikes(name)
    {
        std::process::abort();
    }
}

impl Armed {
    const fn new(death: Death) -> Self {
        Self {
            death,
            passed: AtomicU32::new(0),
        }
    }

    #[cold]
    fn strikes(&self, name: &str) -> bool {
        name == self.death.point && self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.death.hit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_strikes_once_at_the_hit_and_nowhere_else() {
        let armed = Armed::new(Death {
            point: "relay.one".to_owned(),
            hit: 2,
        });

        let strikes =
            ["relay.one", "relay.two", "relay.one", "relay.one"].map(|point| armed.strikes(point));

        assert_eq!(strikes, [false, false, true, false]);
    }

    #[test]
    fn a_point_of_a_process_that_is_not_armed_does_nothing() {
        point("relay.one");

        assert!(ARMED.get().is_none());
    }
}
