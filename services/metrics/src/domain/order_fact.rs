//! What the order backbone tells, and the events that are counted of it.
//!
//! The vocabulary stands in the service's README. There is no reference of the order or of its
//! customer in it: events are kept for years, archived and exported (ADR 34).

use tradepost_types::Money;

use super::EventType;

/// A reason longer than this, or of other letters, is a sentence and counts as `other`.
const REASON_BYTES_MAX: usize = 40;
/// What a reason that is no code counts as.
const OTHER_REASON: &str = "other";

/// What happened to an order, as far as it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderFact {
    /// It was accepted.
    Placed {
        /// How many units.
        units: i64,
        /// The sum of its lines.
        total: Money,
    },
    /// Stock sold, money held, parcel booked.
    Confirmed {
        /// From its acceptance to here, in milliseconds.
        after_ms: i64,
        /// How many units.
        units: i64,
        /// The sum of its lines.
        total: Money,
    },
    /// It could not be fulfilled.
    Rejected {
        /// From its acceptance to here, in milliseconds.
        after_ms: i64,
        /// Why: a code such as `OUT_OF_STOCK`.
        reason: String,
    },
    /// Cancelled at the customer's wish.
    Cancelled {
        /// From its acceptance to here, in milliseconds.
        after_ms: i64,
    },
    /// The carrier has it, and the money was taken.
    Shipped {
        /// From its acceptance to here, in milliseconds.
        after_ms: i64,
        /// The money that was taken; order services before this was counted did not say.
        total: Option<Money>,
    },
    /// It arrived.
    Delivered {
        /// From its acceptance to here, in milliseconds.
        after_ms: i64,
    },
    /// It came back, and the money was given back.
    Returned {
        /// From its acceptance to here, in milliseconds.
        after_ms: i64,
        /// The money that was given back; order services before this was counted did not say.
        total: Option<Money>,
    },
    /// Money went back that the order itself did not ask for.
    Refunded {
        /// From its acceptance to here, in milliseconds.
        after_ms: i64,
        /// How much.
        amount: Money,
    },
    /// It cannot go on by itself.
    NeedsAttention {
        /// From its acceptance to here, in milliseconds.
        after_ms: i64,
    },
}

/// One event of a fact: its type, and a whole number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// What counts.
    pub event_type: EventType,
    /// Milliseconds, units or minor units of money; not negative.
    pub value: i64,
}

/// The fact cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderFactError {
    /// A number that cannot be negative is.
    #[error("{0} is negative")]
    Negative(&'static str),
    /// An event of it has no name: never, for the vocabulary fits.
    #[error("an event of it has no name")]
    Unnamed,
}

impl OrderFact {
    /// The events of the fact, of different types.
    ///
    /// # Errors
    /// [`OrderFactError`]: none of them is to be counted.
    pub fn counted(&self) -> Result<Vec<Counted>, OrderFactError> {
        let mut counting = Counting(Vec::with_capacity(3));
        match self {
            Self::Placed { units, total } => {
                counting.add("order.placed", "unit_count", *units)?;
                counting.money("order.placed", *total)?;
            }
            Self::Confirmed {
                after_ms,
                units,
                total,
            } => {
                counting.outcome("order.confirmed", *after_ms)?;
                counting.add("order.confirmed.units", "unit_count", *units)?;
                counting.money("order.confirmed", *total)?;
            }
            Self::Rejected { after_ms, reason } => {
                counting.outcome("order.rejected", *after_ms)?;
                let reason = code(reason);
                counting.outcome(&format!("order.rejected.{reason}"), *after_ms)?;
            }
            Self::Cancelled { after_ms } => counting.outcome("order.cancelled", *after_ms)?,
            Self::Shipped { after_ms, total } => {
                counting.outcome("order.shipped", *after_ms)?;
                if let Some(total) = total {
                    counting.money("order.shipped", *total)?;
                }
            }
            Self::Delivered { after_ms } => counting.outcome("order.delivered", *after_ms)?,
            Self::Returned { after_ms, total } => {
                counting.outcome("order.returned", *after_ms)?;
                if let Some(total) = total {
                    counting.money("order.returned", *total)?;
                }
            }
            Self::Refunded { after_ms, amount } => {
                counting.outcome("order.refunded", *after_ms)?;
                counting.money("order.refunded", *amount)?;
            }
            Self::NeedsAttention { after_ms } => {
                counting.outcome("order.needs_attention", *after_ms)?;
            }
        }
        Ok(counting.0)
    }
}

/// The events so far.
struct Counting(Vec<Counted>);

impl Counting {
    fn add(
        &mut self,
        event_type: &str,
        field: &'static str,
        value: i64,
    ) -> Result<(), OrderFactError> {
        if value < 0 {
            return Err(OrderFactError::Negative(field));
        }
        let event_type =
            EventType::try_from(event_type).map_err(|_fault| OrderFactError::Unnamed)?;
        self.0.push(Counted { event_type, value });
        Ok(())
    }

    fn outcome(&mut self, event_type: &str, after_ms: i64) -> Result<(), OrderFactError> {
        self.add(event_type, "duration_ms", after_ms)
    }

    fn money(&mut self, what: &str, total: Money) -> Result<(), OrderFactError> {
        let currency = total.currency().code().to_ascii_lowercase();
        self.add(&format!("{what}.{currency}"), "total", total.minor_units())
    }
}

/// A reason as the end of an event type.
fn code(reason: &str) -> String {
    let is_code = (1..=REASON_BYTES_MAX).contains(&reason.len())
        && reason
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if is_code {
        reason.to_ascii_lowercase()
    } else {
        OTHER_REASON.to_owned()
    }
}

#[cfg(test)]
mod tests;
