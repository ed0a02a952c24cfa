//! The command line. What a run found goes to standard output, how it goes to standard error.

mod analytics;
mod bench;
mod edge;
mod live;
mod notifications;
mod progress;
mod replay;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tradepost_load::gateway::{Gateway, RetryPolicy};

/// Something did not come out well.
const BAD: u8 = 1;
/// What a shell says of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// Load for a running Tradepost.
#[derive(Parser)]
#[command(name = "load", version, args_override_self = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send a retailer's order history, each invoice as one order.
    Replay(replay::Arguments),
    /// Measure, and print a table.
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// Where the shop is.
#[derive(Args)]
struct Target {
    /// The gateway's base URL.
    #[arg(long, env = "TRADEPOST_GATEWAY_URL", value_name = "URL")]
    gateway_url: String,
    /// An API key of the tenant that the load is for.
    #[arg(
        long,
        env = "TRADEPOST_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    api_key: Option<SecretString>,
}

impl Arguments {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Replay(arguments) => replay::run(arguments).await,
            Command::Bench(bench) => bench::run(bench).await,
        }
    }
}

impl Target {
    fn gateway(&self, retry: RetryPolicy) -> anyhow::Result<Gateway> {
        let gateway = Gateway::new(&self.gateway_url, retry)?;
        match &self.api_key {
            Some(key) => Ok(gateway.with_key(key)?),
            None => Ok(gateway),
        }
    }
}

/// Prints a report as JSON, and writes it to a file if one is named.
fn publish(report: &impl Serialize, file: Option<&Path>) -> anyhow::Result<()> {
    let mut json = serde_json::to_string_pretty(report)?;
    json.push('\n');
    progress::print(&json);
    if let Some(file) = file {
        write(file, &json)?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    std::fs::write(file, text).with_context(|| file.display().to_string())
}

/// Does the work; the first Ctrl-C cancels `stop` and lets it come to an end, the second does not
/// wait for that.
async fn interruptible<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> T {
    let interrupts = async {
        while tokio::signal::ctrl_c().await.is_ok() {
            if stop.is_cancelled() {
                std::process::exit(INTERRUPTED.into());
            }
            stop.cancel();
            progress::say("stopping; orders on their way are followed to their end");
        }
        std::future::pending().await
    };
    tokio::select! {
        done = work => done,
        never = interrupts => never,
    }
}
