//! What operators can do at the command line.

use anyhow::Context;
use clap::{Args, Subcommand};
use tradepost_backend::BackendCommand;
use tradepost_postgres::Database;
use tradepost_types::TenantId;

use crate::adapters::postgres::{epoch, locales};
use crate::bootstrap::NAME;
use crate::config::NotificationConfig;
use crate::domain::Locale;

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum NotificationCommand {
    /// Begin another history of sequences: after the database was restored from a backup, before
    /// anybody is told anything
    NewEpoch,
    /// Tell a tenant's people of orders in this language from now on
    Locale(ChooseLocale),
    /// What every service with data can do
    #[command(flatten)]
    Backend(BackendCommand),
}

/// Which language for whom.
#[derive(Debug, Args)]
pub struct ChooseLocale {
    /// Whose people
    tenant: TenantId,
    /// en, de or fr
    locale: Locale,
}

/// Runs one command.
///
/// # Errors
/// Fails with a sentence for the operator.
pub async fn run(command: NotificationCommand, config: &NotificationConfig) -> anyhow::Result<()> {
    match command {
        NotificationCommand::NewEpoch => new_epoch(config).await,
        NotificationCommand::Locale(chosen) => choose_locale(&chosen, config).await,
        NotificationCommand::Backend(command) => {
            tradepost_backend::run(command, NAME, &config.database).await
        }
    }
}

async fn new_epoch(config: &NotificationConfig) -> anyhow::Result<()> {
    let database = Database::connect_lazy(&config.database, NAME)?;
    let mut tx = database.system_tx().await?;
    let (before, now) = epoch::renew(tx.conn()).await?;
    let committed = tx.commit().await;
    committed.context("whether the epoch is another one is not known")?;
    say(&format!(
        "the epoch was {}, and is {}\n\
         each node sees it at its next look (live.look_ms) and closes its connections with 4410;\n\
         clients that come back with a position of the old epoch are told recovered: false, begin\n\
         where their streams stand, and read the history",
        before.0, now.0
    ));
    Ok(())
}

async fn choose_locale(chosen: &ChooseLocale, config: &NotificationConfig) -> anyhow::Result<()> {
    let database = Database::connect_lazy(&config.database, NAME)?;
    let ChooseLocale { tenant, locale } = chosen;
    locales::put(&database, *tenant, *locale)
        .await
        .context("the language was not changed")?;
    say(&format!("{tenant} is told in {}", locale.name()));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer to the command")]
fn say(text: &str) {
    println!("{text}");
}
