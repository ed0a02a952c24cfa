//! The tenants, in memory: every request asks.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tradepost_types::TenantId;

use crate::domain::tenant::Tenant;
use crate::ports::identity::{StoreError, TenantStore};

/// All tenants, at most a second old.
pub struct Directory {
    store: Arc<dyn TenantStore>,
    tenants: ArcSwap<HashMap<TenantId, Arc<Tenant>>>,
    writing: Mutex<()>,
}

impl Directory {
    /// An empty directory; the store is asked about tenants that it does not know yet.
    #[must_use]
    pub fn new(store: Arc<dyn TenantStore>) -> Self {
        Self {
            store,
            tenants: ArcSwap::default(),
            writing: Mutex::default(),
        }
    }

    /// The tenant, if it is known here.
    #[must_use]
    pub fn known(&self, tenant: TenantId) -> Option<Arc<Tenant>> {
        self.tenants.load().get(&tenant).cloned()
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
        let known = self.tenants.load();
        let news: Vec<Tenant> = tenants
            .into_iter()
            .filter(|tenant| {
                let known = known.get(&tenant.id);
                known.is_none_or(|known| known.updated_at < tenant.updated_at)
            })
            .collect();
        if news.is_empty() {
            return;
        }
        let mut tenants = HashMap::clone(&known);
        for tenant in news {
            tenants.insert(tenant.id, Arc::new(tenant));
        }
        self.tenants.store(Arc::new(tenants));
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory")
            .field("tenants", &self.tenants.load().len())
            .finish_non_exhaustive()
    }
}
