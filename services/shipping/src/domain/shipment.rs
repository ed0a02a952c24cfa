//! A parcel from booking to its end.

use std::fmt;

use time::OffsetDateTime;
use tradepost_types::{Money, OrderId, ShipmentId, TenantId};

use super::state::State;

/// The most tracking events that are kept of one parcel; later ones still move it.
pub const TRACKING_MAX: usize = 200;

/// Where a parcel goes. Personal data: its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Who receives it.
    pub recipient: String,
    /// Street, house number, flat.
    pub lines: Vec<String>,
    /// Town.
    pub city: String,
    /// State, county or province.
    pub region: String,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country_code: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address([redacted])")
    }
}

/// What is booked: fixed when the label is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// Where it goes.
    pub destination: Address,
    /// The weight.
    pub weight_grams: i64,
    /// What the carrier charges.
    pub cost: Money,
    /// The carrier's label.
    pub booking: Booking,
}

/// What a carrier gives for a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Which carrier.
    pub carrier: String,
    /// Which of its services.
    pub service_level: String,
    /// Its number for the parcel.
    pub tracking_number: String,
    /// Where the label is.
    pub label_reference: String,
}

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
    /// What happened, in the order in which it became known.
    pub tracking: Vec<Tracking>,
}

/// What the order is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The carrier will fetch it.
    Booked {
        /// Which carrier.
        carrier: String,
        /// Its number for the parcel.
        tracking_number: String,
    },
    /// Nobody takes it, and under this id nobody ever will.
    BookingFailed {
        /// Why.
        reason: String,
    },
    /// The carrier has it.
    HandedOver {
        /// When.
        at: OffsetDateTime,
    },
    /// It arrived.
    Delivered {
        /// When.
        at: OffsetDateTime,
    },
    /// Something went wrong.
    Exception {
        /// What.
        description: String,
    },
    /// It came back.
    Returned,
    /// It is lost.
    Lost,
    /// No parcel goes out, and none ever will.
    Voided,
    /// The carrier has it.
    VoidRefused,
}

/// What a carrier's report does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It moves the parcel, and the order is told this.
    Moved(Vec<News>),
    /// It is older than what is known: noted, and nothing moves.
    Noted,
    /// It was known already.
    Known,
    /// It cannot be.
    Illegal,
}

/// A carrier's report, before it is judged.
pub type Update = Tracking;

/// The reason of a booking that comes after its void.
const VOIDED_BEFORE: &str = "VOIDED_BEFORE";

impl Shipment {
    /// A parcel with a label.
    #[must_use]
    pub fn book(tenant: TenantId, id: ShipmentId, order: OrderId, details: Details) -> Self {
        let details = Some(details);
        Self {
            details,
            ..Self::nothing(tenant, id, order, State::LabelReady)
        }
    }

    /// What is remembered of a parcel that nobody takes.
    #[must_use]
    pub fn refused(tenant: TenantId, id: ShipmentId, order: OrderId, reason: &str) -> Self {
        let failure = Some(reason.to_owned());
        Self {
            failure,
            ..Self::nothing(tenant, id, order, State::Voided)
        }
    }

    /// What is remembered when a void comes before its booking.
    #[must_use]
    pub fn tombstone(tenant: TenantId, id: ShipmentId, order: OrderId) -> Self {
        Self::nothing(tenant, id, order, State::Voided)
    }

    fn nothing(tenant: TenantId, id: ShipmentId, order: OrderId, state: State) -> Self {
        let tracking = Vec::new();
        Self {
            tenant,
            id,
            order,
            state,
            details: None,
            failure: None,
            tracking,
        }
    }

    /// The answer to a booking of this id, the first time and every time.
    #[must_use]
    pub fn booking_answer(&self) -> News {
        match (&self.details, &self.failure) {
            (Some(details), _) if self.state != State::Voided => News::Booked {
                carrier: details.booking.carrier.clone(),
                tracking_number: details.booking.tracking_number.clone(),
            },
            (_, Some(reason)) => News::BookingFailed {
                reason: reason.clone(),
            },
            (_, None) => News::BookingFailed {
                reason: VOIDED_BEFORE.to_owned(),
            },
        }
    }

    /// Calls the parcel off, if the carrier does not have it yet.
    pub fn void(&mut self) -> News {
        if self.state.is_handed_over() {
            return News::VoidRefused;
        }
        self.state = State::Voided;
        News::Voided
    }

    /// Takes a carrier's report. Reports may come late, twice and out of order.
    pub fn report(&mut self, update: Update) -> Verdict {
        if self.tracking.contains(&update) {
            return Verdict::Known;
        }
        let newest = self.tracking.iter().map(|known| known.at).max();
        let late = newest.is_some_and(|newest| update.at < newest);
        if late && self.state.is_handed_over() {
            self.note(update);
            return Verdict::Noted;
        }
        if !self.state.may_become(update.state) {
            return Verdict::Illegal;
        }
        let news = self.news_of(&update);
        self.state = update.state;
        self.note(update);
        Verdict::Moved(news)
    }

    /// The order is told of the hand-over even when that scan was missed.
    fn news_of(&self, update: &Update) -> Vec<News> {
        let at = update.at;
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
            State::LabelReady | State::InTransit | State::OutForDelivery | State::Voided => None,
        };
        hand_over.into_iter().chain(own).collect()
    }

    fn note(&mut self, update: Update) {
        if self.tracking.len() < TRACKING_MAX {
            self.tracking.push(update);
        }
    }
}

#[cfg(test)]
mod tests;
