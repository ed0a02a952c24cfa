//! Moves parcels along on the carrier's clock.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::domain::{Shipment, Tracking, Verdict};
use crate::metrics::Metrics;
use crate::ports::{AnyCarrier, Decision, Shipments};

/// The clock. Every replica runs one; they do not get in each other's way.
pub struct MoveParcels {
    store: Shipments,
    carrier: AnyCarrier,
    metrics: Metrics,
    poll: Duration,
    batch_max: i64,
}

impl MoveParcels {
    /// A clock that looks every `poll` and moves up to `batch_max` a time, so that a backlog of
    /// parcels never keeps bookings waiting.
    #[must_use]
    pub const fn new(
        store: Shipments,
        carrier: AnyCarrier,
        metrics: Metrics,
        poll: Duration,
        batch_max: i64,
    ) -> Self {
        Self {
            store,
            carrier,
            metrics,
            poll,
            batch_max,
        }
    }

    /// Moves parcels until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            self.tick().await;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    async fn tick(&self) {
        let decide = |_: usize, stored: Option<Shipment>, now| Some(self.moved(stored?, now));
        match self.store.advance_due(self.batch_max, &decide).await {
            Ok(count) => self.metrics.advanced(count),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(event = "shipping.clock_failed", error, "tried again later");
            }
        }
    }

    fn moved(&self, mut shipment: Shipment, now: OffsetDateTime) -> Decision {
        let mut news = Vec::new();
        if let Some((state, _)) = self.carrier.next(&shipment) {
            let description = state.name().replace('_', " ");
            let update = Tracking {
                state,
                description,
                at: now,
            };
            if let Verdict::Moved(told) = shipment.report(update) {
                news = told;
            }
        }
        let due_after = self.carrier.next(&shipment).map(|(_, after)| after);
        Decision {
            shipment,
            news,
            due_after,
        }
    }
}
