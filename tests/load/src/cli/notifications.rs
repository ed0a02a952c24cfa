//! `load bench notifications`.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tradepost_load::bench::notifications::{self, Caller, Kind, Load, Node};
use tradepost_load::bench::{Report, Rows, TargetError};

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
    /// The runs; the medians count.
    #[arg(long, value_name = "N", default_value = "3")]
    runs: NonZeroU32,
    #[command(flatten)]
    output: Output,
}

/// As many as one process may have open.
fn clients(text: &str) -> Result<usize, String> {
    let count: usize = text.parse().map_err(|_error| "no number".to_owned())?;
    if (1..=18_000).contains(&count) {
        return Ok(count);
    }
    Err("1 to 18000".to_owned())
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
            rows.extend(one(&arguments.service, *part, &load).await?);
        }
        runs.push(rows);
    }
    let told = format!(
        "{} clients, {}/s to one each, {} broadcasts, {} s a part; the node of broadcasts on one core",
        load.clients, load.rate, load.broadcasts, load.seconds
    );
    let report = Report::new("notifications", &arguments.output.commit, told, &runs);
    finish(report, &arguments.output)
}

/// A part, on nodes and in a tenant of its own.
async fn one(service: &Service, part: Part, load: &Load) -> Result<Rows, TargetError> {
    let (key, issuer) = service.key();
    let caller = Caller::load(key, issuer)?;
    let node = first(service).await?;
    let rows = match part {
        Part::Idle => notifications::idle(&node, &caller, load).await,
        Part::Durable => notifications::targeted(&node, &caller, load, Kind::Durable).await,
        Part::Ephemeral => notifications::targeted(&node, &caller, load, Kind::Ephemeral).await,
        Part::Broadcast => {
            node.pin();
            let rows = notifications::broadcast(&node, &caller, load).await;
            notifications::unpin();
            rows
        }
        Part::Storm => notifications::storm(&node, &caller, load).await,
        Part::TwoNodes => {
            let other = another(service).await?;
            let rows = notifications::two_nodes((&node, &other), &caller, load).await;
            other.server.stop().await?;
            rows
        }
    };
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

async fn first(service: &Service) -> Result<Node, TargetError> {
    let live = service.variable("__LIVE__LISTEN_ADDR")?;
    Ok(Node {
        server: service.start(&open_wide()).await?,
        live,
    })
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
