//! What an audit found: a value for programs, a table for people.

use std::fmt;

use serde::Serialize;
use tradepost_types::{OrderId, PaymentId, ReservationId, ShipmentId, TenantId};
use uuid::Uuid;

use crate::check::Service;

/// So many offenders of an invariant are named; the others are counted.
pub(crate) const NAMED_MAX: usize = 10;

/// Everything one audit found.
#[derive(Debug, Clone, Serialize)]
pub struct Findings {
    /// Why the system was not at rest, if it did not come to rest in time.
    pub restless: Option<String>,
    /// One an invariant, all of them.
    pub invariants: Vec<Finding>,
}

/// What was found about one invariant.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The group of the design's list that it belongs to.
    pub group: u8,
    /// Its name.
    pub invariant: &'static str,
    /// What it says.
    pub says: &'static str,
    /// What was looked at, and what offends.
    #[serde(flatten)]
    pub found: Found,
}

/// How many things were looked at and which of them offend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Things looked at.
    pub checked: u64,
    /// How many of them offend.
    pub offenders: u64,
    /// The first of those.
    pub first: Vec<Offender>,
}

/// One thing that breaks an invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offender {
    /// In whose database, if it is found in one.
    pub service: Option<Service>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// What it is, by its id.
    pub subject: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What the findings come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every invariant was checked and holds.
    Clean,
    /// At least one does not hold.
    Offenders,
    /// None is seen broken, but the system moved all the time, so nothing is certain.
    CouldNotCheck,
}

impl Findings {
    /// What the findings come to.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match (self.offended().next(), &self.restless) {
            (Some(_), _) => Verdict::Offenders,
            (None, Some(_)) => Verdict::CouldNotCheck,
            (None, None) => Verdict::Clean,
        }
    }

    /// The invariants that do not hold.
    pub fn offended(&self) -> impl Iterator<Item = &Finding> {
        let all = self.invariants.iter();
        all.filter(|finding| finding.found.offenders > 0)
    }
}

impl Found {
    /// Looks at one thing after another.
    pub(crate) fn over<T>(
        things: impl IntoIterator<Item = T>,
        offends: impl Fn(T) -> Option<Offender>,
    ) -> Self {
        let mut found = Self::default();
        for thing in things {
            found.checked += 1;
            if let Some(offender) = offends(thing) {
                found.note(offender);
            }
        }
        found
    }

    pub(crate) fn note(&mut self, offender: Offender) {
        self.offenders += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(offender);
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.checked += other.checked;
        self.offenders += other.offenders;
        self.first.extend(other.first);
        self.first.truncate(NAMED_MAX);
    }
}

impl Offender {
    /// An offender that is found over several databases.
    pub(crate) fn new(tenant: TenantId, subject: impl ToString, detail: impl Into<String>) -> Self {
        Self {
            service: None,
            tenant: Some(tenant.to_string()),
            subject: subject.to_string(),
            detail: detail.into(),
        }
    }
}

/// What an id in a query's answer names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Order,
    Payment,
    Reservation,
    Shipment,
    /// Readable as it is: a SKU, a table, a number.
    Text,
}

impl Subject {
    /// The id as people know it.
    pub(crate) fn render(self, text: &str) -> String {
        let Ok(uuid) = Uuid::parse_str(text) else {
            return text.to_owned();
        };
        match self {
            Self::Order => OrderId::from_uuid(uuid).to_string(),
            Self::Payment => PaymentId::from_uuid(uuid).to_string(),
            Self::Reservation => ReservationId::from_uuid(uuid).to_string(),
            Self::Shipment => ShipmentId::from_uuid(uuid).to_string(),
            Self::Text => text.to_owned(),
        }
    }
}

impl fmt::Display for Offender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = self.service {
            write!(f, "[{}] ", service.name())?;
        }
        write!(f, "{}: {}", self.subject, self.detail)?;
        if let Some(tenant) = &self.tenant {
            write!(f, " ({tenant})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.invariants.iter().map(|each| each.invariant.len());
        let width = lengths.max().unwrap_or_default();
        let titles = ("checked", "offenders", "the invariant says that");
        writeln!(
            f,
            "   {:<width$}  {:>9}  {:>9}  {}",
            "invariant", titles.0, titles.1, titles.2
        )?;
        for finding in &self.invariants {
            let (group, found) = (finding.group, &finding.found);
            let (name, says) = (finding.invariant, finding.says);
            let (checked, offenders) = (found.checked, found.offenders);
            writeln!(
                f,
                "{group}  {name:<width$}  {checked:>9}  {offenders:>9}  {says}"
            )?;
            for offender in &found.first {
                writeln!(f, "     -> {offender}")?;
            }
        }
        if let Some(why) = &self.restless {
            writeln!(f, "not at rest: {why}")?;
        }
        let (all, bad) = (self.invariants.len(), self.offended().count());
        match self.verdict() {
            Verdict::Clean => writeln!(f, "clean: {all} invariants hold"),
            Verdict::Offenders => {
                writeln!(f, "NOT CLEAN: {bad} of {all} invariants have offenders")
            }
            Verdict::CouldNotCheck => writeln!(f, "NOT CHECKED: the system did not come to rest"),
        }
    }
}
