//! Whether both connections to the broker are up.

use tokio::sync::watch;

use crate::metrics::Metrics;

/// What is up right now.
#[derive(Debug, Clone, Copy, Default)]
struct Sides {
    publisher: bool,
    consumer: bool,
}

/// Shared by both units; each raises its flag while it lives.
#[derive(Clone)]
pub(crate) struct Health {
    sides: watch::Sender<Sides>,
    both: watch::Sender<bool>,
    metrics: Metrics,
}

/// Lowers the flag when the unit ends, however it ends.
pub(crate) struct Up<'a> {
    health: &'a Health,
    set: fn(&mut Sides, bool),
}

impl Health {
    /// `consumes` is false for a service without subscriptions: nothing is missing then.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            sides: watch::Sender::new(Sides::default()),
            both: watch::Sender::new(false),
            metrics,
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.both.subscribe()
    }

    pub(crate) fn publisher(&self) -> Up<'_> {
        self.raise(|sides, up| sides.publisher = up)
    }

    pub(crate) fn consumer(&self) -> Up<'_> {
        self.raise(|sides, up| sides.consumer = up)
    }

    fn raise(&self, set: fn(&mut Sides, bool)) -> Up<'_> {
        self.change(set, true);
        Up { health: self, set }
    }

    fn change(&self, set: fn(&mut Sides, bool), up: bool) {
        self.sides.send_modify(|sides| set(sides, up));
        let Sides {
            publisher,
            consumer,
        } = *self.sides.borrow();
        let both = publisher && consumer;
        self.both
            .send_if_modified(|old| std::mem::replace(old, both) != both);
        self.metrics.connected.set(i64::from(both));
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.health.change(self.set, false);
    }
}
