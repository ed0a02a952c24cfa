//! Where things are: tenants, their books, their series, and the stripes that hold those.

use std::hash::{BuildHasher, Hasher};

use tradepost_types::TenantId;

use super::{FrontPart, MetricsProcessor, Part, STRIPES, Totals};
use crate::event::{self, Reason};
use crate::front::{FRONTS, Front};
use crate::name::Name;
use crate::series::Series;
use crate::stripe::{Address, Stripe};
use crate::sync::{Arc, MutexGuard, PoisonError};
use crate::tenant::{Book, Irregularities, Tenant};

impl MetricsProcessor {
    /// Where events of a type count, and whether that is the overflow series.
    pub(super) fn locate(
        &self,
        book: &mut Book,
        event_type: &str,
    ) -> Result<(Address, bool), Reason> {
        let hash = self.hash(book.tenant, event_type.as_bytes());
        let found = self
            .stripe(hash)
            .find(hash, book.tenant, event_type.as_bytes());
        if let Some(address) = found {
            return Ok((address, false));
        }
        let name = event::event_type(event_type)?;
        if book.series.len() < self.config.series_per_tenant_max && self.take_series() {
            let series = Series::new(book.tenant, name);
            if let Some(address) = self.stripe(hash).insert(hash, series) {
                book.series.push((name, address));
                return Ok((address, false));
            }
        }
        self.overflow(book)
            .map(|address| (address, true))
            .ok_or(Reason::TenantsFull)
    }

    /// The series that keeps a tenant's totals right when it has too many event types.
    pub(super) fn overflow(&self, book: &mut Book) -> Option<Address> {
        if book.overflow.is_none() {
            let name = Name::overflow();
            let hash = self.hash(book.tenant, name.as_bytes());
            let series = Series::new(book.tenant, name);
            book.overflow = self.stripe(hash).insert_unlisted(hash, series);
        }
        book.overflow
    }

    /// Whether there may be one more series; then it is counted already.
    pub(super) fn take_series(&self) -> bool {
        let mut totals = self.totals();
        let room = totals.series < self.config.series_max;
        totals.series += usize::from(room);
        room
    }

    /// Notes what was irregular of a tenant. What cannot be noted, as there are too many tenants,
    /// is said to the caller alone.
    pub(super) fn note(&self, tenant: TenantId, note: impl FnOnce(&mut Irregularities)) {
        if let Some(tenant) = self.tenant(tenant) {
            note(&mut tenant.irregularities());
        }
    }

    /// Does something with a tenant's book. None where there are as many tenants as there may be.
    pub(super) fn with_book<T>(
        &self,
        id: TenantId,
        act: impl FnOnce(&Tenant, &mut Book) -> T,
    ) -> Option<T> {
        loop {
            let tenant = self.tenant(id)?;
            let mut book = tenant.book();
            if !book.forgotten {
                return Some(act(&tenant, &mut book));
            }
        }
    }

    /// A tenant, new if need be. None where there are as many as there may be.
    pub(super) fn tenant(&self, id: TenantId) -> Option<Arc<Tenant>> {
        if let Some(tenant) = self.known(id) {
            return Some(tenant);
        }
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        if !tenants.contains_key(&id) && tenants.len() >= self.config.tenants_max {
            return None;
        }
        let fresh = || Arc::new(Tenant::new(id, *self.others_since_ms()));
        Some(Arc::clone(tenants.entry(id).or_insert_with(fresh)))
    }

    pub(super) fn known(&self, id: TenantId) -> Option<Arc<Tenant>> {
        self.tenants
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .cloned()
    }

    pub(super) fn all_tenants(&self) -> Vec<Arc<Tenant>> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.values().cloned().collect()
    }

    pub(super) fn hash(&self, tenant: TenantId, event_type: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write_u128(tenant.as_uuid().as_u128());
        hasher.write(event_type);
        hasher.finish()
    }

    /// The stripe of a hash. The table within it uses the hash's ends, so this uses its middle.
    pub(super) fn stripe(&self, hash: u64) -> MutexGuard<'_, Stripe> {
        let place = (hash >> 32) as usize % STRIPES;
        #[expect(
            clippy::indexing_slicing,
            reason = "the remainder is below their number"
        )]
        let Part(stripe) = &self.stripes[place];
        stripe.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn front(&self, number: usize) -> MutexGuard<'_, Front> {
        #[expect(
            clippy::indexing_slicing,
            reason = "the remainder is below their number"
        )]
        let FrontPart(front) = &self.fronts[number % FRONTS];
        front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
