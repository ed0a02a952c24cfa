//! Named places where a test makes a process die, to show that nothing is lost there.
//!
//! A place is `tradepost_crash::point("relay.before_publish")`; where nothing is armed it costs
//! one load. The call in the source is the registration: the whole-system test collects the names
//! from the source, crashes every service at every one of them, and fails for a name that no
//! process ever passed.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// What a process does at its crash points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Die at that point, when it is passed for the `hit`th time, counted from 1.
    Die {
        /// The point.
        point: String,
        /// How often it is passed, the last included.
        hit: u32,
    },
    /// Write the name of every point to this file when it is first passed, a line each.
    Record(PathBuf),
}

struct Armed {
    plan: Plan,
    passed: AtomicU32,
    known: Mutex<BTreeSet<&'static str>>,
}

static ARMED: OnceLock<Armed> = OnceLock::new();

/// Arms the process; only the first call of a process counts.
pub fn arm(plan: Plan) {
    let _ = ARMED.set(Armed {
        plan,
        passed: AtomicU32::new(0),
        known: Mutex::new(BTreeSet::new()),
    });
}

/// A place where the process may be made to die, as if by `kill -9`: nothing is flushed, closed or
/// rolled back by it.
#[inline]
pub fn point(name: &'static str) {
    if let Some(armed) = ARMED.get() {
        armed.pass(name);
    }
}

impl Armed {
    #[cold]
    fn pass(&self, name: &'static str) {
        match &self.plan {
            Plan::Die { point, hit } if point == name => {
                if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == *hit {
                    std::process::abort();
                }
            }
            Plan::Die { .. } => {}
            Plan::Record(file) => {
                let fresh = self.known.lock().is_ok_and(|mut known| known.insert(name));
                if fresh
                    && let Ok(mut file) = OpenOptions::new().create(true).append(true).open(file)
                {
                    // A line that is not written fails the test that reads the file.
                    let _ = writeln!(file, "{name}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_that_is_passed_is_recorded_once() {
        let file = std::env::temp_dir().join(format!("crash-points-{}", std::process::id()));
        point("before.it_was_armed");
        arm(Plan::Record(file.clone()));

        point("relay.one");
        point("relay.two");
        point("relay.one");

        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(text, "relay.one\nrelay.two\n");
    }
}
