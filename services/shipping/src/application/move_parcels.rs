//! Moves parcels along on the carrier's clock, and asks the carrier again what it left unanswered.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tradepost_postgres::Pace;

use super::courier::Courier;
use crate::domain::{Ask, Details, News, Shipment, State, Tracking, Verdict};
use crate::metrics::Metrics;
use crate::ports::{CarrierError, Decision, Shipments, StoreError, Target};

/// How the clock goes.
#[derive(Debug, Clone, Copy)]
pub struct ClockLimits {
    /// How often it looks for what other processes have left due, or nobody told it of.
    pub poll: Duration,
    /// How far apart two looks are, if the first moved several parcels. One that is due alone waits
    /// for nothing.
    pub gap: Duration,
    /// How many parcels one look moves.
    pub batch_max: i64,
}

/// The clock: moves a parcel when it is due. Every replica runs one; they do not get in each
/// other's way.
pub struct MoveParcels {
    store: Shipments,
    courier: Courier,
    metrics: Metrics,
    limits: ClockLimits,
}

impl MoveParcels {
    /// A clock within these limits, so that a backlog of parcels never keeps bookings waiting.
    #[must_use]
    pub const fn new(
        store: Shipments,
        courier: Courier,
        metrics: Metrics,
        limits: ClockLimits,
    ) -> Self {
        Self {
            store,
            courier,
            metrics,
            limits,
        }
    }

    /// Moves parcels until shutdown. What a carrier is being asked then is asked again later.
    pub async fn run(self, shutdown: CancellationToken) {
        let ticks = async {
            let mut pace = Pace::new(self.limits.gap);
            loop {
                pace.keep().await;
                match self.tick().await {
                    Ok(moved) => {
                        pace.met(moved);
                        let _: Result<(), _> = timeout(self.limits.poll, self.store.due()).await;
                    }
                    Err(error) => {
                        log_failure(&error);
                        sleep(self.limits.poll).await;
                    }
                }
            }
        };
        let _: Option<()> = shutdown.run_until_cancelled(ticks).await;
    }

    /// Looks once; returns how many parcels were due.
    ///
    /// # Errors
    /// [`StoreError`]; what was not done is due again.
    pub async fn tick(&self) -> Result<usize, StoreError> {
        let decide = |_: usize, stored: Option<Shipment>, now| Some(self.advanced(stored?, now));
        let advanced = self
            .store
            .advance_due(self.limits.batch_max, &decide)
            .await?;
        let moved = advanced.len();
        self.metrics.advanced(moved);
        let errands = |shipment: &Shipment| shipment.errand.is_some();
        let waiting: Vec<Shipment> = advanced.into_iter().filter(errands).collect();
        if waiting.is_empty() {
            return Ok(moved);
        }
        let mut asks = Vec::with_capacity(waiting.len());
        for shipment in &waiting {
            if let Some(errand) = &shipment.errand {
                asks.push((shipment.id, errand.ask.clone()));
            }
        }
        let answers = self.courier.run(asks).await;
        self.settle(&waiting, &answers).await?;
        Ok(moved)
    }

    /// The next attempt at an errand is due before this one begins, so that a crash loses nothing.
    fn advanced(&self, mut shipment: Shipment, now: OffsetDateTime) -> Decision {
        let mut news = Vec::new();
        if shipment.errand.is_some() {
            shipment.attempt();
        } else if let Some(next) = self.courier.next(&shipment) {
            let update = Tracking {
                state: next.state,
                description: next.description.to_owned(),
                at: now,
            };
            if let Verdict::Moved(told) = shipment.report(update) {
                news = told;
            }
        }
        self.decision(shipment, news)
    }

    async fn settle(
        &self,
        waiting: &[Shipment],
        answers: &[Result<Option<Details>, CarrierError>],
    ) -> Result<(), StoreError> {
        let settled: Vec<_> = waiting
            .iter()
            .zip(answers)
            .filter(|(shipment, answer)| settles(shipment, answer))
            .collect();
        if settled.is_empty() {
            return Ok(());
        }
        let target = |&(shipment, _): &(&Shipment, _)| Target {
            tenant: shipment.tenant,
            id: shipment.id,
            cause: None,
        };
        let targets: Vec<Target> = settled.iter().map(target).collect();
        let decide = |index: usize, stored: Option<Shipment>, _now| {
            let (asked, answer) = settled.get(index)?;
            self.answered(asked, answer, stored?)
        };
        self.store.change(&targets, &decide).await
    }

    /// The parcel may have been called off, or its answer come another way, since it was asked.
    fn answered(
        &self,
        asked: &Shipment,
        answer: &Result<Option<Details>, CarrierError>,
        mut shipment: Shipment,
    ) -> Option<Decision> {
        let before = shipment.clone();
        // A label may have been made after the carrier said that there is none: then it must be
        // asked again, as the errand that still stands will do.
        let untouched = shipment.version == asked.version;
        let news = match (&asked.errand.as_ref()?.ask, answer) {
            (Ask::Book(_), Ok(Some(details))) => shipment.label(details.clone()),
            (Ask::Book(_), Err(CarrierError::Refused(refusal))) => shipment.refuse(*refusal),
            (Ask::Cancel, Ok(_)) if untouched => shipment.cancelled(),
            (Ask::Cancel, Err(CarrierError::Refused(_))) if untouched => shipment.cancel_refused(),
            (Ask::Book(_) | Ask::Cancel, Ok(_) | Err(_)) => None,
        };
        (shipment != before).then(|| self.decision(shipment, news.into_iter().collect()))
    }

    fn decision(&self, shipment: Shipment, news: Vec<News>) -> Decision {
        let due = self.courier.due(&shipment);
        Decision {
            shipment,
            news,
            due,
        }
    }
}

fn log_failure(error: &StoreError) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(event = "shipping.clock_failed", error, "tried again later");
}

/// Whether an answer may end the errand; otherwise the next attempt is due already.
fn settles(shipment: &Shipment, answer: &Result<Option<Details>, CarrierError>) -> bool {
    match answer {
        Ok(_) => true,
        Err(CarrierError::Refused(_)) => {
            if shipment.state == State::Voided {
                tracing::error!(
                    event = "shipping.cancel_refused",
                    shipment.id = %shipment.id,
                    order.id = %shipment.order,
                    "the carrier keeps a parcel that nobody waits for: somebody must fetch it"
                );
            }
            true
        }
        Err(error @ (CarrierError::Unavailable(_) | CarrierError::Unknown(_))) => {
            let error: &dyn std::error::Error = error;
            tracing::warn!(
                event = "shipping.carrier_failed",
                shipment.id = %shipment.id,
                error,
                "the carrier did not answer; it is asked again later"
            );
            false
        }
    }
}
