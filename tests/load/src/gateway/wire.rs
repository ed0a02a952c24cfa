//! The JSON of the REST API, as far as these tools speak it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::CallError;

const CURRENCY: &str = "GBP";

/// Money on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// Always GBP in what we send.
    pub currency_code: String,
    /// Pence.
    pub minor_units: i64,
}

/// An amount in pence.
#[must_use]
pub fn pence(minor_units: i64) -> Money {
    Money {
        currency_code: CURRENCY.to_owned(),
        minor_units,
    }
}

/// A new order.
#[derive(Debug, Clone, Serialize)]
pub struct OrderBody<'a> {
    /// The customer.
    pub customer_ref: &'a str,
    /// Always GBP.
    pub currency_code: &'a str,
    /// The lines.
    pub lines: Vec<OrderBodyLine<'a>>,
    /// Where the goods go.
    pub shipping_address: Address<'a>,
    /// A token of the card provider.
    pub payment_method: &'a str,
}

/// A line of a new order.
#[derive(Debug, Clone, Serialize)]
pub struct OrderBodyLine<'a> {
    /// The item.
    pub sku: &'a str,
    /// Units.
    pub quantity: i64,
    /// The price of one unit, if it is not the list price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed_unit_price: Option<Money>,
}

/// An address.
#[derive(Debug, Clone, Serialize)]
pub struct Address<'a> {
    /// The name on the parcel.
    pub recipient: &'a str,
    /// Street and number.
    pub lines: [&'a str; 1],
    /// The town.
    pub city: &'a str,
    /// The postal code.
    pub postal_code: &'a str,
    /// ISO 3166-1 alpha-2.
    pub country_code: &'a str,
}

impl<'a> OrderBody<'a> {
    /// An order in pounds, paid with a card that works, to a fixed address in a country.
    #[must_use]
    pub fn new(
        customer_ref: &'a str,
        country_code: &'a str,
        lines: Vec<OrderBodyLine<'a>>,
    ) -> Self {
        Self {
            customer_ref,
            currency_code: CURRENCY,
            lines,
            shipping_address: Address {
                recipient: "A Customer",
                lines: ["1 Example Street"],
                city: "Exampleton",
                postal_code: "EX1 1EX",
                country_code,
            },
            payment_method: "pm_card_visa",
        }
    }

    /// The JSON to send.
    ///
    /// # Errors
    /// [`CallError::Misunderstood`], which does not happen for these plain values.
    pub fn render(&self) -> Result<Bytes, CallError> {
        render(self)
    }
}

/// A new catalogue entry.
#[derive(Debug, Clone, Serialize)]
pub struct ItemBody<'a> {
    /// What people read.
    pub name: &'a str,
    /// The list price.
    pub price: Money,
    /// The weight of one unit.
    pub weight_grams: i64,
    /// Whether it can be ordered.
    pub active: bool,
}

/// A movement of stock to record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Movement {
    /// Why.
    pub kind: MovementKind,
    /// Units, above 0.
    pub quantity: i64,
    /// For people.
    pub reference: String,
}

/// The movements these tools record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MovementKind {
    /// Goods came in.
    Received,
    /// Goods were lost: they are taken away.
    WrittenOff,
}

/// An item as answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    /// Its stock.
    pub stock: Stock,
}

/// Stock as answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Stock {
    /// What can still be reserved.
    pub available: i64,
}

/// An order as answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Order {
    /// Its id.
    pub order_id: String,
    /// Where it stands.
    pub state: OrderState,
    /// Its lines.
    #[serde(default)]
    pub lines: Vec<OrderLine>,
    /// Why it was rejected.
    #[serde(default)]
    pub reject_reason: String,
    /// Why it needs attention.
    #[serde(default)]
    pub attention_reason: String,
}

impl Order {
    /// Units and pence of all lines.
    #[must_use]
    pub fn sums(&self) -> (i64, i64) {
        self.lines.iter().fold((0, 0), |(units, pence), line| {
            let pence_of_line = line.total.minor_units;
            (
                units.saturating_add(line.quantity),
                pence.saturating_add(pence_of_line),
            )
        })
    }
}

/// A line of an order as answered.
#[derive(Debug, Clone, Deserialize)]
pub struct OrderLine {
    /// Units.
    pub quantity: i64,
    /// Its price.
    pub total: Money,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// The stock is being reserved.
    Reserving,
    /// The payment is being authorised.
    Authorizing,
    /// The stock is being committed and the parcel booked.
    Confirming,
    /// Stock sold, money held, parcel booked.
    Confirmed,
    /// The money is being captured.
    Capturing,
    /// Handed over and paid.
    Shipped,
    /// Arrived.
    Delivered,
    /// Being undone.
    Cancelling,
    /// Undone at the customer's wish.
    Cancelled,
    /// Undone because it could not be fulfilled.
    Rejected,
    /// The parcel came back.
    Returning,
    /// The parcel came back and the money was refunded.
    Returned,
    /// Waits for an operator.
    NeedsAttention,
    /// A state that is newer than these tools.
    #[serde(other)]
    Unknown,
}

impl OrderState {
    /// The states between acceptance and the answer yes or no, as a query names them.
    pub const UNFINISHED: [&'static str; 4] =
        ["RESERVING", "AUTHORIZING", "CONFIRMING", "CANCELLING"];

    /// What the state says about the sale.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Reserving | Self::Authorizing | Self::Confirming | Self::Cancelling => {
                Verdict::Open
            }
            Self::Confirmed
            | Self::Capturing
            | Self::Shipped
            | Self::Delivered
            | Self::Returning
            | Self::Returned => Verdict::Confirmed,
            Self::Rejected | Self::Cancelled => Verdict::Refused,
            Self::NeedsAttention | Self::Unknown => Verdict::Unclear,
        }
    }
}

/// What became of an order, as far as a replay or a bench asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    Open,
    /// It was confirmed, whatever happened to the parcel since.
    Confirmed,
    /// Rejected or cancelled.
    Refused,
    /// An operator has to look, or the state is newer than these tools.
    Unclear,
}

/// A page of orders.
#[derive(Debug, Deserialize)]
pub(super) struct OrderPage {
    pub(super) orders: Vec<OrderBrief>,
    #[serde(default)]
    pub(super) next_page_token: String,
}

/// An order in a list.
#[derive(Debug, Deserialize)]
pub(super) struct OrderBrief {
    pub(super) state: OrderState,
}

/// A page of movements.
#[derive(Debug, Deserialize)]
pub(super) struct MovementPage {
    pub(super) movements: Vec<MovementMade>,
    #[serde(default)]
    pub(super) next_page_token: String,
}

/// A movement as answered.
#[derive(Debug, Deserialize)]
pub(super) struct MovementMade {
    #[serde(default)]
    pub(super) reference: String,
}

/// The problem document, RFC 9457.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    pub(super) reason: String,
    pub(super) detail: String,
}

pub(super) fn render(value: &impl Serialize) -> Result<Bytes, CallError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| CallError::Misunderstood(error.to_string()))
}
