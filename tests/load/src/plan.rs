//! What a replay will send: a pure function of the file's bytes, the limit and the stock ratio.
//!
//! Everything that is counted about the file is counted here; nothing is sent from here.

mod amount;
mod decode;
mod digest;
mod group;
mod ratio;
mod rows;

use std::collections::BTreeMap;

use serde::Serialize;
use tradepost_types::Sku;

pub use ratio::{Ratio, RatioError};

/// Orders, catalogue and stock of one replay, and what was left out and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Invoices looked at: the sent and the skipped ones.
    pub invoices_read: u64,
    /// One order for each invoice that has a line left, in file order.
    pub orders: Vec<PlannedOrder>,
    /// The items of those orders, in SKU order.
    pub items: Vec<PlannedItem>,
    /// Invoices that are not sent.
    pub skipped: Skipped,
    /// Lines that are not sent, of invoices that were not skipped whole.
    pub dropped: Dropped,
    /// The share of the demand that is put in stock.
    pub ratio: Ratio,
}

/// One invoice of the file as an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedOrder {
    /// The invoice number as the file writes it.
    pub invoice: String,
    /// The customer number, or `guest`.
    pub customer_ref: String,
    /// The country as the file writes it.
    pub country: String,
    /// The lines that are sent, in file order; the same SKU may occur on several.
    pub lines: Vec<PlannedLine>,
    /// The units of all lines.
    pub units: i64,
    /// The pence of all lines.
    pub minor_units: i64,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedLine {
    /// The stock code as the file writes it.
    pub sku: Sku,
    /// Above 0; the service's bound is not applied here, it refuses for itself.
    pub quantity: i64,
    /// The agreed price of one unit in pence, above 0.
    pub price_minor: i64,
}

/// One item of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedItem {
    /// The stock code.
    pub sku: Sku,
    /// The first description that is not blank, or the stock code.
    pub name: String,
    /// The list price in pence: that of the first line sent.
    pub price_minor: i64,
    /// The units of all lines sent.
    pub demanded: i64,
    /// `demanded` times the ratio, rounded down.
    pub stock: i64,
}

/// Invoices that are not sent, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The number starts with C.
    pub cancellation: u64,
    /// The number starts with A.
    pub adjustment: u64,
    /// No line was left.
    pub empty: u64,
    /// The number starts with another letter: `letter_X` and how many.
    #[serde(flatten)]
    pub others: BTreeMap<String, u64>,
}

impl Skipped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cancellation + self.adjustment + self.empty + self.others.values().sum::<u64>()
    }
}

/// Lines that are not sent, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The quantity is 0 or less; looked at first.
    pub quantity: u64,
    /// The price is 0 or less, or has a fraction of a penny.
    pub price: u64,
}

/// Why a file is not a plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Not a gzip file although it starts like one.
    #[error("the file cannot be unpacked")]
    Gzip(#[source] std::io::Error),
    /// Not CSV.
    #[error("the file is not CSV")]
    Csv(#[from] csv::Error),
    /// The header lacks a column.
    #[error("the header has no column {0}")]
    MissingColumn(&'static str),
    /// A value that is neither sent nor one of the known kinds of dirt.
    #[error("line {line}: {fault}")]
    Row {
        /// The line of the file, from 1.
        line: u64,
        /// What is wrong with it.
        fault: String,
    },
    /// The sums do not fit in 63 bits.
    #[error("invoice {invoice}: the sum of units or money is too large")]
    Overflow {
        /// The invoice at which it showed.
        invoice: String,
    },
}

impl Plan {
    /// Plans the first `limit` invoices of a CSV file, plain or gzipped, in UTF-8 or Latin-1.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn from_bytes(bytes: &[u8], limit: Option<usize>, ratio: Ratio) -> Result<Self, PlanError> {
        let text = decode::text(bytes)?;
        let invoices = group::invoices(&text, limit)?;
        group::plan(invoices, ratio)
    }

    /// What this plan would send, in 16 hexadecimal digits: two plans with the same digest send
    /// the same orders against the same stock.
    #[must_use]
    pub fn digest(&self) -> String {
        digest::of(self)
    }

    /// The lines of all orders.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.orders.iter().map(|order| order.lines.len()).sum()
    }
}

#[cfg(test)]
mod tests;
