//! What is asked of what is kept.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use time::Date;
use tradepost_types::TenantId;

use super::{Scope, StoreError};
use crate::domain::{EventType, Grain, Range};
use crate::rollup::{Rollup, TypeId};

/// Whose figures a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// One tenant's.
    Tenant(TenantId),
    /// Those of all tenants on this plan, together.
    Plan(String),
}

impl Whose {
    /// Whose versions the answer depends on.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Tenant(tenant) => Scope::Tenant(*tenant),
            Self::Plan(_) => Scope::Platform,
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "{tenant}"),
            Self::Plan(plan) => write!(f, "plan {plan}"),
        }
    }
}

/// Asks for the sums of one tenant by time and event type.
#[derive(Debug, Clone)]
pub struct SumsQuestion {
    /// Whose.
    pub tenant: TenantId,
    /// By minutes, hours or days.
    pub grain: Grain,
    /// Of when.
    pub range: Range,
    /// Of which event types; none: of all.
    pub types: Vec<EventType>,
    /// Behind this start (in milliseconds since 1970) and event type.
    pub after: Option<(i64, String)>,
    /// How many at most.
    pub limit: i64,
}

/// Asks for the sums of all tenants of a plan together, by time and name of the event type.
#[derive(Debug, Clone)]
pub struct PlanQuestion {
    /// Of tenants on this plan.
    pub plan: String,
    /// By minutes, hours or days.
    pub grain: Grain,
    /// Of when.
    pub range: Range,
    /// Of which event types; none: of all.
    pub types: Vec<EventType>,
    /// Behind this start (in milliseconds since 1970) and event type.
    pub after: Option<(i64, String)>,
    /// How many lines at most.
    pub limit: i64,
    /// After how many rollups of single tenants no further line is begun; above 0.
    pub rollups_max: i64,
}

/// Lines of such sums.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSums {
    /// At least one, if there is one; each is of all tenants.
    pub sums: Vec<Sum>,
    /// Whether they are fewer than they may be because of the rollups that they took.
    pub is_cut: bool,
}

/// Asks for the sums of all tenants of a plan together over a whole range, by name of the event type.
#[derive(Debug, Clone)]
pub struct PlanWholeQuestion {
    /// Of tenants on this plan.
    pub plan: String,
    /// Of when: the pieces of the range.
    pub pieces: Vec<(Grain, Range)>,
    /// Of which event types; none: of all.
    pub types: Vec<EventType>,
    /// Behind this event type.
    pub after: Option<String>,
    /// How many event types are looked at, at most.
    pub types_max: i64,
    /// After how many rollups of single tenants no further event type is begun; above 0.
    pub rollups_max: u64,
}

/// Such sums.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanWhole {
    /// Each is of all tenants and starts where the first piece does. An event type without events in
    /// the range is left out.
    pub sums: Vec<Sum>,
    /// The last event type that was looked at, if there are more behind it.
    pub last: Option<String>,
}

/// What is kept of one event type over one piece of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// The event type, or the overflow type.
    pub event_type: String,
    /// Where the piece starts, in milliseconds since 1970.
    pub start_ms: i64,
    /// What is kept.
    pub rollup: Rollup,
}

/// Asks for a tenant's event types by name.
#[derive(Debug, Clone)]
pub struct TypesQuestion {
    /// Whose.
    pub tenant: TenantId,
    /// Only these; none: all.
    pub types: Vec<EventType>,
    /// Behind this name.
    pub after: Option<String>,
    /// How many at most.
    pub limit: i64,
}

/// An event type with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedType {
    /// The number.
    pub id: TypeId,
    /// The event type, or the overflow type.
    pub name: String,
}

/// Asks for the daily report over tenants.
#[derive(Debug, Clone)]
pub struct DailyQuestion {
    /// Of tenants on this plan; none: of all.
    pub plan: Option<String>,
    /// Of this event type; none: of all.
    pub event_type: Option<EventType>,
    /// From this day on.
    pub since: Date,
    /// Up to this day.
    pub until: Date,
    /// Behind this day and tenant.
    pub after: Option<(Date, TenantId)>,
    /// How many lines at most.
    pub limit: i64,
}

/// One tenant's day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DailyLine {
    /// Whose.
    pub tenant: TenantId,
    /// The day of UTC.
    pub day: Date,
    /// Events.
    pub n: u64,
    /// The sum of their values.
    pub sum: f64,
}

/// By what the greatest are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The number of events.
    Count,
    /// The sum of their values.
    Sum,
}

/// One of the greatest.
#[derive(Debug, Clone, PartialEq)]
pub struct TopLine {
    /// The event type, or the overflow type.
    pub event_type: String,
    /// Its events.
    pub n: u64,
    /// The sum of their values.
    pub sum: f64,
}

/// Asks for single events of one tenant.
#[derive(Debug, Clone)]
pub struct EventsQuestion {
    /// Whose.
    pub tenant: TenantId,
    /// Of when.
    pub range: Range,
    /// Of this event type; none: of all.
    pub event_type: Option<EventType>,
    /// Behind this time (in milliseconds since 1970) and event id.
    pub after: Option<(i64, i64)>,
    /// How many at most.
    pub limit: i64,
}

/// A single event.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its number; with the time it is unique within the tenant.
    pub id: i64,
    /// The event type, or the overflow type.
    pub event_type: String,
    /// Who; empty: nobody.
    pub user: String,
    /// The number.
    pub value: f64,
}

/// Answers from what is kept. They read rollups only.
#[async_trait]
pub trait ReportStore: Send + Sync {
    /// Sums, newest piece first, then by event type.
    async fn sums(&self, question: &SumsQuestion) -> Result<Vec<Sum>, StoreError>;

    /// Sums of all tenants of a plan together, newest piece first, then by event type.
    async fn plan_sums(&self, question: &PlanQuestion) -> Result<PlanSums, StoreError>;

    /// Sums of all tenants of a plan together over a whole range, by event type.
    async fn plan_whole(&self, question: &PlanWholeQuestion) -> Result<PlanWhole, StoreError>;

    /// Event types by name.
    async fn types(&self, question: &TypesQuestion) -> Result<Vec<NamedType>, StoreError>;

    /// The sums of these types over all of these pieces together, in the order of the types; what
    /// has no events is left out. A sum starts where the first piece does.
    async fn whole(
        &self,
        tenant: TenantId,
        pieces: &[(Grain, Range)],
        types: &[NamedType],
    ) -> Result<Vec<Sum>, StoreError>;

    /// The report over tenants, newest day first, then by tenant.
    async fn daily(&self, question: &DailyQuestion) -> Result<Vec<DailyLine>, StoreError>;

    /// The event types that have most over full days, the greatest first; those of a plan's tenants
    /// by name.
    async fn top(
        &self,
        whose: &Whose,
        range: Range,
        measure: Measure,
        limit: i64,
    ) -> Result<Vec<TopLine>, StoreError>;

    /// Notes the plan of a tenant, unless one of the same or a higher version is known; `version`
    /// is above 0.
    async fn put_tenant(
        &self,
        tenant: TenantId,
        plan: &str,
        version: i64,
    ) -> Result<(), StoreError>;
}

/// Answers as the calls hold them.
pub type Reports = Arc<dyn ReportStore>;
