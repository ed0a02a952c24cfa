//! Who watches which order in this process, and the bell that is rung after a commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tradepost_types::{OrderId, TenantId};

/// The watched orders. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    watched: Arc<Mutex<HashMap<OrderId, Watched>>>,
}

#[derive(Debug)]
struct Watched {
    tenant: TenantId,
    bell: watch::Sender<()>,
    /// The version the poll saw last.
    seen: i64,
}

impl Changes {
    /// Rings for everybody who watches one of these orders.
    pub fn notify(&self, orders: impl IntoIterator<Item = OrderId>) {
        let watched = self.lock();
        if watched.is_empty() {
            return;
        }
        for order in orders {
            if let Some(watched) = watched.get(&order) {
                watched.bell.send_replace(());
            }
        }
    }

    /// Listens for changes of one order.
    pub(super) fn subscribe(&self, tenant: TenantId, order: OrderId) -> watch::Receiver<()> {
        let mut watched = self.lock();
        let watched = watched.entry(order).or_insert_with(|| Watched {
            tenant,
            bell: watch::Sender::new(()),
            seen: 0,
        });
        watched.bell.subscribe()
    }

    /// The orders that somebody watches; forgets the others.
    pub(super) fn watched(&self) -> Vec<(TenantId, OrderId)> {
        let mut watched = self.lock();
        watched.retain(|_, order| !order.bell.is_closed());
        watched
            .iter()
            .map(|(id, order)| (order.tenant, *id))
            .collect()
    }

    /// Rings where the version moved since the last time: the net for what other processes commit.
    pub(super) fn saw(&self, versions: &HashMap<OrderId, i64>) {
        let mut watched = self.lock();
        for (id, version) in versions {
            if let Some(order) = watched.get_mut(id)
                && order.seen != *version
            {
                order.seen = *version;
                order.bell.send_replace(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, Watched>> {
        // Nothing is left half-done under this lock.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
