//! What happened to an order, as far as people are told of it.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;
use tradepost_notifications::stream::UserName;
use tradepost_types::{Money, OrderId, RefundId, TenantId};

/// The most characters of a code.
const CODE_CHARS_MAX: usize = 64;

/// The name of a reason or a step, e.g. `OUT_OF_STOCK`. Letters and underscores only: whatever text
/// another service gives as a reason, no card number and no address gets into what people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(Box<str>);

/// The text is no name of a reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a code has 1 to {CODE_CHARS_MAX} of A-Z, a-z and '_'")]
pub struct NoCode;

impl FromStr for Code {
    type Err = NoCode;

    fn from_str(text: &str) -> Result<Self, NoCode> {
        let is_code = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
        if !(1..=CODE_CHARS_MAX).contains(&text.len()) || !text.bytes().all(is_code) {
            return Err(NoCode);
        }
        Ok(Self(text.into()))
    }
}

impl Code {
    /// The code that a text is, or `OTHER` for a text that is none.
    #[must_use]
    pub fn or_other(text: &str) -> Self {
        text.parse().unwrap_or_else(|NoCode| Self("OTHER".into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Stock sold, money held, parcel booked.
    Confirmed {
        /// The sum of the lines.
        total: Money,
    },
    /// It could not be fulfilled; everything was undone.
    Rejected {
        /// Why.
        reason: Code,
    },
    /// Cancelled at the customer's wish; everything was undone.
    Cancelled,
    /// The carrier has the parcel.
    Shipped,
    /// The parcel arrived.
    Delivered,
    /// The parcel came back and the money was given back.
    Returned {
        /// The money.
        total: Money,
    },
    /// Money went back that the order did not ask for: a person gave it back.
    Refunded {
        /// Which refund it is: an order may have several.
        refund: RefundId,
        /// The money.
        amount: Money,
    },
    /// A step cannot go on by itself.
    NeedsAttention {
        /// The step.
        step: Code,
        /// Which time this is: the order's version, for an order may get stuck again.
        version: i64,
    },
}

impl Happened {
    /// The kind of notification, and with the order's id what is told once.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "order.confirmed",
            Self::Rejected { .. } => "order.rejected",
            Self::Cancelled => "order.cancelled",
            Self::Shipped => "order.shipped",
            Self::Delivered => "order.delivered",
            Self::Returned { .. } => "order.returned",
            Self::Refunded { .. } => "order.refunded",
            Self::NeedsAttention { .. } => "order.needs_attention",
        }
    }

    /// Which time of its kind it is, in the life of one order: most happen once.
    #[must_use]
    pub const fn occasion(&self) -> i64 {
        match self {
            Self::NeedsAttention { version, .. } => *version,
            Self::Refunded { refund, .. } => {
                // The half of the id that is chance, or a hash: two refunds of one order differ in it.
                let (_, half) = refund.as_uuid().as_u64_pair();
                i64::from_be_bytes(half.to_be_bytes())
            }
            Self::Confirmed { .. }
            | Self::Rejected { .. }
            | Self::Cancelled
            | Self::Shipped
            | Self::Delivered
            | Self::Returned { .. } => 0,
        }
    }
}

/// A piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderNews {
    /// Whose order it is.
    pub tenant: TenantId,
    /// The order.
    pub order: OrderId,
    /// Whose it is in turn.
    pub customer: UserName,
    /// What happened.
    pub happened: Happened,
    /// When.
    pub at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_letters_and_nothing_that_names_a_person_or_a_card() {
        for code in ["OUT_OF_STOCK", "capture_payment", "X"] {
            assert_eq!(Code::or_other(code).as_str(), code);
        }
        for text in [
            "",
            "4242424242424242",
            "12 High Street",
            "card declined: x",
            &"A".repeat(65),
        ] {
            assert_eq!(Code::or_other(text).as_str(), "OTHER", "{text}");
        }
    }
}
