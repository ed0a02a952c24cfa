//! Who watches which order in this process, and what is told to them after a commit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tradepost_types::{OrderId, TenantId};

use crate::domain::Order;

/// The watched orders. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    watched: Arc<Mutex<HashMap<OrderId, Watched>>>,
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub(super) enum News {
    /// Somebody else changed the order: look.
    Look,
    /// The order as this process committed it.
    Order(Arc<Order>),
}

#[derive(Debug)]
struct Watched {
    tenant: TenantId,
    news: watch::Sender<News>,
    /// The newest version that anybody was told of: older news never hide newer ones.
    told: i64,
}

impl Watched {
    fn tell(&mut self, version: i64, news: impl FnOnce() -> News) {
        if version > self.told {
            self.told = version;
            self.news.send_replace(news());
        }
    }
}

impl Changes {
    /// Tells everybody who watches one of these orders what it has become.
    pub fn notify(&self, orders: impl IntoIterator<Item = Order>) {
        let mut watched = self.lock();
        if watched.is_empty() {
            return;
        }
        for order in orders {
            if let Some(watched) = watched.get_mut(&order.id) {
                watched.tell(order.version, || News::Order(Arc::new(order)));
            }
        }
    }

    /// Listens for changes of one order.
    pub(super) fn subscribe(&self, tenant: TenantId, order: OrderId) -> watch::Receiver<News> {
        let mut watched = self.lock();
        let watched = watched.entry(order).or_insert_with(|| Watched {
            tenant,
            news: watch::Sender::new(News::Look),
            told: 0,
        });
        watched.news.subscribe()
    }

    /// The orders that somebody watches; forgets the others.
    pub(super) fn watched(&self) -> Vec<(TenantId, OrderId)> {
        let mut watched = self.lock();
        watched.retain(|_, order| !order.news.is_closed());
        watched
            .iter()
            .map(|(id, order)| (order.tenant, *id))
            .collect()
    }

    /// Sends those to look whose order is newer than what was told: the net for what other
    /// processes commit.
    pub(super) fn saw(&self, versions: &HashMap<OrderId, i64>) {
        let mut watched = self.lock();
        for (id, version) in versions {
            if let Some(order) = watched.get_mut(id) {
                order.tell(*version, || News::Look);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, Watched>> {
        // Nothing is left half-done under this lock.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
