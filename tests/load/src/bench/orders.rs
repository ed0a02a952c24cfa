//! Orders: one at a time, from placed to CONFIRMED at a constant rate, and as fast as they are
//! accepted.

use std::time::Duration;

use super::BenchError;
use super::open_loop::{self, Outcome, Pace};
use super::report::{Rows, Unit};
use super::shop::Shop;
use crate::gateway::{CallError, Gateway, Verdict, Wait};
use crate::samples::{Samples, millis};

/// Items that the orders are spread over.
const ITEMS: u64 = 100;
const UNITS_OF_AN_ORDER: i64 = 3;
const WAIT: Wait = Wait::Seconds(60);
const WARM_UP: u64 = 10;

/// What load.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Orders sent one after the other to an idle shop; 0 leaves the part out.
    pub idle_orders: u64,
    /// The load from placed to CONFIRMED.
    pub end_to_end: Option<Pace>,
    /// The load of acceptance.
    pub accept: Option<Pace>,
}

/// One run.
///
/// # Errors
/// [`BenchError`]. Orders that fail are counted instead.
pub async fn run(gateway: &Gateway, options: &Options) -> Result<Rows, BenchError> {
    let shop = Shop::new(gateway);
    let paced = [options.end_to_end, options.accept];
    let paced: u64 = paced.into_iter().flatten().map(Pace::total).sum();
    let orders = i64::try_from(paced + options.idle_orders + WARM_UP).unwrap_or(i64::MAX);
    for index in 0..ITEMS {
        // Enough even if all orders met at one item.
        shop.stock(&sku(index), orders.saturating_mul(UNITS_OF_AN_ORDER))
            .await?;
    }
    let mut rows = Rows::default();
    if options.idle_orders > 0 {
        idle(&shop, options.idle_orders, &mut rows).await?;
    }
    if let Some(pace) = options.end_to_end {
        end_to_end(&shop, pace, &mut rows).await?;
    }
    if let Some(pace) = options.accept {
        accept(&shop, pace, &mut rows).await?;
    }
    Ok(rows)
}

fn sku(index: u64) -> String {
    format!("BENCH-{:03}", index % ITEMS)
}

/// Places order number `index` of a part and says whether it did what the part is for.
async fn place(shop: &Shop, part: &str, index: u64, wait: Wait) -> Result<(), CallError> {
    let customer = format!("{}-{part}", shop.run);
    let (one, two) = (sku(index), sku(index * 7 + 1));
    let body = shop.order(&customer, &[(&one, 1), (&two, UNITS_OF_AN_ORDER - 1)])?;
    let key = format!("{customer}-{index}");
    let placed = shop.measured.place(&key, body, wait).await?;
    let verdict = placed.order.state.verdict();
    if wait == Wait::No || verdict == Verdict::Confirmed {
        return Ok(());
    }
    let (id, state) = (placed.order.order_id, placed.order.state);
    Err(CallError::Misunderstood(format!("{id} is {state:?}")))
}

async fn idle(shop: &Shop, orders: u64, rows: &mut Rows) -> Result<(), BenchError> {
    let (mut samples, mut failed) = (Samples::default(), 0.0);
    for index in 0..WARM_UP + orders {
        let sent = tokio::time::Instant::now();
        match place(shop, "idle", index, WAIT).await {
            Ok(()) if index < WARM_UP => {}
            Ok(()) => samples.push(sent.elapsed()),
            Err(_counted) => failed += 1.0,
        }
    }
    let quantiles = samples.quantiles();
    rows.median(
        "idle: POST with wait, p50",
        quantiles.p50,
        Unit::Milliseconds,
    );
    rows.median(
        "idle: POST with wait, p99",
        quantiles.p99,
        Unit::Milliseconds,
    );
    rows.worst("idle: failed", failed, Unit::Orders);
    Ok(())
}

async fn end_to_end(shop: &Shop, pace: Pace, rows: &mut Rows) -> Result<(), BenchError> {
    let outcome = open_loop::run(pace, |index| place(shop, "confirm", index, WAIT)).await;
    shop.drained(&format!("{}-confirm", shop.run)).await?;
    let rate = outcome.rate_in(pace);
    rows.median("end to end: confirmed", rate, Unit::OrdersPerSecond);
    latencies(rows, "end to end", &outcome);
    rows.median(
        "end to end: backlog after the end",
        outcome.drain.as_secs_f64(),
        Unit::Seconds,
    );
    Ok(())
}

async fn accept(shop: &Shop, pace: Pace, rows: &mut Rows) -> Result<(), BenchError> {
    let outcome = open_loop::run(pace, |index| place(shop, "accept", index, Wait::No)).await;
    let drain: Duration = shop.drained(&format!("{}-accept", shop.run)).await?;
    rows.median("accept: accepted", outcome.rate(), Unit::OrdersPerSecond);
    latencies(rows, "accept", &outcome);
    rows.median(
        "accept: backlog after the end",
        drain.as_secs_f64(),
        Unit::Seconds,
    );
    Ok(())
}

fn latencies(rows: &mut Rows, part: &str, outcome: &Outcome) {
    let quantiles = outcome.latencies.quantiles();
    rows.median(&format!("{part}: p50"), quantiles.p50, Unit::Milliseconds);
    rows.median(&format!("{part}: p99"), quantiles.p99, Unit::Milliseconds);
    let late = millis(outcome.late_max);
    rows.median(
        &format!("{part}: sent late at most"),
        late,
        Unit::Milliseconds,
    );
    rows.worst(
        &format!("{part}: failed"),
        outcome.failed as f64,
        Unit::Orders,
    );
    if let Some(why) = &outcome.failure {
        rows.tell(format!("{part}: {why}"));
    }
}
