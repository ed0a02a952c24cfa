//! What a replay found.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::order::{End, Followed};
use crate::plan::{Dropped, Plan, Skipped};
use crate::samples::{Quantiles, Samples};

/// Failures that are told; the rest is only counted.
const FAILURES_TOLD: usize = 10;

/// The sums over the orders that are at their end.
#[derive(Debug, Default)]
pub struct Tally {
    /// Orders sent.
    pub sent: u64,
    /// The invoice numbers of the confirmed ones.
    pub confirmed: Vec<String>,
    /// The rejected ones by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Orders without a clear end.
    pub failed: u64,
    /// The first of them, and why.
    pub failures: Vec<String>,
    units_confirmed: i64,
    minor_units_confirmed: i64,
    accepted_after: Samples,
    confirmed_after: Samples,
}

impl Tally {
    pub(super) fn add(&mut self, followed: Followed<'_>) {
        let planned = followed.planned;
        self.sent += 1;
        if let Some(time) = followed.accepted_after {
            self.accepted_after.push(time);
        }
        match followed.end {
            End::Confirmed => {
                self.confirmed.push(planned.invoice.clone());
                self.units_confirmed = self.units_confirmed.saturating_add(planned.units);
                let pence = self.minor_units_confirmed;
                self.minor_units_confirmed = pence.saturating_add(planned.minor_units);
                if let Some(time) = followed.confirmed_after {
                    self.confirmed_after.push(time);
                }
            }
            End::Rejected(reason) => *self.rejected.entry(reason).or_default() += 1,
            End::Failed(why) => {
                self.failed += 1;
                if self.failures.len() < FAILURES_TOLD {
                    self.failures
                        .push(format!("invoice {}: {why}", planned.invoice));
                }
            }
        }
    }

    /// How many were rejected, for whatever reason.
    #[must_use]
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }
}

/// The figures of a replay, as they are printed.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Invoices of the file that were looked at.
    pub invoices_read: u64,
    /// Orders sent.
    pub sent: u64,
    /// Orders that were confirmed.
    pub confirmed: u64,
    /// Orders that were not to be had, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Orders without a clear end.
    pub failed: u64,
    /// Invoices that were not sent.
    pub skipped: Skipped,
    /// Lines that were not sent.
    pub dropped_lines: Dropped,
    /// Units of the confirmed orders.
    pub units_confirmed: i64,
    /// The item lines of the confirmed orders in pence.
    pub minor_units_confirmed: i64,
    /// The digest of the confirmed invoice numbers, sorted, one a line.
    pub confirmed_sha256: String,
    /// From the sending of an order to its acceptance.
    pub accept_ms: Quantiles,
    /// From the sending of an order to its confirmation.
    pub confirm_ms: Quantiles,
    /// Orders that came to their end, by the time it took for all.
    pub orders_per_second: f64,
    /// The first failures, for people.
    #[serde(skip)]
    pub failures: Vec<String>,
}

impl Report {
    pub(super) fn new(plan: &Plan, tally: Tally, took: Duration) -> Self {
        let rate = tally.sent as f64 / took.as_secs_f64().max(f64::EPSILON);
        Self {
            invoices_read: plan.invoices_read,
            sent: tally.sent,
            confirmed: tally.confirmed.len() as u64,
            confirmed_sha256: digest(tally.confirmed),
            rejected: tally.rejected,
            failed: tally.failed,
            skipped: plan.skipped.clone(),
            dropped_lines: plan.dropped,
            units_confirmed: tally.units_confirmed,
            minor_units_confirmed: tally.minor_units_confirmed,
            accept_ms: tally.accepted_after.quantiles(),
            confirm_ms: tally.confirmed_after.quantiles(),
            orders_per_second: (rate * 100.0).round() / 100.0,
            failures: tally.failures,
        }
    }
}

fn digest(mut invoices: Vec<String>) -> String {
    invoices.sort_unstable();
    let mut hasher = Sha256::new();
    for invoice in invoices {
        hasher.update(invoice);
        hasher.update("\n");
    }
    hex::encode(hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_sorted_lines() {
        let unsorted = ["536366", "536365"].map(str::to_owned).to_vec();

        // printf '536365\n536366\n' | sha256sum
        let expected = "204400e73a63befae96cdf5f0ee1f0e00786a0960ffd5cd1bf973832ed291be5";
        assert_eq!(digest(unsorted), expected);
    }
}
