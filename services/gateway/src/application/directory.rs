//! The tenants, in memory: every request asks.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use time::OffsetDateTime;
use tradepost_types::TenantId;

use crate::domain::tenant::{Tenant, TenantState};
use crate::ports::identity::{StoreError, TenantStore};

/// All tenants, at most a second old.
pub struct Directory {
    store: Arc<dyn TenantStore>,
    known: ArcSwap<Known>,
    writing: Mutex<()>,
}

#[derive(Default)]
struct Known {
    tenants: HashMap<TenantId, Arc<Tenant>>,
    /// Those of all tenants.
    origins: HashSet<String>,
}

impl Directory {
    /// An empty directory; the store is asked about tenants that it does not know yet.
    #[must_use]
    pub fn new(store: Arc<dyn TenantStore>) -> Self {
        Self {
            store,
            known: ArcSwap::default(),
            writing: Mutex::default(),
        }
    }

    /// The tenant, if it is known here.
    #[must_use]
    pub fn known(&self, tenant: TenantId) -> Option<Arc<Tenant>> {
        self.known.load().tenants.get(&tenant).cloned()
    }

    /// The tenants that may not use the platform at present, and since when at the latest.
    #[must_use]
    pub fn suspended(&self) -> HashMap<TenantId, OffsetDateTime> {
        let known = self.known.load();
        let tenants = known.tenants.values();
        tenants
            .filter(|tenant| tenant.state == TenantState::Suspended)
            .map(|tenant| (tenant.id, tenant.updated_at))
            .collect()
    }

    /// Whether any tenant allows pages of that origin to call.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.known.load().origins.contains(origin)
    }

    /// The tenant. One that another process has made a moment ago is looked up, so ask only for
    /// ids that are not made up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tenant(&self, tenant: TenantId) -> Result<Option<Arc<Tenant>>, StoreError> {
        if let Some(known) = self.known(tenant) {
            return Ok(Some(known));
        }
        let found = self.store.find(tenant).await?;
        self.learn(found);
        Ok(self.known(tenant))
    }

    /// Takes up tenants that are new or have changed.
    pub fn learn(&self, tenants: impl IntoIterator<Item = Tenant>) {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load();
        let news: Vec<Tenant> = tenants
            .into_iter()
            .filter(|tenant| {
                let known = known.tenants.get(&tenant.id);
                known.is_none_or(|known| known.updated_at < tenant.updated_at)
            })
            .collect();
        if news.is_empty() {
            return;
        }
        let mut tenants = known.tenants.clone();
        for tenant in news {
            tenants.insert(tenant.id, Arc::new(tenant));
        }
        let origins = tenants.values().flat_map(|tenant| &tenant.cors_origins);
        let origins = origins.map(|origin| origin.as_str().to_owned()).collect();
        self.known.store(Arc::new(Known { tenants, origins }));
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("tenants", &self.known.load().tenants.len())
            .finish_non_exhaustive()
    }
}
