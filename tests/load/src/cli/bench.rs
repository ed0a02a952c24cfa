//! `load bench`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use tradepost_load::bench::{self, Pace, Report, Rows, Unit, hot_sku, orders};
use tradepost_load::gateway::{Gateway, RetryPolicy};

use super::progress;
use super::{BAD, Target, write};

#[derive(Subcommand)]
pub(super) enum Bench {
    /// Acceptance, placed to CONFIRMED, and one order on an idle shop.
    Orders(Orders),
    /// One item, more buyers than units.
    HotSku(HotSku),
    /// The gateway alone, before a stub of the order service.
    Gateway(super::edge::Arguments),
    /// Live counting: the engine, and the metrics service over gRPC.
    Metrics(super::live::Arguments),
    /// Tenant analytics: the metrics service over gRPC and PostgreSQL.
    Analytics(super::analytics::Arguments),
    /// Live notifications: clients of the notification service, alone and on two nodes.
    Notifications(super::notifications::Arguments),
    /// Clients of that bench in a process of their own.
    #[command(hide = true)]
    NotificationsHerd(super::notifications::HerdArguments),
}

#[derive(Args)]
struct Common {
    /// The whole bench so many times; the medians count.
    #[arg(long, value_name = "N", default_value = "3")]
    runs: NonZeroU32,
    /// The folder of the services' pid files, to measure their memory after the runs.
    #[arg(long, value_name = "DIR")]
    pids: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// What every bench says, and where.
#[derive(Args)]
pub(super) struct Output {
    /// Write the figures to a file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The commit that is measured.
    #[arg(long, default_value = "unknown")]
    pub(super) commit: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Idle,
    EndToEnd,
    Accept,
}

#[derive(Args)]
pub(super) struct Orders {
    /// Only these parts.
    #[arg(long, value_delimiter = ',', default_value = "idle,end-to-end,accept")]
    parts: Vec<Part>,
    /// Idle: orders, one after the other.
    #[arg(long, value_name = "N", default_value_t = 200)]
    idle_orders: u64,
    /// End to end: orders a second.
    #[arg(long, value_name = "N", default_value = "300")]
    rate: NonZeroU32,
    /// End to end: for so long.
    #[arg(long, value_name = "S", default_value = "60")]
    seconds: NonZeroU32,
    /// End to end: orders on their way at once.
    #[arg(long, value_name = "N", default_value = "512")]
    connections: NonZeroUsize,
    /// Accept: orders a second.
    #[arg(long, value_name = "N", default_value = "1000")]
    accept_rate: NonZeroU32,
    /// Accept: for so long.
    #[arg(long, value_name = "S", default_value = "20")]
    accept_seconds: NonZeroU32,
    /// Accept: orders on their way at once.
    #[arg(long, value_name = "N", default_value = "128")]
    accept_connections: NonZeroUsize,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
pub(super) struct HotSku {
    /// Orders a second.
    #[arg(long, value_name = "N", default_value = "600")]
    rate: NonZeroU32,
    /// For so long.
    #[arg(long, value_name = "S", default_value = "20")]
    seconds: NonZeroU32,
    /// Orders on their way at once.
    #[arg(long, value_name = "N", default_value = "128")]
    connections: NonZeroUsize,
    /// Units of every order.
    #[arg(long, value_name = "N", default_value = "10")]
    quantity: NonZeroU32,
    /// Percent of the demand that is in stock.
    #[arg(long, value_name = "P", default_value = "80")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..100))]
    stock_percent: u32,
    #[command(flatten)]
    common: Common,
}

pub(super) async fn run(bench: Bench) -> anyhow::Result<ExitCode> {
    match bench {
        Bench::Orders(orders) => run_orders(orders).await,
        Bench::HotSku(hot_sku) => run_hot_sku(hot_sku).await,
        Bench::Gateway(gateway) => super::edge::run(gateway).await,
        Bench::Metrics(metrics) => super::live::run(metrics).await,
        Bench::Analytics(analytics) => super::analytics::run(analytics).await,
        Bench::Notifications(told) => super::notifications::run(told).await,
        Bench::NotificationsHerd(herd) => super::notifications::herd(herd).await,
    }
}

async fn run_orders(arguments: Orders) -> anyhow::Result<ExitCode> {
    let has = |part| arguments.parts.contains(&part);
    let end_to_end = Pace {
        rate: arguments.rate,
        seconds: arguments.seconds,
        connections: arguments.connections,
    };
    let accept = Pace {
        rate: arguments.accept_rate,
        seconds: arguments.accept_seconds,
        connections: arguments.accept_connections,
    };
    let options = orders::Options {
        idle_orders: if has(Part::Idle) {
            arguments.idle_orders
        } else {
            0
        },
        end_to_end: has(Part::EndToEnd).then_some(end_to_end),
        accept: has(Part::Accept).then_some(accept),
    };
    let load = format!(
        "idle: {} orders; end to end: {}; accept: {}",
        options.idle_orders,
        options.end_to_end.map_or("left out".to_owned(), told),
        options.accept.map_or("left out".to_owned(), told),
    );
    let gateway = arguments.common.target.gateway(RetryPolicy::default())?;
    let mut runs = Vec::new();
    for number in 1..=arguments.common.runs.get() {
        announce(number, &arguments.common);
        runs.push(orders::run(&gateway, &options).await?);
    }
    finish_shop("orders", load, runs, &arguments.common)
}

async fn run_hot_sku(arguments: HotSku) -> anyhow::Result<ExitCode> {
    let options = hot_sku::Options {
        pace: Pace {
            rate: arguments.rate,
            seconds: arguments.seconds,
            connections: arguments.connections,
        },
        quantity: arguments.quantity.get(),
        stock_percent: arguments.stock_percent,
    };
    let load = format!(
        "{}, {} units each, stock for {} of them",
        told(options.pace),
        options.quantity,
        options.winners(),
    );
    let gateway: Gateway = arguments.common.target.gateway(RetryPolicy::default())?;
    let mut runs = Vec::new();
    for number in 1..=arguments.common.runs.get() {
        announce(number, &arguments.common);
        runs.push(hot_sku::run(&gateway, &options).await?);
    }
    finish_shop("hot-sku", load, runs, &arguments.common)
}

fn told(pace: Pace) -> String {
    let (rate, seconds, connections) = (pace.rate, pace.seconds, pace.connections);
    format!("{rate} orders/s for {seconds} s over up to {connections} connections")
}

fn announce(number: u32, common: &Common) {
    progress::say(&format!("run {number} of {}", common.runs));
}

fn finish_shop(
    bench: &str,
    load: String,
    mut runs: Vec<Rows>,
    common: &Common,
) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &common.pids {
        runs.push(memory(folder)?);
    }
    let report = Report::new(bench, &common.output.commit, load, &runs);
    finish(report, &common.output)
}

/// Tells what was found.
pub(super) fn finish(report: Report, output: &Output) -> anyhow::Result<ExitCode> {
    for fault in &report.faults {
        progress::say(fault);
    }
    progress::print(&report.table());
    if let Some(file) = &output.json {
        let mut json = serde_json::to_string_pretty(&report)?;
        json.push('\n');
        write(file, &json)?;
    }
    Ok(if report.clean {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(BAD)
    })
}

fn memory(folder: &Path) -> anyhow::Result<Rows> {
    let services = bench::resident(folder).with_context(|| folder.display().to_string())?;
    let mut rows = Rows::default();
    let mut total = 0.0;
    for (name, megabytes) in services {
        let megabytes = megabytes as f64;
        total += megabytes;
        rows.median(&format!("memory: {name}"), megabytes, Unit::Megabytes);
    }
    rows.median("memory: all services", total, Unit::Megabytes);
    Ok(rows)
}
