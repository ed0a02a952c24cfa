//! What is remembered of calls.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;

use super::Unavailable;
use crate::domain::caller::Caller;

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is about to be forwarded.
    Attempted,
    /// It came to its end.
    Completed(Outcome),
    /// It was not let through.
    Denied {
        /// The reason for programs.
        reason: &'static str,
    },
}

/// How a forwarded call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// It was refused, and had no effect.
    Refused {
        /// The status of the answer.
        status: u16,
    },
    /// Nobody knows: the service failed or did not answer, or the caller left before it did.
    Unknown,
}

/// One thing to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Who called.
    pub caller: Arc<Caller>,
    /// What they wanted: the name of the route.
    pub action: &'static str,
    /// On what: the ids in the path; empty when there are none.
    pub object: String,
    /// How it went.
    pub phase: Phase,
    /// From where.
    pub address: IpAddr,
    /// By which the call is found in logs and traces.
    pub trace_id: String,
}

/// The audit trail, for calls that go to a service.
#[async_trait]
pub trait Trail: Send + Sync {
    /// Remembers; when it returns, the note is durable.
    ///
    /// # Errors
    /// [`Unavailable`] when it cannot be remembered: what was to be done then must not be.
    async fn record(&self, note: Note) -> Result<(), Unavailable>;
}
