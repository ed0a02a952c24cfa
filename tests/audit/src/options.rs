//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use tradepost_audit::{DatabaseName, Targets};

/// Checks every invariant of a Tradepost system from outside. Exit code 0: all hold; 1: at least
/// one has offenders; 2: something could not be checked.
#[derive(Debug, Parser)]
#[command(name = "audit", version)]
pub(crate) struct Options {
    /// The cluster of the services' databases, as a superuser.
    #[arg(long, env = "POSTGRES_URL", value_name = "URL", hide_env_values = true)]
    postgres_url: String,
    /// The log of the card provider: the witness for money.
    #[arg(long, env = "TRADEPOST_PROVIDER_LOG", value_name = "FILE")]
    provider_log: PathBuf,
    /// How long the system may take to come to rest.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u32,
    /// How late a timer or an expiry may be.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    grace: u32,
    /// How many parked messages there are, if exactly so many are known to be poison.
    #[arg(long, value_name = "N", default_value_t = 0)]
    expect_parked: u64,
    /// A database that is not named like its service.
    #[arg(long = "database", value_name = "SERVICE=NAME")]
    databases: Vec<DatabaseName>,
    /// Write what was found as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    pub(crate) fn targets(&self) -> Targets {
        Targets {
            databases: self.databases.clone(),
            wait: Duration::from_secs(self.wait.into()),
            grace: Duration::from_secs(self.grace.into()),
            parked_expected: self.expect_parked,
            ..Targets::new(&self.postgres_url, &self.provider_log)
        }
    }
}
