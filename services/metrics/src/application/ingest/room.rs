//! The room in the queue, and how much of it each tenant takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tradepost_types::TenantId;

use super::Refused;

/// How many events may wait, in all and of one tenant.
#[derive(Debug)]
pub(super) struct Room {
    all_max: u32,
    tenant_max: u32,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: u32,
    /// Tenants that have events waiting; no others.
    tenants: HashMap<TenantId, u32>,
}

/// Room that is taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    tenant: TenantId,
    events: u32,
}

impl Room {
    pub(super) fn new(all_max: u32, tenant_max: u32) -> Self {
        Self {
            all_max,
            tenant_max,
            taken: Mutex::default(),
        }
    }

    pub(super) fn take(room: &Arc<Self>, tenant: TenantId, events: u32) -> Result<Share, Refused> {
        room.with(|taken| {
            let of_tenant = taken.tenants.get(&tenant).copied().unwrap_or(0);
            if taken.all.saturating_add(events) > room.all_max {
                return Err(Refused::Full);
            }
            if of_tenant.saturating_add(events) > room.tenant_max {
                return Err(Refused::TenantFull);
            }
            taken.all += events;
            taken.tenants.insert(tenant, of_tenant + events);
            Ok(())
        })?;
        Ok(Share {
            room: Arc::clone(room),
            tenant,
            events,
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
            taken.all = taken.all.saturating_sub(self.events);
            if let Some(of_tenant) = taken.tenants.get_mut(&self.tenant) {
                *of_tenant = of_tenant.saturating_sub(self.events);
                if *of_tenant == 0 {
                    taken.tenants.remove(&self.tenant);
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

        assert_eq!(more.err(), Some(Refused::TenantFull));
        assert_eq!(full.err(), Some(Refused::Full));
        assert!(again.is_ok());
        drop((beside, again));
        assert!(room.with(|taken| taken.all == 0 && taken.tenants.is_empty()));
    }
}
