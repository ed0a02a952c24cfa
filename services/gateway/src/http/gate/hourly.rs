//! Whose calls of a route are in the audit trail for this hour ([`Audit::Hourly`]).
//!
//! [`Audit::Hourly`]: crate::domain::routes::Audit::Hourly

use std::time::Duration;

use moka::sync::Cache;
use time::OffsetDateTime;
use tradepost_types::TenantId;

use crate::domain::caller::{Caller, Subject};
use crate::domain::routes::Route;

/// How many callers are remembered. One that is forgotten is written once more.
const CALLERS_MAX: u64 = 65_536;
/// How long an entry stands for those after it.
const HOUR: Duration = Duration::from_secs(3_600);

type Who = (Subject, Option<TenantId>, &'static str);

/// The callers whose last entry is not an hour old, of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hourly(Cache<Who, OffsetDateTime>);

impl Default for Hourly {
    fn default() -> Self {
        let callers = Cache::builder()
            .max_capacity(CALLERS_MAX)
            .time_to_live(HOUR);
        Self(callers.build())
    }
}

impl Hourly {
    /// Whether a call of `caller` has to be written. Two that come together may both be.
    pub(super) fn is_due(&self, caller: &Caller, route: &Route, now: OffsetDateTime) -> bool {
        let last = self.0.get(&who(caller, route));
        last.is_none_or(|last| now - last >= HOUR)
    }

    /// Says that a call of `caller` was written.
    pub(super) fn remember(&self, caller: &Caller, route: &Route, now: OffsetDateTime) {
        self.0.insert(who(caller, route), now);
    }
}

const fn who(caller: &Caller, route: &Route) -> Who {
    (caller.subject, caller.tenant, route.name)
}
