//! What operators do with the archive of raw events.

use clap::{Args, Subcommand};
use time::Date;
use tradepost_postgres::Database;

use super::{parse_day, say};
use crate::application::{Archiver, Progress};
use crate::bootstrap::{NAME, archive};
use crate::config::MetricsConfig;
use crate::domain::{ArchiveDay, DayState};
use crate::ports::{ArchiveError, ArchiveStore, Archives};

/// The archive of raw events.
#[derive(Debug, Subcommand)]
pub enum Archive {
    /// Archive all days that are due, or one day whatever its age
    Run(Run),
    /// Say where days stand
    Status(Status),
    /// Have a day that failed exported anew, or one whose loading is stuck stay in the archive
    Retry(Retry),
}

/// What is archived.
#[derive(Debug, Args)]
pub struct Run {
    /// The day (YYYY-MM-DD, UTC); without it, all that are due
    #[arg(value_parser = parse_day)]
    day: Option<Date>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// What is asked.
#[derive(Debug, Args)]
pub struct Status {
    /// The day (YYYY-MM-DD, UTC); without it, all that are on their way or failed
    #[arg(value_parser = parse_day)]
    day: Option<Date>,
}

/// What is tried again.
#[derive(Debug, Args)]
pub struct Retry {
    /// The day (YYYY-MM-DD, UTC)
    #[arg(value_parser = parse_day)]
    day: Date,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// What is restored.
#[derive(Debug, Args)]
pub struct Restore {
    /// The day (YYYY-MM-DD, UTC)
    #[arg(value_parser = parse_day)]
    day: Date,
    /// For how many days from today it stays; as `retention.restore_days` by default
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3_650))]
    days: Option<u16>,
    /// It stays until it is told to leave
    #[arg(long, conflicts_with = "days")]
    keep: bool,
}

pub(super) async fn run(command: Archive, config: &MetricsConfig) -> anyhow::Result<()> {
    match command {
        Archive::Run(command) => archive_days(&command, config).await,
        Archive::Status(command) => status(command.day, config).await,
        Archive::Retry(command) => retry(&command, config).await,
    }
}

/// Fails with what to do, if the raw events of a day are not here because it is archived.
pub(super) async fn refuse_if_archived(store: &dyn ArchiveStore, day: Date) -> anyhow::Result<()> {
    let found = store.find(day).await?;
    anyhow::ensure!(
        found.is_none_or(|found| matches!(found.state, DayState::Restored { .. })),
        "{day} is archived: `metrics restore {day}` brings its raw events back"
    );
    Ok(())
}

fn database(config: &MetricsConfig) -> anyhow::Result<Database> {
    Ok(Database::connect_lazy(&config.database, NAME)?)
}

fn tell(progress: &Progress) {
    say(&progress.to_string());
}

/// The archiver; where it is to take days away, only once the store takes files.
async fn archiver(config: &MetricsConfig, dry_run: bool) -> anyhow::Result<Archiver> {
    let database = database(config)?;
    match dry_run {
        true => archive::archiver(config, database),
        false => archive::archiver_at_hand(config, database).await,
    }
}

async fn archive_days(command: &Run, config: &MetricsConfig) -> anyhow::Result<()> {
    let archiver = archiver(config, command.dry_run).await?;
    let store: Archives = super::store(config)?;
    match command.day {
        Some(day) if command.dry_run => intend(&store, day, "planned").await?,
        Some(day) => {
            archiver.run_day(day, &tell).await?;
            return fail_unless_whole(&store, Some(day)).await;
        }
        None if command.dry_run => {
            let (due, open) = (archiver.due().await?, store.open_days().await?);
            for day in &due {
                say(&format!("{day} would be archived"));
            }
            open.iter().for_each(show);
            say(&format!(
                "{} days are due, {} are on their way",
                due.len(),
                open.len()
            ));
        }
        None => {
            let ran = archiver.once(&tell).await?;
            anyhow::ensure!(ran, "another archiver is at work");
            return fail_unless_whole(&store, None).await;
        }
    }
    Ok(())
}

/// A command whose days failed has failed.
async fn fail_unless_whole(store: &Archives, only: Option<Date>) -> anyhow::Result<()> {
    let open = store.open_days().await?;
    let failed = open.iter().filter(|found| {
        matches!(found.state, DayState::Failed { .. }) && only.is_none_or(|day| day == found.day)
    });
    let failed = failed.count();
    anyhow::ensure!(failed == 0, "{failed} days failed: see above");
    say("nothing is left to do");
    Ok(())
}

async fn retry(command: &Retry, config: &MetricsConfig) -> anyhow::Result<()> {
    let archiver = archiver(config, command.dry_run).await?;
    let store: Archives = super::store(config)?;
    if command.dry_run {
        return intend(&store, command.day, "tried again").await;
    }
    archiver.retry(command.day, &tell).await?;
    fail_unless_whole(&store, Some(command.day)).await
}

async fn intend(store: &Archives, day: Date, what: &str) -> anyhow::Result<()> {
    match store.find(day).await? {
        Some(found) => show(&found),
        None => say(&format!("{day} is not archived")),
    }
    say(&format!("{day} would be {what}"));
    Ok(())
}

async fn status(day: Option<Date>, config: &MetricsConfig) -> anyhow::Result<()> {
    let store: Archives = super::store(config)?;
    if let Some(day) = day {
        let found = store.find(day).await?;
        show(&found.ok_or(ArchiveError::NoSuchDay(day))?);
        return Ok(());
    }
    store.open_days().await?.iter().for_each(show);
    let summary = store.summary().await?;
    for (state, days) in &summary.days {
        say(&format!("{days} days are {state}"));
    }
    say(&format!(
        "{} rows in {} bytes of files",
        summary.rows, summary.bytes
    ));
    Ok(())
}

fn show(found: &ArchiveDay) {
    let (day, state, edition) = (found.day, &found.state, found.edition);
    match state {
        DayState::Failed { reason } => say(&Progress::Failed(day, reason.clone()).to_string()),
        DayState::Restored { until: Some(until) } => {
            say(&format!(
                "{day} is restored until after {until}, edition {edition}"
            ));
        }
        DayState::Planned
        | DayState::Detached
        | DayState::Exported
        | DayState::Verified
        | DayState::Dropped
        | DayState::Restoring { .. }
        | DayState::Restored { until: None } => {
            say(&format!("{day} is {state}, edition {edition}"));
        }
    }
}

pub(super) async fn restore(command: &Restore, config: &MetricsConfig) -> anyhow::Result<()> {
    let archiver = archive::archiver(config, database(config)?)?;
    let until = if command.keep {
        None
    } else {
        archiver.stay(command.days)
    };
    Ok(archiver.restore(command.day, until, &tell).await?)
}
