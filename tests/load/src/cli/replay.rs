//! `load replay`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use tokio_util::sync::CancellationToken;
use tradepost_load::gateway::RetryPolicy;
use tradepost_load::plan::{Plan, Ratio};
use tradepost_load::replay::{self, Options, Progress};

use super::progress::{self, Line};
use super::{BAD, INTERRUPTED, Target, interruptible, publish};

const CONCURRENCY: &str = "16";

#[derive(Args)]
pub(super) struct Arguments {
    /// The retailer's CSV, plain or gzipped.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Take the first N invoices of the file and nothing after them.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Orders on their way at once; with 1 the outcome is always the same.
    #[arg(long, value_name = "N", default_value = CONCURRENCY)]
    concurrency: NonZeroUsize,
    /// The share of the demand that is put in stock, an exact decimal such as 0.9.
    #[arg(long, value_name = "R", default_value = "1")]
    stock_ratio: Ratio,
    /// Also write the figures to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let gateway = arguments.target.gateway(RetryPolicy::default())?;
    let name = arguments.file.display().to_string();
    let bytes = std::fs::read(&arguments.file).with_context(|| name.clone())?;
    let plan = Plan::from_bytes(&bytes, arguments.limit, arguments.stock_ratio)
        .with_context(|| name.clone())?;
    drop(bytes);
    progress::say(&format!(
        "{name}: {} invoices, {} orders of {} lines, {} items, stock ratio {}; replay {}",
        plan.invoices_read,
        plan.orders.len(),
        plan.lines(),
        plan.items.len(),
        plan.ratio,
        plan.digest(),
    ));
    let options = Options {
        concurrency: arguments.concurrency,
        ..Options::default()
    };
    let stop = CancellationToken::new();
    let mut line = Line::new();
    let work = replay::run(&gateway, &plan, &options, &stop, |progress| {
        show(&mut line, progress);
    });
    let report = interruptible(&stop, work).await?;
    for failure in &report.failures {
        progress::say(failure);
    }
    publish(&report, arguments.json.as_deref())?;
    Ok(if stop.is_cancelled() {
        ExitCode::from(INTERRUPTED)
    } else if report.failed > 0 {
        ExitCode::from(BAD)
    } else {
        ExitCode::SUCCESS
    })
}

fn show(line: &mut Line, progress: Progress<'_>) {
    match progress {
        Progress::Catalogue(done, all) => {
            line.show((done == all).into(), || {
                format!("catalogue: {done} of {all} items")
            });
        }
        Progress::Orders(tally, all) => {
            let last = usize::try_from(tally.sent).is_ok_and(|sent| sent == all);
            line.show(last.into(), || {
                format!(
                    "orders: {} of {all}, {} confirmed, {} rejected, {} failed",
                    tally.sent,
                    tally.confirmed.len(),
                    tally.rejected_total(),
                    tally.failed
                )
            });
        }
    }
}
