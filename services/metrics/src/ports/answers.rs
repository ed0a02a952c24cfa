//! What it takes to keep answers: a version that every write changes, and a place that nodes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::Date;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::StoreError;

/// Whose figures an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One tenant's.
    Tenant(TenantId),
    /// Those of all, and their plans.
    Platform,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "{tenant}"),
            Self::Platform => f.write_str("platform"),
        }
    }
}

/// The days of UTC that an answer depends on, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Days {
    /// The first.
    pub first: Date,
    /// The last.
    pub last: Date,
}

/// What the figures of some days have come to. Two reads give the same version only if nothing was
/// committed between them that changed those figures.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(Box<str>);

impl Version {
    /// The count of changes in a history of the database, on a timeline of it.
    #[must_use]
    pub fn new(history: Uuid, timeline: &str, changes: i64) -> Self {
        Self(format!("{}-{timeline}-{changes}", history.simple()).into())
    }

    /// As text, without blanks.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells versions.
#[async_trait]
pub trait VersionStore: Send + Sync {
    /// The version of what is committed now. An answer that is computed after this returned has
    /// all of it, and perhaps more.
    async fn version(&self, scope: Scope, days: Days) -> Result<Version, StoreError>;
}

/// What came of a claim to compute an answer for all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is this node's to compute.
    Ours,
    /// Another node computes it.
    Others,
    /// Nobody can tell: compute it.
    Unknown,
}

/// Answers that nodes share. It may lose, damage or refuse anything at any moment; no method fails,
/// and each returns within a small time.
#[async_trait]
pub trait SharedAnswers: Send + Sync {
    /// What is kept under a name; nothing where it cannot be had in time.
    async fn find(&self, name: &str) -> Option<Vec<u8>>;

    /// Claims to compute what is missing under a name. The claim holds for `time`, or until it is
    /// forgotten; it is never given back.
    async fn claim(&self, name: &str, time: Duration) -> Claim;

    /// Keeps bytes under a name for a time, if it can.
    async fn keep(&self, name: &str, bytes: &[u8], time: Duration);
}

/// Versions as the use case holds them.
pub type Versions = Arc<dyn VersionStore>;
/// Shared answers as the use case holds them.
pub type Shared = Arc<dyn SharedAnswers>;
