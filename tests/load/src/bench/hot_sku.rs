//! One item, more buyers than units: how fast it is sold out, and whether exactly as many win as
//! there is stock for.

use std::time::Duration;

use tokio::time::Instant;

use super::BenchError;
use super::open_loop::{self, Outcome, Pace};
use super::report::{Rows, Unit};
use super::shop::Shop;
use crate::gateway::{CallError, Gateway, Verdict, Wait};

const POLL: Duration = Duration::from_millis(20);

/// What load.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The orders.
    pub pace: Pace,
    /// Units of every order.
    pub quantity: u32,
    /// Percent of the demand that is in stock.
    pub stock_percent: u32,
}

impl Options {
    /// As many orders as there is stock for.
    #[must_use]
    pub fn winners(&self) -> u64 {
        self.pace.total() * u64::from(self.stock_percent) / 100
    }
}

/// One run.
///
/// # Errors
/// [`BenchError`].
pub async fn run(gateway: &Gateway, options: &Options) -> Result<Rows, BenchError> {
    let shop = Shop::new(gateway);
    let sku = shop.run.to_uppercase();
    let stock = options.winners() * u64::from(options.quantity);
    shop.stock(&sku, i64::try_from(stock).unwrap_or(i64::MAX))
        .await?;
    let started = Instant::now();
    let (outcome, sold_out) = tokio::join!(
        open_loop::run(options.pace, |index| place(&shop, &sku, options, index)),
        sold_out(&shop, &sku, options),
    );
    let reserved_in = sold_out?.duration_since(started);
    shop.drained(&shop.run).await?;
    figures(&shop, options, &outcome, reserved_in).await
}

async fn place(shop: &Shop, sku: &str, options: &Options, index: u64) -> Result<(), CallError> {
    let body = shop.order(&shop.run, &[(sku, options.quantity.into())])?;
    let key = format!("{}-{index}", shop.run);
    let placed = shop.measured.place(&key, body, Wait::No).await;
    placed.map(|_accepted| ())
}

/// When the last order that the stock sufficed for had its units.
async fn sold_out(shop: &Shop, sku: &str, options: &Options) -> Result<Instant, CallError> {
    let window = Duration::from_secs(options.pace.seconds.get().into());
    let last_due = Instant::now() + window;
    loop {
        let available = shop.gateway.item(sku).await?.stock.available;
        let now = Instant::now();
        if available < i64::from(options.quantity) {
            return Ok(now);
        }
        // Too many orders may have failed for the stock to run out.
        if now > last_due && !shop.gateway.has_unfinished_orders(&shop.run).await? {
            return Ok(now);
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn figures(
    shop: &Shop,
    options: &Options,
    outcome: &Outcome,
    reserved_in: Duration,
) -> Result<Rows, BenchError> {
    let (mut winners, mut losers, mut others) = (0_u64, 0_u64, 0_u64);
    for (state, count) in shop.gateway.count_orders(&shop.run).await? {
        match state.verdict() {
            Verdict::Confirmed => winners += count,
            Verdict::Refused => losers += count,
            Verdict::Open | Verdict::Unclear => others += count,
        }
    }
    let rate = winners as f64 / reserved_in.as_secs_f64();
    let units = rate * f64::from(options.quantity);
    let mut rows = Rows::default();
    rows.median("reserved until sold out", units, Unit::UnitsPerSecond);
    rows.median("winning orders until sold out", rate, Unit::OrdersPerSecond);
    rows.median("sold out after", reserved_in.as_secs_f64(), Unit::Seconds);
    rows.median("winners", winners as f64, Unit::Orders);
    rows.median("losers", losers as f64, Unit::Orders);
    // Of orders that were not accepted nobody can win.
    let accepted = winners + losers + others;
    let missed = winners.abs_diff(options.winners().min(accepted));
    rows.worst("winners too many or too few", missed as f64, Unit::Orders);
    rows.worst("without an end", others as f64, Unit::Orders);
    let quantiles = outcome.latencies.quantiles();
    rows.median("accept: p50", quantiles.p50, Unit::Milliseconds);
    rows.median("accept: p99", quantiles.p99, Unit::Milliseconds);
    rows.worst("accept: failed", outcome.failed as f64, Unit::Orders);
    if let Some(why) = &outcome.failure {
        rows.tell(format!("accept: {why}"));
    }
    Ok(rows)
}
