//! `load bench notifications`.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tokio::process::Command;
use tradepost_load::bench::notifications::{self, Caller, Herd, Kind, Load, Node, Share};
use tradepost_load::bench::{Report, Rows, TargetError};
use tradepost_types::TenantId;

use super::bench::{Output, finish};
use super::live::Service;
use super::progress;

const PREFIX: &str = "TRADEPOST_NOTIFICATION__";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Idle,
    Durable,
    Ephemeral,
    Broadcast,
    Storm,
    TwoNodes,
    Cluster,
}

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    service: Service,
    /// Only these parts.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "idle,durable,ephemeral,broadcast,storm,two-nodes"
    )]
    parts: Vec<Part>,
    /// Clients, each with a connection.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    #[arg(value_parser = clients)]
    clients: usize,
    /// Messages a second, each to one client.
    #[arg(long, value_name = "N", default_value = "1000")]
    rate: NonZeroU32,
    /// How long each part of a run lasts.
    #[arg(long, value_name = "S", default_value = "20")]
    seconds: NonZeroU32,
    /// Messages to all clients, one after the other.
    #[arg(long, value_name = "N", default_value_t = 50)]
    broadcasts: u32,
    /// Clients of all nodes in the part `cluster`, which is run only where it is named.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=200_000))]
    cluster_clients: u32,
    /// Nodes of that part; with less than one for 18,000 clients it is as many as are needed.
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=12))]
    cluster_nodes: u32,
    /// The runs; the medians count.
    #[arg(long, value_name = "N", default_value = "3")]
    runs: NonZeroU32,
    #[command(flatten)]
    output: Output,
}

/// Connections of one process, with files to spare for the rest of it.
const PROCESS_MAX: usize = 18_000;

/// A process of clients: started by the part `cluster`, and by nobody else.
#[derive(Args)]
pub(super) struct HerdArguments {
    /// The private key to sign with.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Whose key it is.
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// Of which tenant the clients are.
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// The live ports.
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    nodes: Vec<SocketAddr>,
    /// The number of the first client.
    #[arg(long, value_name = "N")]
    first: usize,
    /// How many.
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clients)]
    clients: usize,
}

pub(super) async fn herd(arguments: HerdArguments) -> anyhow::Result<ExitCode> {
    let caller = Caller::load(&arguments.key, &arguments.issuer)?.of_tenant(arguments.tenant);
    let share = Share {
        nodes: arguments.nodes,
        first: arguments.first,
        count: arguments.clients,
    };
    notifications::herd(&caller, &share).await?;
    Ok(ExitCode::SUCCESS)
}

/// As many as one process may have open.
fn clients(text: &str) -> Result<usize, String> {
    let count: usize = text.parse().map_err(|_error| "no number".to_owned())?;
    if (1..=PROCESS_MAX).contains(&count) {
        return Ok(count);
    }
    Err(format!("1 to {PROCESS_MAX}"))
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let load = Load {
        clients: arguments.clients,
        rate: arguments.rate,
        seconds: arguments.seconds,
        broadcasts: arguments.broadcasts,
    };
    let mut runs = Vec::new();
    for number in 1..=arguments.runs.get() {
        progress::say(&format!("run {number} of {}", arguments.runs));
        let mut rows = Rows::default();
        for part in &arguments.parts {
            progress::say(&format!("{part:?}"));
            rows.extend(one(&arguments, *part, &load).await?);
        }
        runs.push(rows);
    }
    let told = format!(
        "{} clients, {}/s to one each, {} broadcasts, {} s a part; the node of ephemeral messages and broadcasts on core 0, the load on core 1",
        load.clients, load.rate, load.broadcasts, load.seconds
    );
    let report = Report::new("notifications", &arguments.output.commit, told, &runs);
    finish(report, &arguments.output)
}

/// A part, on nodes and in a tenant of its own.
async fn one(arguments: &Arguments, part: Part, load: &Load) -> Result<Rows, TargetError> {
    let service = &arguments.service;
    let (key, issuer) = service.key();
    let caller = Caller::load(key, issuer)?;
    let is_pinned = matches!(part, Part::Ephemeral | Part::Broadcast);
    let node = first(service, is_pinned).await?;
    if is_pinned {
        notifications::pin();
    }
    let rows = match part {
        Part::Idle => notifications::idle(&node, &caller, load).await,
        Part::Durable => notifications::targeted(&node, &caller, load, Kind::Durable).await,
        Part::Ephemeral => notifications::targeted(&node, &caller, load, Kind::Ephemeral).await,
        Part::Broadcast => notifications::broadcast(&node, &caller, load).await,
        Part::Storm => notifications::storm(&node, &caller, load).await,
        Part::TwoNodes => {
            let other = another(service).await?;
            let rows = notifications::two_nodes((&node, &other), &caller, load).await;
            other.server.stop().await?;
            rows
        }
        Part::Cluster => cluster(arguments, (&node, &caller), load).await,
    };
    notifications::unpin();
    let rows = rows?;
    node.server.stop().await?;
    Ok(rows)
}

/// The limits that all parts need: as many connections at once as there are clients.
fn open_wide() -> Vec<(String, String)> {
    let set = |name: &str, value: &str| (format!("{PREFIX}{name}"), value.to_owned());
    vec![
        set("LIVE__CONNECTS_PER_SECOND", "100000"),
        // Nobody is left when a part ends, and a drain is not what is measured.
        set("LIVE__DRAIN_MS", "0"),
    ]
}

async fn first(service: &Service, is_pinned: bool) -> Result<Node, TargetError> {
    let live = service.variable("__LIVE__LISTEN_ADDR")?;
    let server = if is_pinned {
        let core = notifications::NODE_CORE;
        service.start_on(core, &open_wide()).await?
    } else {
        service.start(&open_wide()).await?
    };
    Ok(Node { server, live })
}

/// Several nodes, and clients in several processes.
async fn cluster(
    arguments: &Arguments,
    (first, caller): (&Node, &Caller),
    load: &Load,
) -> Result<Rows, TargetError> {
    let load = Load {
        clients: usize::try_from(arguments.cluster_clients).unwrap_or(PROCESS_MAX),
        ..*load
    };
    let processes = load.clients.div_ceil(PROCESS_MAX);
    let nodes = usize::try_from(arguments.cluster_nodes).unwrap_or(1);
    let mut others = Vec::new();
    while others.len() + 1 < nodes.max(processes) {
        others.push(another(&arguments.service).await?);
    }
    let lives = others.iter().chain([first]).map(|node| node.live);
    let lives: Vec<String> = lives.map(|live| live.to_string()).collect();
    let (key, issuer) = arguments.service.key();
    let program = std::env::current_exe()?;
    let share = load.clients.div_ceil(processes);
    let herds = (0..load.clients).step_by(share).map(|first| {
        let count = share.min(load.clients - first);
        let mut command = Command::new(&program);
        command.args(["bench", "notifications-herd"]);
        command.arg("--key").arg(key).args(["--issuer", issuer]);
        command.args(["--tenant", &caller.tenant().to_string()]);
        command.args(["--nodes", &lives.join(",")]);
        command.args(["--first", &first.to_string()]);
        command.args(["--clients", &count.to_string()]);
        Herd::start(command, count)
    });
    let start = || herds.collect();
    let rows = notifications::cluster((first, &others), (caller, &load), start).await;
    for node in others {
        node.server.stop().await?;
    }
    rows
}

/// A second node, at ports that are free.
async fn another(service: &Service) -> Result<Node, TargetError> {
    let (serves, admin, live) = (free()?, free()?, free()?);
    let mut extra = open_wide();
    extra.extend([
        (format!("{PREFIX}SERVER__LISTEN_ADDR"), serves.to_string()),
        (format!("{PREFIX}SERVER__ADMIN_ADDR"), admin.to_string()),
        (format!("{PREFIX}LIVE__LISTEN_ADDR"), live.to_string()),
    ]);
    Ok(Node {
        server: service.start(&extra).await?,
        live,
    })
}

fn free() -> Result<SocketAddr, TargetError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
