//! A parcel from booking to its end.

use time::OffsetDateTime;
use tradepost_types::{OrderId, ShipmentId, TenantId};

use super::news::{News, Verdict};
use super::parcel::{Ask, Details, Errand, Parcel, Refusal};
use super::state::State;

/// The most tracking events that are kept of one parcel: the first one and the newest.
pub const TRACKING_MAX: usize = 200;

/// One thing that happened to a parcel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracking {
    /// The state the carrier told.
    pub state: State,
    /// What it wrote.
    pub description: String,
    /// When, by its clock.
    pub at: OffsetDateTime,
}

/// A carrier's report, before it is judged.
pub type Update = Tracking;

/// A parcel, or what is remembered in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    /// Whose.
    pub tenant: TenantId,
    /// Its id, chosen by the order.
    pub id: ShipmentId,
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub state: State,
    /// What was booked; none if nothing ever was.
    pub details: Option<Details>,
    /// Why nothing was booked.
    pub failure: Option<String>,
    /// What the carrier must still be asked.
    pub errand: Option<Errand>,
    /// What happened, in the order in which it became known.
    pub tracking: Vec<Tracking>,
    /// How often it was written; only the store counts.
    pub version: i64,
}

/// The reason of a booking that comes after its void.
const VOIDED_BEFORE: &str = "VOIDED_BEFORE";

impl Shipment {
    /// A parcel that the carrier was asked to take and has not answered for; attempts go on.
    #[must_use]
    pub fn planned(tenant: TenantId, parcel: Parcel) -> Self {
        let (id, order) = (parcel.id, parcel.order);
        let errand = Some(Errand {
            ask: Ask::Book(parcel),
            attempts: 1,
        });
        Self {
            errand,
            ..Self::nothing(tenant, id, order, State::Planned)
        }
    }

    /// What is remembered when a void comes before its booking.
    #[must_use]
    pub fn tombstone(tenant: TenantId, id: ShipmentId, order: OrderId) -> Self {
        Self::nothing(tenant, id, order, State::Voided)
    }

    fn nothing(tenant: TenantId, id: ShipmentId, order: OrderId, state: State) -> Self {
        Self {
            tenant,
            id,
            order,
            state,
            details: None,
            failure: None,
            errand: None,
            tracking: Vec::new(),
            version: 0,
        }
    }

    /// The answer to a booking of this id, the first time and every time; none while the carrier
    /// has not answered.
    #[must_use]
    pub fn booking_answer(&self) -> Option<News> {
        if self.state == State::Planned {
            return None;
        }
        let failed = |reason: &str| News::BookingFailed {
            reason: reason.to_owned(),
        };
        Some(match (&self.details, &self.failure) {
            (Some(details), _) if self.state != State::Voided => News::Booked {
                carrier: details.booking.carrier.clone(),
                tracking_number: details.booking.tracking_number.clone(),
            },
            (_, Some(reason)) => failed(reason),
            (_, None) => failed(VOIDED_BEFORE),
        })
    }

    /// The carrier gave a label. One for a parcel that was called off meanwhile is given back.
    pub fn label(&mut self, details: Details) -> Option<News> {
        match self.state {
            State::Planned => {
                self.state = State::LabelReady;
                self.details = Some(details);
                if !self.is_being_called_off() {
                    self.errand = None;
                }
                self.booking_answer()
            }
            State::Voided => {
                self.call_off();
                None
            }
            State::LabelReady
            | State::HandedOver
            | State::InTransit
            | State::OutForDelivery
            | State::Delivered
            | State::Exception
            | State::ReturnedToSender
            | State::Lost => None,
        }
    }

    /// Nobody takes the parcel. What is settled, or being called off, stays so.
    pub fn refuse(&mut self, refusal: Refusal) -> Option<News> {
        if self.state != State::Planned || self.is_being_called_off() {
            return None;
        }
        self.state = State::Voided;
        self.failure = Some(refusal.reason().to_owned());
        self.errand = None;
        // That the order has another parcel is seen after the carrier gave this one a label.
        if refusal == Refusal::OrderHasShipment {
            self.call_off();
        }
        self.booking_answer()
    }

    /// Calls the parcel off, if the carrier does not have it yet. There is no answer before the
    /// carrier has agreed, because until then it may still fetch the parcel.
    pub fn void(&mut self) -> Option<News> {
        match self.state {
            State::Planned | State::LabelReady => {
                self.call_off();
                None
            }
            State::Voided => Some(News::Voided),
            State::HandedOver
            | State::InTransit
            | State::OutForDelivery
            | State::Delivered
            | State::Exception
            | State::ReturnedToSender
            | State::Lost => Some(News::VoidRefused),
        }
    }

    fn call_off(&mut self) {
        if !self.is_being_called_off() {
            self.errand = Some(Errand {
                ask: Ask::Cancel,
                attempts: 0,
            });
        }
    }

    /// Whether the carrier is being asked to forget its booking.
    #[must_use]
    pub fn is_being_called_off(&self) -> bool {
        matches!(&self.errand, Some(errand) if errand.ask == Ask::Cancel)
    }

    /// The carrier has forgotten its booking, or never had one.
    pub fn cancelled(&mut self) -> Option<News> {
        if !self.is_being_called_off() {
            return None;
        }
        self.errand = None;
        let waited = self.state != State::Voided;
        self.state = State::Voided;
        waited.then_some(News::Voided)
    }

    /// The carrier keeps its booking: it has the parcel, or will fetch it.
    pub fn cancel_refused(&mut self) -> Option<News> {
        match self.state {
            State::LabelReady if self.is_being_called_off() => {
                self.errand = None;
                Some(News::VoidRefused)
            }
            State::Voided => {
                self.errand = None;
                None
            }
            // Without a label nobody can have handed it over: the carrier is asked again.
            State::Planned
            | State::LabelReady
            | State::HandedOver
            | State::InTransit
            | State::OutForDelivery
            | State::Delivered
            | State::Exception
            | State::ReturnedToSender
            | State::Lost => None,
        }
    }

    /// One more attempt at the errand begins.
    pub const fn attempt(&mut self) {
        if let Some(errand) = &mut self.errand {
            errand.attempts = errand.attempts.saturating_add(1);
        }
    }

    /// Takes a carrier's report. Reports may come late, twice and out of order.
    pub fn report(&mut self, update: Update) -> Verdict {
        if self.tracking.contains(&update) {
            return Verdict::Known;
        }
        let newest = self.tracking.iter().map(|known| known.at).max();
        if newest.is_some_and(|newest| update.at < newest) {
            if self.tracking.len() < TRACKING_MAX {
                self.tracking.push(update);
            }
            return Verdict::Noted;
        }
        if !self.state.may_become(update.state) {
            return Verdict::Illegal;
        }
        let news = self.news_of(&update);
        self.state = update.state;
        self.errand = None;
        if self.tracking.len() >= TRACKING_MAX {
            self.tracking.remove(1);
        }
        self.tracking.push(update);
        Verdict::Moved(news)
    }

    /// The order is told of the hand-over even when that scan was missed, and then that it is too
    /// late to call the parcel off.
    fn news_of(&self, update: &Update) -> Vec<News> {
        let at = update.at;
        let refused = self.is_being_called_off().then_some(News::VoidRefused);
        let missed = self.state == State::LabelReady && update.state != State::HandedOver;
        let hand_over = missed.then_some(News::HandedOver { at });
        let own = match update.state {
            State::HandedOver => Some(News::HandedOver { at }),
            State::Delivered => Some(News::Delivered { at }),
            State::Exception => Some(News::Exception {
                description: update.description.clone(),
            }),
            State::ReturnedToSender => Some(News::Returned),
            State::Lost => Some(News::Lost),
            State::Planned
            | State::LabelReady
            | State::InTransit
            | State::OutForDelivery
            | State::Voided => None,
        };
        refused.into_iter().chain(hand_over).chain(own).collect()
    }
}

#[cfg(test)]
mod tests;
