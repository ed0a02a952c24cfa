//! What operators can do at the command line.

mod archive;

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use time::Date;
use time::macros::format_description;
use tradepost_backend::BackendCommand;
use tradepost_postgres::Database;
use tradepost_types::TenantId;

use crate::adapters::postgres::PgAnalytics;
use crate::application::audit;
use crate::bootstrap::NAME;
use crate::config::MetricsConfig;
use crate::ports::{ArchiveStore, BookStore, Books, Rebuilt};

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum MetricsCommand {
    /// Compare the raw events of some days of tenants with their rollups; fails at the first that
    /// do not agree
    Audit(Audit),
    /// Write the rollups of a day anew from its raw events
    RebuildDay(RebuildDay),
    /// Raw events that leave the database when they are old
    #[command(subcommand)]
    Archive(archive::Archive),
    /// Give an archived day its partition again
    Restore(archive::Restore),
    /// What every service with data can do
    #[command(flatten)]
    Backend(BackendCommand),
}

/// What is audited.
#[derive(Debug, Args)]
pub struct Audit {
    /// How many days of tenants, at random
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    sample: i64,
    /// Only days of this tenant
    #[arg(long)]
    tenant: Option<TenantId>,
    /// Only this day (YYYY-MM-DD, UTC)
    #[arg(long, value_parser = parse_day)]
    day: Option<Date>,
}

/// What is rebuilt.
#[derive(Debug, Args)]
pub struct RebuildDay {
    /// The day (YYYY-MM-DD, UTC)
    #[arg(value_parser = parse_day)]
    day: Date,
    /// Only of this tenant
    #[arg(long)]
    tenant: Option<TenantId>,
}

fn parse_day(text: &str) -> Result<Date, String> {
    Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map_err(|error| format!("a day is YYYY-MM-DD: {error}"))
}

/// Runs one command.
///
/// # Errors
/// Fails with a sentence for the operator.
pub async fn run(command: MetricsCommand, config: &MetricsConfig) -> anyhow::Result<()> {
    match command {
        MetricsCommand::Audit(command) => run_audit(&command, config).await,
        MetricsCommand::RebuildDay(command) => rebuild_day(&command, config).await,
        MetricsCommand::Archive(command) => archive::run(command, config).await,
        MetricsCommand::Restore(command) => archive::restore(&command, config).await,
        MetricsCommand::Backend(command) => {
            tradepost_backend::run(command, NAME, &config.database).await
        }
    }
}

fn store(config: &MetricsConfig) -> anyhow::Result<Arc<PgAnalytics>> {
    let database = Database::connect_lazy(&config.database, NAME)?;
    Ok(Arc::new(PgAnalytics::new(
        database,
        config.analytics.store(),
    )))
}

async fn run_audit(command: &Audit, config: &MetricsConfig) -> anyhow::Result<()> {
    let store = store(config)?;
    let books: Books = store.clone();
    let audited = audit(&books, command.sample, command.tenant, command.day).await;
    let audited = audited.context("the books cannot be read")?;
    if let Some(disagreement) = audited.disagreement {
        bail!("raw events and rollups do not agree: {disagreement}");
    }
    if audited.days == 0
        && let Some(day) = command.day
    {
        archive::refuse_if_archived(store.as_ref(), day).await?;
    }
    ensure!(audited.days > 0, "there is no such day to audit");
    say(&format!(
        "{} days of tenants with {} events agree with their rollups",
        audited.days, audited.events
    ));
    if audited.gone > 0 {
        say(&format!("{} left for the archive meanwhile", audited.gone));
    }
    let archived = store.summary().await?.archived();
    if archived > 0 {
        say(&format!("{archived} archived days are not looked at"));
    }
    Ok(())
}

async fn rebuild_day(command: &RebuildDay, config: &MetricsConfig) -> anyhow::Result<()> {
    let store = store(config)?;
    let rebuilt = store.rebuild(command.day, command.tenant).await;
    match rebuilt.context("nothing was changed")? {
        Rebuilt::Done { tenants, events } => {
            say(&format!("{tenants} tenants, from {events} events"));
            Ok(())
        }
        Rebuilt::NoRaw => {
            let archived = archive::refuse_if_archived(store.as_ref(), command.day).await;
            archived.context("nothing was changed")?;
            bail!(
                "the raw events of {} are not here: nothing was changed",
                command.day
            )
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer to the command")]
fn say(text: &str) {
    println!("{text}");
}
