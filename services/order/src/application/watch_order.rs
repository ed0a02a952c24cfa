//! Watches orders: now and after every change, the newest state only, until the order is final.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tradepost_types::{OrderId, TenantId};

use super::changes::{Changes, News};
use crate::domain::Order;
use crate::ports::{OrderStore, StoreError};

/// Watches orders.
#[derive(Clone)]
pub struct WatchOrder {
    store: Arc<dyn OrderStore>,
    changes: Changes,
    places: Arc<Semaphore>,
    poll: Duration,
    shutdown: CancellationToken,
}

/// Why an order cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The tenant has no such order.
    #[error("there is no such order")]
    NotFound,
    /// Too many watch already.
    #[error("too many orders are watched; try again later")]
    Full,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One watcher.
pub struct Watch {
    store: Arc<dyn OrderStore>,
    tenant: TenantId,
    id: OrderId,
    news: watch::Receiver<News>,
    first: Option<Order>,
    version: i64,
    is_final: bool,
    shutdown: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl WatchOrder {
    /// The use case for at most `watchers_max` at once; `poll` finds what other processes commit.
    #[must_use]
    pub fn new(
        store: Arc<dyn OrderStore>,
        changes: Changes,
        watchers_max: usize,
        poll: Duration,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            store,
            changes,
            places: Arc::new(Semaphore::new(watchers_max)),
            poll,
            shutdown,
        }
    }

    /// Begins to watch.
    ///
    /// # Errors
    /// See [`WatchError`].
    pub async fn start(&self, tenant: TenantId, id: OrderId) -> Result<Watch, WatchError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_none_left| WatchError::Full)?;
        // Listen first, look then: no change falls between.
        let news = self.changes.subscribe(tenant, id);
        let order = self.store.find(tenant, id).await?;
        let order = order.ok_or(WatchError::NotFound)?;
        Ok(Watch {
            store: Arc::clone(&self.store),
            tenant,
            id,
            news,
            version: order.version,
            is_final: order.is_final(),
            first: Some(order),
            shutdown: self.shutdown.clone(),
            _place: place,
        })
    }

    /// One query a round for all watched orders together, until shutdown.
    pub async fn poll(self) {
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(self.poll) => {}
            }
            let watched = self.changes.watched();
            if watched.is_empty() {
                continue;
            }
            match self.store.versions(&watched).await {
                Ok(versions) => self.changes.saw(&versions),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::debug!(event = "order.watch_poll_failed", error, "tried again");
                }
            }
        }
    }
}

impl Watch {
    /// Whose order it is; known until the first look.
    #[must_use]
    pub fn customer_ref(&self) -> Option<&str> {
        let first = self.first.as_ref()?;
        Some(&first.details.customer_ref)
    }

    /// The order now, then after each change; `None` after the final state and at shutdown.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn next(&mut self) -> Option<Result<Order, StoreError>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        while !self.is_final {
            tokio::select! {
                () = self.shutdown.cancelled() => return None,
                told = self.news.changed() => told.ok()?,
            }
            let news = self.news.borrow_and_update().clone();
            let order = match news {
                News::Order(order) => Arc::unwrap_or_clone(order),
                News::Look => match self.store.find(self.tenant, self.id).await {
                    Ok(Some(order)) => order,
                    Ok(None) => return None,
                    Err(error) => return Some(Err(error)),
                },
            };
            // It may have been seen before the news of it came.
            if order.version > self.version {
                self.version = order.version;
                self.is_final = order.is_final();
                return Some(Ok(order));
            }
        }
        None
    }
}
