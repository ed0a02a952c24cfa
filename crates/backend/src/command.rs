//! What operators can do with any service that owns data.

use clap::Subcommand;
use tradepost_messaging::parked::{self, ParkedCommand};
use tradepost_postgres::{Database, DatabaseConfig};

use crate::provision::{Provision, provision};

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum BackendCommand {
    /// Messages that could not be handled
    #[command(subcommand)]
    Parked(ParkedCommand),
    /// Make the database and the three roles that the configuration names
    Provision(Provision),
}

/// Runs one command for the service of that name.
///
/// # Errors
/// Fails with a sentence for the operator.
pub async fn run(
    command: BackendCommand,
    service: &'static str,
    config: &DatabaseConfig,
) -> anyhow::Result<()> {
    match command {
        BackendCommand::Parked(command) => {
            let database = Database::connect_lazy(config, service)?;
            parked::run(command, &database).await?;
            Ok(())
        }
        BackendCommand::Provision(command) => provision(&command, service, config).await,
    }
}
