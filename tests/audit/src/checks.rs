//! Every invariant, one file a subject.

mod history;
mod ledger;
pub(crate) mod messages;
pub(crate) mod metrics;
mod notification;
mod orders;
mod provider;
mod reservations;
mod shipments;
mod stock;
pub(crate) mod tenancy;

use crate::check::Check;

/// All of them, in the order of the design's list.
pub(crate) fn all() -> Vec<Check> {
    let groups: [&[Check]; 11] = [
        stock::CHECKS,
        provider::CHECKS,
        orders::CHECKS,
        ledger::CHECKS,
        reservations::CHECKS,
        shipments::CHECKS,
        messages::CHECKS,
        metrics::CHECKS,
        notification::CHECKS,
        history::CHECKS,
        tenancy::CHECKS,
    ];
    groups.concat()
}
