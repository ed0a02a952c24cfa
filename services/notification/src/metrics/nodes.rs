//! The instruments of what is carried between nodes, and of what is healed.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tradepost_telemetry::Registry;

const CARRY_BUCKETS: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
];

/// What became of an announcement on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// It is in Redis.
    Written,
    /// There was no room or no Redis for it: other nodes look at the database.
    Dropped,
    /// Redis refused it, or was too late.
    Failed,
    /// It came from another node, and was told here.
    Heard,
    /// It came from another node, and is of another history.
    Foreign,
}

/// Where an entry that was missing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealedFrom {
    /// Redis.
    Recent,
    /// The database.
    Database,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    fate: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The instruments. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeMetrics {
    carried: Family<Fate, Counter>,
    carry: Histogram,
    connected: Gauge,
    holes: Counter,
    looks: Family<Outcome, Counter>,
    look_lag: Gauge<f64, AtomicU64>,
    healed: Family<Source, Counter>,
    lost: Counter,
    recents: Family<Outcome, Counter>,
    presence_written: Counter,
    presence_asked: Family<Outcome, Counter>,
}

impl Default for NodeMetrics {
    fn default() -> Self {
        Self {
            carried: Family::default(),
            carry: Histogram::new(CARRY_BUCKETS),
            connected: Gauge::default(),
            holes: Counter::default(),
            looks: Family::default(),
            look_lag: Gauge::default(),
            healed: Family::default(),
            lost: Counter::default(),
            recents: Family::default(),
            presence_written: Counter::default(),
            presence_asked: Family::default(),
        }
    }
}

impl NodeMetrics {
    /// Registers the instruments.
    #[must_use]
    pub fn register(registry: &Registry) -> Self {
        let metrics = Self::default();
        let help = "Announcements to and from other nodes, by what became of them";
        registry.register("node_announcements", help, metrics.carried.clone());
        let help = "From the moment an entry was stored until it was told on another node";
        registry.register_seconds("node_carry", help, metrics.carry.clone());
        let help = "1 while announcements are carried over Redis";
        registry.register("node_redis_connected", help, metrics.connected.clone());
        let help = "Times that another node's announcements were seen to be missing";
        registry.register("node_holes", help, metrics.holes.clone());
        let help = "Looks at the database for what was not heard of, by outcome";
        registry.register("node_looks", help, metrics.looks.clone());
        let help = "Between the last two looks that succeeded";
        registry.register_seconds("node_look_lag", help, metrics.look_lag.clone());
        let help = "Entries that were missing on this node, by where they were found";
        registry.register("node_healed_entries", help, metrics.healed.clone());
        let help = "Gaps that can never be filled, since their entries are no longer kept";
        registry.register("node_lost_gaps", help, metrics.lost.clone());
        let help = "Gaps that Redis was asked for, by outcome";
        registry.register("node_recent_gaps", help, metrics.recents.clone());
        let help = "People whose presence on this node was written to Redis";
        registry.register(
            "node_presence_written",
            help,
            metrics.presence_written.clone(),
        );
        let help = "Questions who is connected to other nodes, by whether all of them were known";
        registry.register("node_presence_asked", help, metrics.presence_asked.clone());
        metrics
    }

    /// Counts what became of announcements.
    pub fn carried(&self, carried: Carried, announcements: usize) {
        let fate = match carried {
            Carried::Written => "written",
            Carried::Dropped => "dropped",
            Carried::Failed => "failed",
            Carried::Heard => "heard",
            Carried::Foreign => "foreign",
        };
        if announcements > 0 {
            let carried = self.carried.get_or_create(&Fate { fate });
            carried.inc_by(announcements as u64);
        }
    }

    /// Measures how long an entry took to another node.
    pub fn carry(&self, took: Duration) {
        self.carry.observe(took.as_secs_f64());
    }

    /// Says whether Redis carries.
    pub fn connected(&self, is_connected: bool) {
        self.connected.set(i64::from(is_connected));
    }

    /// Counts a hole in another node's announcements.
    pub fn hole(&self) {
        self.holes.inc();
    }

    /// Counts a look.
    pub fn looked(&self, is_done: bool) {
        let outcome = if is_done { "done" } else { "failed" };
        self.looks.get_or_create(&Outcome { outcome }).inc();
    }

    /// Says how long it was between two looks.
    pub fn look_lag(&self, lag: Duration) {
        self.look_lag.set(lag.as_secs_f64());
    }

    /// Counts entries that were missing.
    pub fn healed(&self, from: HealedFrom, entries: usize) {
        let source = match from {
            HealedFrom::Recent => "recent",
            HealedFrom::Database => "database",
        };
        let healed = self.healed.get_or_create(&Source { source });
        healed.inc_by(entries as u64);
    }

    /// Counts a gap that cannot be filled.
    pub fn lost(&self) {
        self.lost.inc();
    }

    /// Counts people whose presence was written.
    pub fn presence_written(&self, people: usize) {
        self.presence_written.inc_by(people as u64);
    }

    /// Counts a question for presence.
    pub fn presence_asked(&self, is_complete: bool) {
        let outcome = if is_complete { "complete" } else { "partial" };
        self.presence_asked
            .get_or_create(&Outcome { outcome })
            .inc();
    }

    /// Counts gaps that Redis had, or had not.
    pub fn recents(&self, found: usize, missed: usize) {
        for (outcome, gaps) in [("found", found), ("missed", missed)] {
            let recents = self.recents.get_or_create(&Outcome { outcome });
            recents.inc_by(gaps as u64);
        }
    }
}
