//! One process from its start to its end.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use garde::Validate;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tradepost_telemetry::{Registry, TelemetryConfig};

use crate::admin;
use crate::auth::{Identity, MintArgs, mint};
use crate::config::{self, CommonConfig, Sources};
use crate::files::Files;
use crate::health::Health;
use crate::tasks::Tasks;
use crate::tls::Tls;

/// The exit code of a process whose configuration is faulty.
const EXIT_CONFIG: u8 = 2;
/// The exit code after a second signal.
const EXIT_IMPATIENT: i32 = 130;

/// For a [`Program`] without administration commands.
pub type NoAdmin = Infallible;

/// What a service is.
pub trait Program: Sized {
    /// The service's name, lower case: it stands in logs, metrics and variables.
    const NAME: &'static str;
    /// One line for `--help`.
    const ABOUT: &'static str;
    /// The configuration: its defaults are those of serde, unknown keys are refused.
    type Config: DeserializeOwned + Serialize + Validate<Context = ()>;
    /// Commands for operators, besides serving.
    type Admin: Subcommand;

    /// The part of the configuration that this crate uses.
    fn common(config: &Self::Config) -> &CommonConfig;

    /// Builds the parts and serves until shutdown. What runs beside is spawned on
    /// `runtime.tasks`, and waited for after this has returned.
    fn serve(config: Self::Config, runtime: Runtime) -> impl Future<Output = anyhow::Result<()>>;

    /// Runs one command for operators; its answer goes to standard output.
    fn admin(
        config: Self::Config,
        command: Self::Admin,
    ) -> impl Future<Output = anyhow::Result<()>> {
        let _ = (config, command);
        async { anyhow::bail!("this service has no such command") }
    }
}

/// What a process gives to the service that runs in it.
#[derive(Debug)]
pub struct Runtime {
    /// The service's name: tokens must be meant for it, and are signed in it.
    pub service: String,
    /// Spawns what shutdown waits for.
    pub tasks: Tasks,
    /// Cancelled when the process has to stop.
    pub shutdown: CancellationToken,
    /// Whether the process wants work; shown on the admin port and by gRPC health.
    pub health: Health,
    /// The metrics of the process.
    pub registry: Registry,
    /// The public port, bound already.
    pub listener: TcpListener,
    /// The certificates for connections between services, if they are encrypted.
    pub tls: Option<Tls>,
    /// The part of the configuration that is common to all services.
    pub common: CommonConfig,
}

impl Runtime {
    /// Binds the public port and makes everything else new: what `run` does for a process, and a
    /// test of a service for itself.
    ///
    /// # Errors
    /// Fails when the address cannot be bound or a certificate cannot be used.
    pub async fn bind(service: &str, common: CommonConfig) -> anyhow::Result<Self> {
        let shutdown = CancellationToken::new();
        let tasks = Tasks::new(shutdown.clone());
        let tls = Tls::load(&common.tls)?;
        if let Some(tls) = tls.clone() {
            let poll = Duration::from_millis(common.auth.poll_ms);
            tasks.spawn("tls", tls.follow(poll, shutdown.clone()));
        }
        Ok(Self {
            service: service.to_owned(),
            tasks,
            tls,
            shutdown,
            health: Health::new(),
            registry: Registry::new(service),
            listener: bind("listen_addr", common.listen_addr).await?,
            common,
        })
    }

    /// Who this process is to those it calls: the key of `server.auth.key_path`, followed when the
    /// file changes.
    ///
    /// # Errors
    /// Fails when there is no key.
    pub fn identity(&self) -> anyhow::Result<Identity> {
        let auth = &self.common.auth;
        let path = auth.key_path.as_deref().context(
            "server.auth.key_path is not set: without a private key nobody answers this process",
        )?;
        let identity = Identity::load(path, &self.service)?;
        let poll = Duration::from_millis(auth.poll_ms);
        let follow = identity
            .clone()
            .follow(Files::new([path]), poll, self.shutdown.clone());
        self.tasks.spawn("auth-key", follow);
        Ok(identity)
    }
}

#[derive(Parser)]
struct Cli<A: Subcommand> {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Option<Verb<A>>,
}

#[derive(Args)]
struct Options {
    /// A configuration file (TOML)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the configuration as it would be used, secrets masked, and exit
    #[arg(long)]
    print_config: bool,
    /// Check the configuration and exit
    #[arg(long)]
    check_config: bool,
}

#[derive(Subcommand)]
enum Verb<A: Subcommand> {
    /// Serve until a signal to stop (the default)
    Serve,
    /// Print a token for a minute, for grpcurl; needs no configuration
    Token(MintArgs),
    #[command(flatten)]
    Admin(A),
    /// The same commands, for who looks for them under a name
    #[command(name = "admin", subcommand, hide = true)]
    UnderAdmin(A),
}

/// The whole `main` of a service.
pub fn run<P: Program>() -> ExitCode {
    let cli = parse_arguments::<P>();
    if let Some(Verb::Token(args)) = &cli.verb {
        return print_token(mint(args, P::NAME));
    }
    let sources = Sources::of_process(cli.options.config);
    let config = match config::load::<P::Config>(P::NAME, &sources) {
        Ok(config) => config,
        Err(errors) => {
            say_error(&errors.to_string());
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    if cli.options.print_config {
        return print(&config);
    }
    if cli.options.check_config {
        return ExitCode::SUCCESS;
    }
    let ended = match cli.verb.unwrap_or(Verb::Serve) {
        Verb::Serve | Verb::Token(_) => {
            in_runtime::<P, _>(&P::common(&config).telemetry.clone(), || {
                serve_until_stopped::<P>(config)
            })
        }
        Verb::Admin(command) | Verb::UnderAdmin(command) => {
            in_runtime::<P, _>(&P::common(&config).telemetry.clone(), || {
                P::admin(config, command)
            })
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn parse_arguments<P: Program>() -> Cli<P::Admin> {
    let command = Cli::<P::Admin>::command()
        .name(P::NAME)
        .about(P::ABOUT)
        .version(env!("CARGO_PKG_VERSION"));
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// Runs `work` with threads and telemetry, and flushes telemetry after it.
fn in_runtime<P: Program, F>(
    telemetry: &TelemetryConfig,
    work: impl FnOnce() -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let guard = {
        let _entered = runtime.enter();
        tradepost_telemetry::init(telemetry, P::NAME)?
    };
    let ended = runtime.block_on(work());
    guard.shutdown();
    // What was abandoned must not hold up the exit.
    runtime.shutdown_background();
    ended
}

async fn serve_until_stopped<P: Program>(config: P::Config) -> anyhow::Result<()> {
    let common = P::common(&config).clone();
    let grace = Duration::from_millis(common.shutdown_grace_ms);
    let admin_listener = bind("admin_addr", common.admin_addr).await?;
    let runtime = Runtime::bind(P::NAME, common).await?;
    let (tasks, shutdown) = (runtime.tasks.clone(), runtime.shutdown.clone());
    let health = runtime.health.clone();
    listen_to_signals(&shutdown)?;
    if let Some(death) = runtime.common.crash.death() {
        tracing::warn!(
            event = "process.armed",
            ?death,
            "a test may make this process die"
        );
        tradepost_crash::arm(death);
    }
    let admin_stop = CancellationToken::new();
    tracing::info!(
        event = "process.started",
        listen.addr = %runtime.listener.local_addr()?,
        admin.addr = %admin_listener.local_addr()?,
        "the ports are bound"
    );
    let admin_port = admin::spawn(
        admin_listener,
        health.clone(),
        runtime.registry.clone(),
        admin_stop.clone(),
    );
    let ended = drive(P::serve(config, runtime), &tasks, &shutdown, &health, grace).await;
    admin_stop.cancel();
    let _ = admin_port.await;
    tracing::info!(
        event = "process.stopped",
        clean = ended.is_ok(),
        "the process ends"
    );
    ended
}

async fn bind(key: &str, addr: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr)
        .await
        .with_context(|| format!("cannot listen on server.{key} = {addr}"))
}

/// Waits for the service to end or be told to, then for its tasks, all in one grace period.
async fn drive(
    serve: impl Future<Output = anyhow::Result<()>>,
    tasks: &Tasks,
    shutdown: &CancellationToken,
    health: &Health,
    grace: Duration,
) -> anyhow::Result<()> {
    let mut serve = std::pin::pin!(serve);
    let early = tokio::select! {
        ended = &mut serve => Some(ended),
        () = shutdown.cancelled() => None,
    };
    health.set_not_serving();
    shutdown.cancel();
    tracing::info!(
        event = "process.stopping",
        "the process finishes what it has begun"
    );
    let rest = async {
        let ended = match early {
            Some(ended) => ended,
            None => serve.await,
        };
        tasks.drained().await;
        ended
    };
    match tokio::time::timeout(grace, rest).await {
        Ok(Ok(())) if tasks.failed() => anyhow::bail!("a part of the process failed"),
        Ok(ended) => ended,
        Err(_elapsed) => {
            anyhow::bail!("{} task(s) were abandoned after {grace:?}", tasks.running())
        }
    }
}

fn listen_to_signals(shutdown: &CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = shutdown.clone();
    #[expect(
        clippy::disallowed_methods,
        reason = "shutdown must not wait for its own trigger"
    )]
    tokio::spawn(async move {
        next(&mut terminate, &mut interrupt).await;
        shutdown.cancel();
        next(&mut terminate, &mut interrupt).await;
        tracing::warn!(event = "process.killed", "a second signal: leaving at once");
        std::process::exit(EXIT_IMPATIENT);
    });
    Ok(())
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[expect(clippy::print_stdout, reason = "the answer to the command")]
fn print_token(token: anyhow::Result<String>) -> ExitCode {
    match token {
        Ok(token) => {
            println!("{token}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            say_error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the answer to --print-config")]
fn print<C: Serialize>(config: &C) -> ExitCode {
    match serde_json::to_string_pretty(config) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            say_error(&format!("the configuration cannot be printed: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "there may be no log yet, or no more")]
fn say_error(text: &str) {
    eprintln!("{text}");
}
