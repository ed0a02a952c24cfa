//! The instruments of answers that are kept.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tradepost_telemetry::Registry;

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Memory, without a look at its version: it may be as old as is allowed.
    Stale,
    /// Memory, and nothing was written since.
    Memory,
    /// Redis, and nothing was written since.
    Redis,
    /// The database.
    Computed,
    /// Another call that asked the same at the same time.
    Joined,
}

/// What came of a look whether an answer is still right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// Nothing was written since.
    Unchanged,
    /// It was computed anew.
    Renewed,
    /// It failed.
    Failed,
}

/// What was wrong with Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SharedFault {
    /// It took longer than the budget.
    Late,
    /// It answered with an error, or the connection broke.
    Error,
    /// It is not asked, since it failed before.
    Open,
    /// What it gave was not what had been put there.
    Garbage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Origin {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    reason: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AnswerMetrics {
    answers: Family<Origin, Counter>,
    refreshes: Family<Ended, Counter>,
    faults: Family<Failed, Counter>,
    shared: Gauge,
}

impl AnswerMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Answers of analytics by where they came from: computed is what no cache had";
        registry.register("analytics_answers", help, metrics.answers.clone());
        let help = "Answers that were looked after beside the calls, by what came of it";
        registry.register(
            "analytics_answer_refreshes",
            help,
            metrics.refreshes.clone(),
        );
        let help = "Times that Redis was of no use to answers, by reason";
        registry.register("analytics_answer_faults", help, metrics.faults.clone());
        let help = "1 while answers are shared over Redis";
        registry.register("analytics_answers_shared", help, metrics.shared.clone());
        metrics
    }

    /// Counts an answer.
    pub fn answered(&self, source: Source) {
        let source = match source {
            Source::Stale => "stale",
            Source::Memory => "memory",
            Source::Redis => "redis",
            Source::Computed => "computed",
            Source::Joined => "joined",
        };
        self.answers.get_or_create(&Origin { source }).inc();
    }

    /// Counts a refresh.
    pub fn refreshed(&self, refresh: Refresh) {
        let outcome = match refresh {
            Refresh::Unchanged => "unchanged",
            Refresh::Renewed => "renewed",
            Refresh::Failed => "failed",
        };
        self.refreshes.get_or_create(&Ended { outcome }).inc();
    }

    /// Counts a fault of Redis.
    pub fn fault(&self, fault: SharedFault) {
        let reason = match fault {
            SharedFault::Late => "late",
            SharedFault::Error => "error",
            SharedFault::Open => "open",
            SharedFault::Garbage => "garbage",
        };
        self.faults.get_or_create(&Failed { reason }).inc();
    }

    /// Says whether answers are shared.
    pub fn shared(&self, is_shared: bool) {
        self.shared.set(i64::from(is_shared));
    }
}
