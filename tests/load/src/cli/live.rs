//! `load bench metrics`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tradepost_load::bench::live::{self, Options, Steady};
use tradepost_load::bench::{Calls, Report, Rows, Server, Target, TargetError};

use super::bench::{Output, finish};
use super::progress;

/// Where the service is, and how it is called. The scripts fill it in.
#[derive(Args)]
pub(super) struct Service {
    /// The service's program.
    #[arg(long, value_name = "FILE")]
    program: PathBuf,
    /// Its environment, lines of NAME=value.
    #[arg(long, value_name = "FILE")]
    environment: PathBuf,
    /// Where its output goes.
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// A private key (PKCS#8, PEM) that its trust file has.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Whose key it is.
    #[arg(long, value_name = "NAME", default_value = "operator/local")]
    issuer: String,
    /// Connections of the load.
    #[arg(long, value_name = "N", default_value_t = 4)]
    connections: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Engine,
    Streams,
    Processor,
    Unary,
    Sustained,
    Steady,
}

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    service: Service,
    /// Only these parts.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "engine,streams,processor,unary,steady"
    )]
    parts: Vec<Part>,
    /// How long each part of a run lasts.
    #[arg(long, value_name = "S", default_value = "6")]
    seconds: NonZeroU32,
    /// How long the steady load lasts, once after all runs.
    #[arg(long, value_name = "S", default_value = "60")]
    steady_seconds: NonZeroU32,
    /// Events a second of the steady load, and where the processor time is measured.
    #[arg(long, value_name = "N", default_value = "100000")]
    rate: NonZeroU32,
    /// Tenants, by Zipf's law.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    tenants: usize,
    /// Event types of each tenant.
    #[arg(long, value_name = "N", default_value_t = 10)]
    types: usize,
    /// Events of a readable batch.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    batch: usize,
    /// Events of a packed batch.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    packed: usize,
    /// Events of a batch of the steady load.
    #[arg(long, value_name = "N", default_value_t = 100)]
    steady_batch: usize,
    /// Single events under way at once.
    #[arg(long, value_name = "N", default_value_t = 64)]
    under_way: usize,
    /// The runs; the medians count.
    #[arg(long, value_name = "N", default_value = "3")]
    runs: NonZeroU32,
    #[command(flatten)]
    output: Output,
}

impl Service {
    /// Starts it, without what it had counted before.
    pub(super) async fn start_fresh(
        &self,
        extra: &[(String, String)],
    ) -> Result<Server, TargetError> {
        self.forget()?;
        self.start(extra).await
    }

    /// Removes what it had counted.
    fn forget(&self) -> Result<(), TargetError> {
        let text = std::fs::read_to_string(&self.environment)?;
        let named = text
            .lines()
            .find_map(|line| line.split_once("__SNAPSHOT_PATH="));
        if let Some((_, path)) = named {
            // There is none before the first start.
            let _none = std::fs::remove_file(Path::new(path.trim_matches('\'')));
        }
        Ok(())
    }

    pub(super) async fn start(&self, extra: &[(String, String)]) -> Result<Server, TargetError> {
        Server::start(&self.program, &self.environment, extra, &self.log).await
    }

    /// The same on one core.
    async fn start_fresh_on(
        &self,
        core: usize,
        extra: &[(String, String)],
    ) -> Result<Server, TargetError> {
        self.forget()?;
        self.start_on(core, extra).await
    }

    /// Starts it on one core.
    pub(super) async fn start_on(
        &self,
        core: usize,
        extra: &[(String, String)],
    ) -> Result<Server, TargetError> {
        Server::start_on(core, &self.program, &self.environment, extra, &self.log).await
    }

    /// The key to sign with, and whose it is.
    pub(super) fn key(&self) -> (&Path, &str) {
        (&self.key, &self.issuer)
    }

    /// An address of its environment.
    pub(super) fn variable(&self, end: &str) -> Result<SocketAddr, TargetError> {
        let variables = Server::environment(&self.environment)?;
        let named = variables.iter().find(|(name, _)| name.ends_with(end));
        let parsed = named.and_then(|(_, value)| value.parse().ok());
        parsed.ok_or_else(|| TargetError::Wrong(format!("the environment says no {end}")))
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// The environment of a command that archives what is older than `kept` days in `folder`.
    pub(super) fn archiving(
        &self,
        folder: &Path,
        kept: u32,
    ) -> Result<Vec<(String, String)>, TargetError> {
        let folder = std::path::absolute(folder)?;
        let mut environment = Server::environment(&self.environment)?;
        let retention =
            |name: &str, value: String| (format!("TRADEPOST_METRICS__RETENTION__{name}"), value);
        environment.push(retention(
            "STORE_URL",
            format!("file://{}", folder.display()),
        ));
        environment.push(retention("KEEP_DAYS", kept.to_string()));
        Ok(environment)
    }

    pub(super) fn target(&self, server: &Server) -> Result<Target, TargetError> {
        Ok(Target {
            addr: server.addr,
            admin: server.admin,
            pid: server.pid,
            calls: Calls::load(&self.key, &self.issuer)?,
            connections: self.connections,
        })
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let options = Options {
        seconds: arguments.seconds,
        tenants: arguments.tenants,
        types: arguments.types,
        readable: arguments.batch,
        packed: arguments.packed,
        single_under_way: arguments.under_way,
        rate: arguments.rate,
    };
    let mut runs = Vec::new();
    for number in 1..=arguments.runs.get() {
        progress::say(&format!("run {number} of {}", arguments.runs));
        for rows in one(&arguments, &options).await? {
            runs.push(rows);
        }
    }
    if arguments.parts.contains(&Part::Steady) {
        runs.push(steady(&arguments).await?);
    }
    let load = format!(
        "{} tenants of {} event types, batches of {} ({} packed), {} connections, {} s a part",
        options.tenants,
        options.types,
        options.readable,
        options.packed,
        arguments.service.connections,
        options.seconds,
    );
    let report = Report::new("metrics", &arguments.output.commit, load, &runs);
    finish(report, &arguments.output)
}

/// One run: the parts that are wanted, each on a service that has counted nothing.
async fn one(arguments: &Arguments, options: &Options) -> anyhow::Result<Vec<Rows>> {
    let (has, service) = (|part| arguments.parts.contains(&part), &arguments.service);
    let mut runs = Vec::new();
    if has(Part::Engine) {
        progress::say("the engine in process");
        let window = Duration::from_secs(options.seconds.get().into());
        runs.push(live::run_engine(window)?);
    }
    for (part, what) in [
        (Part::Streams, "streams of batches"),
        (Part::Processor, "processor time at a constant rate"),
    ] {
        if !has(part) {
            continue;
        }
        progress::say(what);
        let server = service.start_fresh(&[]).await?;
        let target = service.target(&server)?;
        runs.push(match part {
            Part::Streams => live::run_streams(&target, options).await?,
            Part::Engine | Part::Processor | Part::Unary | Part::Sustained | Part::Steady => {
                live::run_processor(&target, options).await?
            }
        });
        server.stop().await?;
    }
    if has(Part::Unary) || has(Part::Sustained) {
        runs.push(live::watch_machine().await?);
    }
    if has(Part::Unary) {
        progress::say("single events, service and load on a core each");
        let rows = async |target: &Target| live::run_unary(target, options).await;
        runs.push(on_a_core_each(service, rows).await?);
    }
    if has(Part::Sustained) {
        progress::say(
            "single events at the highest constant rate, service and load on a core each",
        );
        let rows = async |target: &Target| live::run_sustained(target, options).await;
        runs.push(on_a_core_each(service, rows).await?);
    }
    Ok(runs)
}

/// Where there is but one core, service and load share it.
async fn on_a_core_each(
    service: &Service,
    rows: impl AsyncFnOnce(&Target) -> Result<Rows, TargetError>,
) -> anyhow::Result<Rows> {
    let server = service.start_fresh_on(live::SERVICE_CORE, &[]).await?;
    live::pin();
    let target = service.target(&server)?;
    let rows = rows(&target).await?;
    live::unpin();
    server.stop().await?;
    Ok(rows)
}

async fn steady(arguments: &Arguments) -> anyhow::Result<Rows> {
    let steady = Steady {
        rate: arguments.rate,
        seconds: arguments.steady_seconds,
        batch: arguments.steady_batch,
        tenants: arguments.tenants,
        types: arguments.types,
    };
    progress::say(&format!(
        "{} events/s for {} s",
        steady.rate, steady.seconds
    ));
    let service = &arguments.service;
    let server = service.start_fresh(&[]).await?;
    let target = service.target(&server)?;
    let mut rows = steady.run(&target).await?;
    progress::say("a stop in the midst of load");
    let again = async || service.start(&[]).await;
    let (stopped, server) = live::stop_under_load(&steady, (server, &target), again).await?;
    rows.extend(stopped);
    server.stop().await?;
    Ok(rows)
}
