//! The simulator as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tradepost_provider_sim::{Config, Simulator, WebhookTarget};

/// A card-provider simulator that speaks a part of Stripe's API. See its README for the cards, the
/// faults and the log.
#[derive(Parser)]
#[command(name = "provider-sim", version)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:12111")]
    listen: SocketAddr,
    /// The durable log; the state is rebuilt from it. Without it everything is forgotten at exit.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The only bearer key that is let in.
    #[arg(long, default_value = "sk_test_sim")]
    secret_key: String,
    /// Where webhooks are sent.
    #[arg(long, requires = "webhook_secret")]
    webhook_url: Option<String>,
    /// The secret webhooks are signed with.
    #[arg(long)]
    webhook_secret: Option<String>,
    /// How long slow captures and refunds take to end.
    #[arg(long, default_value_t = 250)]
    settle_after_ms: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let webhook = arguments.webhook_url.zip(arguments.webhook_secret);
    let running = Simulator::start(Config {
        listen: arguments.listen,
        log: arguments.log,
        secret_key: arguments.secret_key,
        webhook: webhook.map(|(url, secret)| WebhookTarget { url, secret }),
        settle_after: Duration::from_millis(arguments.settle_after_ms),
        ..Config::default()
    })
    .await
    .context("the simulator does not start")?;
    announce(&running.url());
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminated.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    running.stop().await;
    Ok(())
}

/// The one line that scripts wait for.
#[expect(
    clippy::print_stdout,
    reason = "a command line tool says where it listens"
)]
fn announce(url: &str) {
    println!("provider-sim listens on {url}");
}
