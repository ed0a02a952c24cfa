//! Whether the process should get work: one switch, and named checks of what it needs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use tokio::sync::watch;

/// A check that takes longer counts as failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

type Note = Arc<dyn Fn() -> String + Send + Sync>;
type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The health of the process. Cheap to clone; all clones are the same health.
#[derive(Clone)]
pub struct Health {
    serving: Arc<watch::Sender<bool>>,
    checks: Arc<Mutex<Vec<(&'static str, Check)>>>,
    notes: Arc<Mutex<Vec<(&'static str, Note)>>>,
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// Whether the process should get work.
    pub ready: bool,
    /// Every check and its result.
    pub checks: Vec<CheckResult>,
    /// What is worth knowing and keeps the process from nothing.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<&'static str, String>,
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub struct CheckResult {
    /// The check's name.
    pub name: &'static str,
    /// Whether it passed.
    pub ok: bool,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl CheckResult {
    fn new(name: &'static str, result: Result<(), String>) -> Self {
        Self {
            name,
            ok: result.is_ok(),
            reason: result.err(),
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Not serving, without checks.
    #[must_use]
    pub fn new() -> Self {
        Self {
            serving: Arc::new(watch::Sender::new(false)),
            checks: Arc::default(),
            notes: Arc::default(),
        }
    }

    /// The process can take work. [`GrpcServer::serve`](crate::GrpcServer::serve) says so by
    /// itself; only a process without one must.
    pub fn set_serving(&self) {
        self.serving.send_replace(true);
    }

    /// The process wants no more work, though it finishes what it has.
    pub fn set_not_serving(&self) {
        self.serving.send_replace(false);
    }

    /// The switch, to follow it.
    #[must_use]
    pub fn serving(&self) -> watch::Receiver<bool> {
        self.serving.subscribe()
    }

    /// Adds a check of something the process cannot work without; its error says what is wrong,
    /// in words that may be shown to operators.
    pub fn check<F, Fut>(&self, name: &'static str, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.push((name, check));
    }

    /// Adds something that operators want to see beside the checks; the process is ready whatever
    /// it says.
    pub fn note<F>(&self, name: &'static str, note: F)
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push((name, Arc::new(note)));
    }

    /// Runs all checks, side by side.
    pub async fn readiness(&self) -> Readiness {
        let checks = self
            .checks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let serving = if *self.serving.borrow() {
            Ok(())
        } else {
            Err("the process is starting or shutting down".to_owned())
        };
        let mut results = vec![CheckResult::new("serving", serving)];
        results.extend(
            join_all(checks.into_iter().map(|(name, check)| async move {
                let result = tokio::time::timeout(CHECK_TIMEOUT, check()).await;
                let late = |_| Err(format!("no answer within {CHECK_TIMEOUT:?}"));
                CheckResult::new(name, result.unwrap_or_else(late))
            }))
            .await,
        );
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        Readiness {
            ready: results.iter().all(|result| result.ok),
            checks: results,
            notes: notes.iter().map(|(name, note)| (*name, note())).collect(),
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}
