//! A carrier with moods, that counts the parcels it would fetch.

use std::future::pending;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::Notify;
use tradepost_shipping::adapters::table_rate::TableRate;
use tradepost_shipping::domain::{Details, Parcel, Refusal, Shipment};
use tradepost_shipping::ports::{Carrier, CarrierError, Move, Offer};
use tradepost_types::{Currency, ShipmentId};

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Does it and says so.
    Answers,
    /// Does it and never says so.
    ActsInSilence,
    /// Neither does it nor says so.
    Silent,
    /// Cannot, and says so.
    Down,
    /// Will not, and says so.
    Refuses,
    /// Does it, and says so when it is let.
    AnswersWhenLet,
}

/// It books a parcel for every booking: whoever books twice gets two.
pub(crate) struct Moody {
    mood: Mutex<Mood>,
    parcels: Mutex<Vec<ShipmentId>>,
    table: TableRate,
    /// A call was made that waits to be let.
    pub(crate) waiting: Notify,
    /// Lets one call answer.
    pub(crate) let_go: Notify,
}

impl Moody {
    pub(crate) fn new(mood: Mood, table: TableRate) -> Self {
        Self {
            mood: Mutex::new(mood),
            parcels: Mutex::default(),
            table,
            waiting: Notify::new(),
            let_go: Notify::new(),
        }
    }

    pub(crate) fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How many parcels it would fetch for a shipment.
    pub(crate) fn parcels_of(&self, id: ShipmentId) -> usize {
        let parcels = self.parcels.lock().unwrap();
        parcels.iter().filter(|&&each| each == id).count()
    }

    /// What it says after it did, or did not, as its mood was.
    async fn say<T: Send>(&self, mood: Mood, said: T) -> Result<T, CarrierError> {
        match mood {
            Mood::Answers => Ok(said),
            Mood::ActsInSilence | Mood::Silent => pending().await,
            Mood::Down => Err(CarrierError::Unavailable("closed on Sundays".into())),
            Mood::Refuses => Err(CarrierError::Refused(Refusal::ParcelRefused)),
            Mood::AnswersWhenLet => {
                self.waiting.notify_one();
                self.let_go.notified().await;
                Ok(said)
            }
        }
    }

    /// Its mood, and whether it acts in it.
    fn mood(&self) -> (Mood, bool) {
        let mood = *self.mood.lock().unwrap();
        let acts = matches!(
            mood,
            Mood::Answers | Mood::ActsInSilence | Mood::AnswersWhenLet
        );
        (mood, acts)
    }
}

#[async_trait]
impl Carrier for Moody {
    async fn quote(
        &self,
        country: &str,
        grams: i64,
        currency: Currency,
    ) -> Result<Offer, CarrierError> {
        let offer = self.table.quote(country, grams, currency).await?;
        self.say(self.mood().0, offer).await
    }

    async fn find(&self, parcel: &Parcel) -> Result<Option<Details>, CarrierError> {
        let found = match self.parcels_of(parcel.id) {
            0 => None,
            _ => Some(self.table.book(parcel).await?),
        };
        match self.mood() {
            (Mood::Silent | Mood::Down, _) => self.say(self.mood().0, found).await,
            _ => Ok(found),
        }
    }

    async fn book(&self, parcel: &Parcel) -> Result<Details, CarrierError> {
        let (mood, acts) = self.mood();
        let details = self.table.book(parcel).await?;
        if acts {
            self.parcels.lock().unwrap().push(parcel.id);
        }
        // Only cancellations wait to be let.
        if mood == Mood::AnswersWhenLet {
            return Ok(details);
        }
        self.say(mood, details).await
    }

    async fn cancel(&self, id: ShipmentId) -> Result<(), CarrierError> {
        let (mood, acts) = self.mood();
        if acts {
            self.parcels.lock().unwrap().retain(|&each| each != id);
        }
        self.say(mood, ()).await
    }

    fn next(&self, shipment: &Shipment) -> Option<Move> {
        self.table.next(shipment)
    }
}
