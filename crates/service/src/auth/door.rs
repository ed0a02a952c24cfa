//! The same as stands before calls, for a port that is none of gRPC.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::HeaderMap;
use tonic::{Code, Status};

use super::caller::Caller;
use super::guard::Guard;
use super::rule::Rule;
use super::trust::Trust;
use crate::program::Runtime;

/// Why nobody is let in, in a sentence for whoever knocked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// There is no token, or it is not believed.
    #[error("{0}")]
    Unauthenticated(String),
    /// It is believed, and does not allow it.
    #[error("{0}")]
    Forbidden(String),
}

impl From<Status> for Denied {
    fn from(status: Status) -> Self {
        let detail = status.message().to_owned();
        match status.code() == Code::Unauthenticated {
            true => Self::Unauthenticated(detail),
            false => Self::Forbidden(detail),
        }
    }
}

/// Believes tokens by the trust file of the process, and lets in by one rule.
#[derive(Clone)]
pub struct Door {
    guard: Guard,
    rule: Rule,
}

impl Door {
    /// Reads whom to trust, and follows the file until shutdown.
    ///
    /// # Errors
    /// Fails when nobody is trusted (`server.auth.trust_path`).
    pub fn open(runtime: &Runtime, rule: Rule) -> anyhow::Result<Self> {
        let auth = &runtime.common.auth;
        let path = auth.trust_path.as_deref().context(
            "server.auth.trust_path is not set: without a trust file nobody can be believed",
        )?;
        let trust = Trust::load(path, &runtime.service)?;
        let poll = Duration::from_millis(auth.poll_ms);
        let follow = Arc::clone(&trust).follow(poll, runtime.shutdown.clone());
        runtime.tasks.spawn("door-trust", follow);
        let guard = Guard::uncounted(Some(trust));
        Ok(Self { guard, rule })
    }

    /// Who knocks with these headers.
    ///
    /// # Errors
    /// [`Denied`], by the same rules as a call is.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Arc<Caller>, Denied> {
        let admitted = self.guard.admit(headers, Some(&self.rule));
        admitted.map_err(Denied::from)
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door")
            .field("rule", &self.rule)
            .finish_non_exhaustive()
    }
}
