//! Sends a plan through the gateway: the catalogue first, then the orders, each to its end.
//!
//! Every key is made from the plan's digest, so the same plan sent again finds everything there.

mod catalogue;
mod country;
mod order;
mod report;

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use tokio_util::sync::CancellationToken;

use crate::gateway::path::segment;
use crate::gateway::{CallError, Gateway};
use crate::plan::Plan;

pub use report::{Report, Tally};

/// How a plan is sent.
#[derive(Debug, Clone)]
pub struct Options {
    /// Orders on their way at once. With 1 the outcome is a function of the plan alone.
    pub concurrency: NonZeroUsize,
    /// An order that has no end by then counts as failed.
    pub end_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: NonZeroUsize::MIN,
            end_within: Duration::from_secs(600),
        }
    }
}

/// How far a replay is.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// So many of so many items are in the catalogue.
    Catalogue(usize, usize),
    /// The orders so far, of so many.
    Orders(&'a Tally, usize),
}

/// Sends the whole plan, or as much as there is until `stop`; orders on their way are followed to
/// their end also then.
///
/// # Errors
/// [`CallError`] if the catalogue cannot be loaded. An order that goes wrong is counted instead.
pub async fn run(
    gateway: &Gateway,
    plan: &Plan,
    options: &Options,
    stop: &CancellationToken,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Report, CallError> {
    let keys = Keys(plan.digest());
    catalogue::load(gateway, plan, &keys, stop, &mut progress).await?;
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut ends = stream::iter(&plan.orders)
        .take_while(|_| std::future::ready(!stop.is_cancelled()))
        .map(|planned| order::follow(gateway, planned, &keys, options))
        .buffer_unordered(options.concurrency.get());
    while let Some(followed) = ends.next().await {
        tally.add(followed);
        progress(Progress::Orders(&tally, plan.orders.len()));
    }
    Ok(Report::new(plan, tally, started.elapsed()))
}

/// The idempotency keys of one plan. Texts of the file are encoded: a key is printable ASCII.
struct Keys(String);

impl Keys {
    fn item(&self, sku: &str) -> String {
        format!("replay-{}-item-{}", self.0, segment(sku))
    }

    fn leftover(&self, sku: &str) -> String {
        format!("replay-{}-leftover-{}", self.0, segment(sku))
    }

    fn stock(&self, sku: &str) -> String {
        format!("replay-{}-stock-{}", self.0, segment(sku))
    }

    fn order(&self, invoice: &str) -> String {
        format!("replay-{}-order-{}", self.0, segment(invoice))
    }

    /// What the movements of this plan are marked with.
    fn reference(&self) -> String {
        format!("replay {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_and_strangest_names_still_make_a_key() {
        let keys = Keys("0123456789abcdef".to_owned());
        let longest = "\u{e9}".repeat(32);

        for key in [
            keys.leftover(&longest),
            keys.order(&longest),
            keys.item("BANK CHARGES"),
        ] {
            assert!(key.len() <= 255, "{key}");
            assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
        }
    }
}
