//! `load bench gateway`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tradepost_load::bench::Report;
use tradepost_load::bench::edge::{self, Issuer, Options};
use tradepost_token::SigningKey;
use tradepost_types::TenantId;

use super::bench::{Output, finish};
use super::progress;

/// `scripts/bench gateway` fills them in.
#[derive(Args)]
pub(super) struct Arguments {
    /// The gateway's REST port.
    #[arg(long, value_name = "ADDR")]
    gateway: SocketAddr,
    /// The gateway's process.
    #[arg(long, value_name = "PID")]
    pid: u32,
    /// Where the stub of the services listens.
    #[arg(long, value_name = "ADDR")]
    stub: SocketAddr,
    /// A private key (PKCS#8, PEM) that the gateway knows for access tokens. The first one signs
    /// what is measured; new tokens are measured with each.
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// The issuer that the gateway believes.
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// A tenant that the gateway knows.
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// Connections, each with one request on its way.
    #[arg(long, value_name = "N", default_value_t = 32)]
    connections: usize,
    /// How long each part lasts.
    #[arg(long, value_name = "S", default_value = "10")]
    seconds: NonZeroU32,
    /// Users, each with a token.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    users: usize,
    /// The process of Redis: it is frozen for one part.
    #[arg(long, value_name = "PID")]
    redis: Option<u32>,
    /// Tokens for the part in which every token is new.
    #[arg(long, value_name = "N", default_value_t = 40_000)]
    fresh_tokens: usize,
    /// Requests a second for the parts at a constant rate; half of what was reached, if not given.
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU32>,
    /// The whole bench so many times; the medians count.
    #[arg(long, value_name = "N", default_value = "3")]
    runs: NonZeroU32,
    #[command(flatten)]
    output: Output,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let keys = arguments.key.iter().map(|path| read_key(path));
    let keys = keys.collect::<anyhow::Result<Vec<_>>>()?;
    let algorithm = keys.first().map_or("", |key| key.algorithm().as_str());
    let issuer = Issuer::new(
        keys,
        arguments.issuer.clone(),
        arguments.tenant,
        arguments.users,
    );
    let options = Options {
        gateway: arguments.gateway,
        pid: arguments.pid,
        connections: arguments.connections,
        seconds: arguments.seconds,
        users: arguments.users,
        redis: arguments.redis,
        fresh_tokens: arguments.fresh_tokens,
        rate: arguments.rate,
    };
    let listener = TcpListener::bind(arguments.stub).await;
    let listener = listener.with_context(|| format!("the stub at {}", arguments.stub))?;
    let measured = async {
        let mut runs = Vec::new();
        for number in 1..=arguments.runs.get() {
            progress::say(&format!("run {number} of {}", arguments.runs));
            runs.push(edge::run(&issuer, &options).await?);
        }
        for (number, rows) in runs.iter_mut().enumerate() {
            progress::say(&format!("new tokens, {} of {}", number + 1, arguments.runs));
            edge::run_new(&issuer, &options, rows).await?;
        }
        anyhow::Ok(runs)
    };
    let runs = tokio::select! {
        runs = measured => runs?,
        ended = edge::serve_stub(listener) => {
            ended.context("the stub of the order service")?;
            anyhow::bail!("the stub of the order service ended");
        }
    };
    let load = format!(
        "{algorithm}, {} users over {} connections, {} s a part",
        options.users, options.connections, options.seconds
    );
    finish(
        Report::new("gateway", &arguments.output.commit, load, &runs),
        &arguments.output,
    )
}

fn read_key(path: &Path) -> anyhow::Result<SigningKey> {
    let pem = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let key = SigningKey::from_pkcs8_pem(&SecretString::from(pem));
    key.with_context(|| path.display().to_string())
}
