//! Room that all tenants share, and of which none may have all: in a queue, among the streams, among
//! what is worked on at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tradepost_types::TenantId;

/// How much there is, in all and for one tenant.
#[derive(Debug)]
pub struct Room {
    all_max: u32,
    tenant_max: u32,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    /// Tenants that have some of it; no others.
    tenants: HashMap<TenantId, u32>,
}

/// Who has so much that nothing is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// All together.
    #[error("all of it is taken")]
    All,
    /// The tenant itself: there is some for others.
    #[error("the tenant has as much of it as it may")]
    Tenant,
}

/// Room that is taken, until this is dropped.
#[derive(Debug)]
pub struct Share {
    room: Arc<Room>,
    /// None: the platform's own.
    tenant: Option<TenantId>,
    amount: u32,
}

impl Room {
    /// So much, of which a tenant may have so much.
    #[must_use]
    pub fn new(all_max: u32, tenant_max: u32) -> Self {
        Self {
            all_max,
            tenant_max,
            taken: Mutex::default(),
        }
    }

    /// So many places, of which a tenant may have half, and the odd one: one tenant alone leaves as
    /// many as it has to the others.
    #[must_use]
    pub fn halved(places: usize) -> Self {
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        Self::new(places, places.div_ceil(2))
    }

    /// Takes some. What the platform takes for nobody is bounded by what there is alone.
    ///
    /// # Errors
    /// [`NoRoom`]: nothing was taken.
    pub fn take(
        room: &Arc<Self>,
        tenant: impl Into<Option<TenantId>>,
        amount: u32,
    ) -> Result<Share, NoRoom> {
        let tenant = tenant.into();
        room.with(|taken| {
            if taken.all.saturating_add(amount) > room.all_max {
                return Err(NoRoom::All);
            }
            if let Some(tenant) = tenant {
                let of_tenant = taken.tenants.get(&tenant).copied().unwrap_or(0);
                if of_tenant.saturating_add(amount) > room.tenant_max {
                    return Err(NoRoom::Tenant);
                }
                taken.tenants.insert(tenant, of_tenant + amount);
            }
            taken.all += amount;
            Ok(())
        })?;
        Ok(Share {
            room: Arc::clone(room),
            tenant,
            amount,
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Taken) -> T) -> T {
        // Nothing panics while it is held.
        change(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.with(|taken| {
            taken.all = taken.all.saturating_sub(self.amount);
            let Some(tenant) = self.tenant else { return };
            if let Some(of_tenant) = taken.tenants.get_mut(&tenant) {
                *of_tenant = of_tenant.saturating_sub(self.amount);
                if *of_tenant == 0 {
                    taken.tenants.remove(&tenant);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_cannot_fill_it_and_what_is_given_back_is_free() {
        let room = Arc::new(Room::new(10, 6));
        let (busy, other) = (TenantId::new(), TenantId::new());

        let first = Room::take(&room, busy, 6).unwrap();
        let more = Room::take(&room, busy, 1);
        let beside = Room::take(&room, other, 4).unwrap();
        let full = Room::take(&room, TenantId::new(), 1);
        drop(first);
        let again = Room::take(&room, busy, 6);

        assert_eq!(more.err(), Some(NoRoom::Tenant));
        assert_eq!(full.err(), Some(NoRoom::All));
        assert!(again.is_ok());
        drop((beside, again));
        assert!(room.with(|taken| taken.all == 0 && taken.tenants.is_empty()));
    }

    #[test]
    fn of_places_a_tenant_has_half_and_at_least_one_and_the_platform_any() {
        for (places, half) in [(1, 1), (2, 1), (5, 3), (256, 128)] {
            let room = Arc::new(Room::halved(places));
            let tenant = TenantId::new();

            let taken: Vec<_> = (0..places)
                .map_while(|_| Room::take(&room, tenant, 1).ok())
                .collect();
            let rest: Vec<_> = (0..places)
                .map_while(|_| Room::take(&room, None::<TenantId>, 1).ok())
                .collect();

            assert_eq!((taken.len(), rest.len()), (half, places - half));
        }
    }
}
