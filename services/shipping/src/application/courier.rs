//! A carrier asked with patience: every call has a time-out, a few tries follow each other at once,
//! and the attempts after that are durable, with growing pauses, for as long as it takes.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tokio::time::{Instant, timeout, timeout_at};
use tradepost_types::{Currency, ShipmentId};

use crate::domain::{Ask, Details, Errand, Parcel, Shipment};
use crate::metrics::Metrics;
use crate::ports::{AnyCarrier, CarrierError, Due, Move, Offer};

/// How many parcels a carrier is asked about at once.
const CALLS_AT_ONCE: usize = 16;
/// The pause between two tries of one attempt.
const TRY_PAUSE: Duration = Duration::from_millis(50);
/// Added to the time that an attempt may take, before the next one may start.
const LEASE_MARGIN: Duration = Duration::from_secs(1);

/// How long a carrier is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For one call.
    pub call: Duration,
    /// How many tries make one attempt.
    pub tries_max: u32,
    /// The pause after the first attempt; it doubles with every one.
    pub pause_min: Duration,
    /// The longest pause between two attempts.
    pub pause_max: Duration,
}

/// Asks one carrier. Cheap to clone.
#[derive(Clone)]
pub struct Courier {
    carrier: AnyCarrier,
    patience: Patience,
    metrics: Metrics,
}

impl Courier {
    /// Asks this carrier with this patience.
    #[must_use]
    pub const fn new(carrier: AnyCarrier, patience: Patience, metrics: Metrics) -> Self {
        Self {
            carrier,
            patience,
            metrics,
        }
    }

    /// What it would cost.
    ///
    /// # Errors
    /// [`CarrierError`].
    pub async fn quote(
        &self,
        country: &str,
        grams: i64,
        currency: Currency,
    ) -> Result<Offer, CarrierError> {
        self.call(self.carrier.quote(country, grams, currency))
            .await
    }

    /// Asks for all that is asked, in that order, within the time of one attempt together: what the
    /// carrier's slowness leaves no time for is unknown.
    pub(super) async fn run(
        &self,
        asks: Vec<(ShipmentId, Ask)>,
    ) -> Vec<Result<Option<Details>, CarrierError>> {
        let until = Instant::now() + self.attempt_time();
        let attempts = asks.into_iter().map(|(id, ask)| async move {
            tradepost_crash::point("shipping.before_carrier");
            let done = timeout_at(until, self.attempt(id, &ask)).await;
            tradepost_crash::point("shipping.after_carrier");
            let done = done.unwrap_or_else(|late| Err(CarrierError::Unknown(late.into())));
            self.metrics.carrier_asked(done.as_ref().err());
            done
        });
        stream::iter(attempts)
            .buffered(CALLS_AT_ONCE)
            .collect()
            .await
    }

    async fn attempt(&self, id: ShipmentId, ask: &Ask) -> Result<Option<Details>, CarrierError> {
        let mut tries = 1;
        loop {
            let done = match ask {
                Ask::Book(parcel) => self.book(parcel).await.map(Some),
                Ask::Cancel => self.call(self.carrier.cancel(id)).await.map(|()| None),
            };
            match done {
                Err(CarrierError::Unavailable(_) | CarrierError::Unknown(_))
                    if tries < self.patience.tries_max =>
                {
                    tries += 1;
                    tokio::time::sleep(TRY_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// Whatever an earlier attempt came to, the carrier knows of it under our reference.
    async fn book(&self, parcel: &Parcel) -> Result<Details, CarrierError> {
        match self.call(self.carrier.find(parcel)).await? {
            Some(details) => Ok(details),
            None => self.call(self.carrier.book(parcel)).await,
        }
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, CarrierError>>,
    ) -> Result<T, CarrierError> {
        let answer = timeout(self.patience.call, call).await;
        answer.unwrap_or_else(|late| Err(CarrierError::Unknown(late.into())))
    }

    /// What happens to a parcel next on the carrier's clock.
    pub(super) fn next(&self, shipment: &Shipment) -> Option<Move> {
        self.carrier.next(shipment)
    }

    /// When the clock looks at a shipment that was just changed.
    pub(super) fn due(&self, shipment: &Shipment) -> Due {
        match &shipment.errand {
            Some(errand) => Due::After(self.pause(errand)),
            None => self
                .carrier
                .next(shipment)
                .map_or(Due::Never, |next| Due::After(next.after)),
        }
    }

    /// Never shorter than an attempt takes, so that two attempts for one shipment do not overlap.
    fn pause(&self, errand: &Errand) -> Duration {
        let Some(doublings) = errand.attempts.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let pause = self.patience.pause_min.saturating_mul(factor);
        pause
            .min(self.patience.pause_max)
            .max(self.attempt_time() + LEASE_MARGIN)
    }

    fn attempt_time(&self) -> Duration {
        self.patience.call.saturating_mul(self.patience.tries_max)
    }
}
