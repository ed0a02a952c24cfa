//! `load bench analytics`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tradepost_load::bench::analytics::{Archive, Cached, Durable, History, Progress, Reports};
use tradepost_load::bench::{Report, Rows};

use super::bench::{Output, finish};
use super::live::Service;
use super::progress::{self, Last, Line};

/// How often it is told how far the history is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Durable,
    History,
    Report,
    Archive,
}

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    service: Service,
    /// A superuser's URL of the service's database: it counts from outside.
    #[arg(
        long,
        value_name = "URL",
        env = "TRADEPOST_BENCH_ADMIN_URL",
        hide_env_values = true
    )]
    admin_url: String,
    /// Only these parts; report and archive need the history, stored by this run or by one before
    /// with the same size.
    #[arg(long, value_delimiter = ',', default_value = "durable,history,report")]
    parts: Vec<Part>,
    /// Events a second of the constant rate.
    #[arg(long, value_name = "N", default_value = "50000")]
    rate: NonZeroU32,
    /// How long the constant rate lasts.
    #[arg(long, value_name = "S", default_value = "60")]
    seconds: NonZeroU32,
    /// How long as many events come as there can be.
    #[arg(long, value_name = "S", default_value = "20")]
    flood_seconds: NonZeroU32,
    /// Events of a batch that is stored as it happens.
    #[arg(long, value_name = "N", default_value_t = 500)]
    batch: usize,
    /// Events of the history.
    #[arg(long, value_name = "N", default_value_t = 100_000_000)]
    size: u64,
    /// Days of the history.
    #[arg(long, value_name = "N", default_value = "730")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=800))]
    days: u32,
    /// Tenants, by Zipf's law.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    tenants: usize,
    /// Event types of each tenant.
    #[arg(long, value_name = "N", default_value_t = 5)]
    types: usize,
    /// Reports that are asked for.
    #[arg(long, value_name = "N", default_value_t = 200)]
    reports: u32,
    /// The service has a cache: the same reports are asked for again.
    #[arg(long)]
    cached: bool,
    /// The oldest days that are archived.
    #[arg(long, value_name = "N", default_value_t = 73)]
    archive_days: u32,
    /// Where the archive goes.
    #[arg(long, value_name = "DIR")]
    archive_dir: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

impl Arguments {
    fn history(&self) -> History {
        History {
            events: self.size,
            days: NonZeroU32::new(self.days).unwrap_or(NonZeroU32::MIN),
            tenants: self.tenants,
            types: self.types,
        }
    }

    /// What the service must be told besides: partitions for the whole history, which stay, and to
    /// take more of it into one transaction, since nobody waits for a receipt.
    fn extra(&self) -> Vec<(String, String)> {
        let settings = [
            ("ANALYTICS__DAYS_BEHIND", self.days + 2),
            ("ANALYTICS__HISTORY_DAYS", self.days + 70),
            ("ANALYTICS__STREAM_BATCHES_MAX", 500),
            ("ANALYTICS__GROUP_EVENTS_MAX", 60_000),
            ("ANALYTICS__QUEUE_EVENTS_MAX", 2_000_000),
            ("ANALYTICS__TENANT_EVENTS_MAX", 1_000_000),
            ("RETENTION__KEEP_DAYS", self.days + 70),
        ];
        let variable =
            |(name, value): (&str, u32)| (format!("TRADEPOST_METRICS__{name}"), value.to_string());
        settings.into_iter().map(variable).collect()
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut runs = Vec::new();
    let has = |part| arguments.parts.contains(&part);
    if has(Part::History) {
        arguments.history().check_room(&arguments.admin_url).await?;
    }
    if has(Part::Durable) {
        runs.push(durable(&arguments).await?);
    }
    if has(Part::History) || has(Part::Report) {
        runs.push(history(&arguments).await?);
    }
    if has(Part::Archive) {
        runs.push(archive(&arguments).await?);
    }
    let load = format!(
        "{} tenants of {} event types; {} events over {} days; {} events/s for {} s",
        arguments.tenants,
        arguments.types,
        arguments.size,
        arguments.days,
        arguments.rate,
        arguments.seconds,
    );
    let report = Report::new("analytics", &arguments.output.commit, load, &runs);
    finish(report, &arguments.output)
}

async fn durable(arguments: &Arguments) -> anyhow::Result<Rows> {
    let durable = Durable {
        rate: arguments.rate,
        seconds: arguments.seconds,
        flood_seconds: arguments.flood_seconds,
        batch: arguments.batch,
        tenants: arguments.tenants,
        types: arguments.types,
    };
    progress::say(&format!(
        "{} events/s for {} s, then as many as there can be for {} s",
        durable.rate, durable.seconds, durable.flood_seconds
    ));
    let server = arguments.service.start_fresh(&[]).await?;
    let target = arguments.service.target(&server)?;
    let rows = durable.run(&target, &arguments.admin_url).await?;
    server.stop().await?;
    Ok(rows)
}

/// The history, unless it is there already, and what is asked of it.
async fn history(arguments: &Arguments) -> anyhow::Result<Rows> {
    let (history, mut rows) = (arguments.history(), Rows::default());
    let server = arguments.service.start_fresh(&arguments.extra()).await?;
    let target = arguments.service.target(&server)?;
    if arguments.parts.contains(&Part::History) {
        let told = Progress::default();
        let storing = history.store(&target, &arguments.admin_url, &told);
        rows.extend(tokio::select! {
            stored = storing => stored?,
            never = follow(&told, history.events) => never,
        });
    }
    if arguments.parts.contains(&Part::Report) {
        progress::say("reports, and the same from the raw events");
        let reports = Reports {
            reports: arguments.reports,
            cached: if arguments.cached {
                Cached::Yes
            } else {
                Cached::No
            },
        };
        rows.extend(reports.run(&target, &history, &arguments.admin_url).await?);
    }
    server.stop().await?;
    Ok(rows)
}

/// Says how far it is, without end.
async fn follow(told: &Progress, events: u64) -> Rows {
    let mut line = Line::new();
    loop {
        tokio::time::sleep(TOLD_EVERY).await;
        line.show(Last::No, || {
            format!("history: {} of about {events} events", told.events())
        });
    }
}

/// The oldest days into files.
async fn archive(arguments: &Arguments) -> anyhow::Result<Rows> {
    let folder = arguments.archive_dir.clone();
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("tradepost-bench-archive"));
    let kept = arguments.days.saturating_sub(arguments.archive_days);
    progress::say(&format!(
        "the oldest {} days into files",
        arguments.archive_days
    ));
    let archive = Archive {
        program: arguments.service.program().to_owned(),
        environment: arguments.service.archiving(&folder, kept)?,
        arguments: vec!["archive".to_owned(), "run".to_owned()],
        folder: folder.clone(),
    };
    let rows = archive
        .run(&arguments.admin_url, arguments.service.log())
        .await;
    std::fs::remove_dir_all(&folder)?;
    Ok(rows?)
}
