//! What operators can do at the command line.

use clap::Subcommand;
use tradepost_backend::Provision;

use crate::bootstrap::NAME;
use crate::config::MetricsConfig;

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum MetricsCommand {
    /// Make the database and the three roles that the configuration names
    Provision(Provision),
}

/// Runs one command.
///
/// # Errors
/// Fails with a sentence for the operator.
pub async fn run(command: MetricsCommand, config: &MetricsConfig) -> anyhow::Result<()> {
    match command {
        MetricsCommand::Provision(command) => {
            tradepost_backend::provision(&command, NAME, &config.database).await
        }
    }
}
