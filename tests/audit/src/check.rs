//! What a check is.

use serde::Serialize;

use crate::findings::{Found, Subject};
use crate::world::World;

/// A service whose database is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Orders and their sagas.
    Order,
    /// Stock.
    Inventory,
    /// Money.
    Payment,
    /// Parcels.
    Shipping,
    /// What happened, and what it adds up to. It is looked at where it is named.
    Metrics,
    /// What people were told. It is looked at where it is named.
    Notification,
}

impl Service {
    /// All of them, in the order in which their databases are looked at: an order is written before
    /// anything it asks for, so the orders are read last.
    pub const ALL: [Self; 6] = [
        Self::Notification,
        Self::Metrics,
        Self::Inventory,
        Self::Payment,
        Self::Shipping,
        Self::Order,
    ];

    /// The name; also its database's, unless said otherwise.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Inventory => "inventory",
            Self::Payment => "payment",
            Self::Shipping => "shipping",
            Self::Metrics => "metrics",
            Self::Notification => "notification",
        }
    }
}

/// One sentence about a system at rest that is true unless something went wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    /// The group of the design's list.
    pub(crate) group: u8,
    /// Its name: what it is about, a dot, the rule.
    pub(crate) invariant: &'static str,
    /// The sentence.
    pub(crate) says: &'static str,
    /// How its offenders are found.
    pub(crate) test: Test,
}

/// How offenders are found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Test {
    /// Within one database, or in each of several.
    Sql(Sql),
    /// Over several databases and the provider's log.
    World(fn(&World) -> Found),
    /// By looking with the eyes of the role that serves requests.
    RequestRole,
}

/// A query for offenders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sql {
    /// Where to ask, as far as it is audited.
    pub(crate) on: &'static [Service],
    /// What an offender is.
    pub(crate) subject: Subject,
    /// Counts what is looked at.
    pub(crate) checked: &'static str,
    /// Answers with (tenant, subject, detail). The setting `audit.grace` holds milliseconds: how
    /// late the clock's work may be.
    pub(crate) offenders: &'static str,
}

/// The checks over all of these databases.
pub(crate) const EVERYWHERE: &[Service] = &Service::ALL;
