//! The last calls that were denied in this process, so that a denial can be explained by the trace
//! id that its answer bears. The audit trail has them all, and for good.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tradepost_types::TenantId;

use super::question::DeniedBy;
use crate::domain::caller::Caller;
use crate::domain::routes::Route;

/// How many are kept.
const DENIALS_MAX: u64 = 10_000;
/// How long.
const KEPT: Duration = Duration::from_secs(3_600);

/// A call that was denied.
#[derive(Debug)]
pub(in crate::http) struct Denied {
    pub(in crate::http) caller: Arc<Caller>,
    pub(in crate::http) route: &'static Route,
    pub(in crate::http) by: DeniedBy,
    pub(in crate::http) detail: String,
}

/// The last denials. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Denials(Cache<Arc<str>, Arc<Denied>>);

impl Default for Denials {
    fn default() -> Self {
        let cache = Cache::builder()
            .max_capacity(DENIALS_MAX)
            .time_to_live(KEPT);
        Self(cache.build())
    }
}

impl Denials {
    pub(in crate::http) fn remember(&self, trace_id: &Arc<str>, denied: Denied) {
        self.0.insert(Arc::clone(trace_id), Arc::new(denied));
    }

    /// The denied call of a trace; only to those of the same tenant.
    pub(super) fn find(&self, trace_id: &str, tenant: Option<TenantId>) -> Option<Arc<Denied>> {
        let found = self.0.get(trace_id)?;
        (found.caller.tenant == tenant).then_some(found)
    }
}
