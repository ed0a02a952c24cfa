//! What operators can do with the gateway besides serving.

pub mod audit;

use clap::Subcommand;
use tradepost_backend::{Provision, provision};

use crate::config::GatewayConfig;
use audit::AuditCommand;

/// Commands for operators.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// Export and verify the audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Make the database and the three roles that the configuration names
    Provision(Provision),
}

/// Runs one command.
///
/// # Errors
/// Fails with a sentence for the operator.
pub async fn run(command: GatewayCommand, config: GatewayConfig) -> anyhow::Result<()> {
    match command {
        GatewayCommand::Audit(command) => audit::run(command, &config).await,
        GatewayCommand::Provision(command) => {
            provision(&command, "gateway", &config.database).await
        }
    }
}
