//! The gateway alone: `GET /v1/orders/{id}` by a thousand users against an order service that
//! answers at once, so that what is measured is the way through the gateway: HTTP, token, limits,
//! gRPC and back. The load and the stub share one core; the gateway has the other.

mod connection;
mod direct;
mod requests;
mod stub;
mod tokens;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::open_loop::{self, Outcome, Pace};
use super::process::Process;
use super::report::{Rows, Unit};
use crate::gateway::CallError;
use crate::samples::Quantiles;
use connection::Connection;
use requests::{changes, reads, reports};

pub use stub::serve as serve_stub;
pub use tokens::{Issuer, IssuerError};

/// The order that everybody asks for; the stub has no other.
pub const ORDER: &str = "order_01jd0000000000000000000001";

/// What load.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateway's REST port.
    pub gateway: SocketAddr,
    /// The gateway's process, to count its processor time and memory.
    pub pid: u32,
    /// Connections, each with one request on its way.
    pub connections: usize,
    /// How long each part lasts.
    pub seconds: NonZeroU32,
    /// Users, each with a token.
    pub users: usize,
    /// The process of Redis, to stop it in its tracks for a while.
    pub redis: Option<u32>,
    /// Tokens made for each part in which every token is new; the part ends when they are used up.
    pub fresh_tokens: usize,
    /// Requests a second of the parts at a constant rate; half of what was reached, if not said.
    pub rate: Option<NonZeroU32>,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// A token could not be made.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The gateway could not be reached, or broke a connection.
    #[error("the gateway broke a connection")]
    Connection(#[from] std::io::Error),
    /// The gateway refused.
    #[error("the gateway answered {0}: {1}")]
    Refused(u16, String),
}

/// One run with tokens that the gateway has seen.
///
/// # Errors
/// [`EdgeError`].
pub async fn run(issuer: &Issuer, options: &Options) -> Result<Rows, EdgeError> {
    let mut rows = Rows::default();
    let first = issuer.keys().first().ok_or(IssuerError::NoKey)?;
    let tokens = issuer.tokens(first, options.users)?;
    let seen = reads(&tokens);
    flood(options, &seen, Some(seen.len())).await?;

    let bare = flood(options, &reports(), None).await?;
    bare.tell(&mut rows, "bare: no token, caller's limit or trail");
    let most = flood(options, &seen, None).await?;
    most.tell(&mut rows, "tokens seen before");
    let rate = options.rate.unwrap_or_else(|| most.half());
    halves(options, &seen, rate, &mut rows).await?;
    rows.median(
        "memory: gateway",
        Process(options.pid).megabytes(),
        Unit::Megabytes,
    );

    let audited = flood(options, &changes(&tokens), None).await?;
    audited.tell(&mut rows, "changes, in the audit trail");
    Ok(rows)
}

/// At half the load: without the gateway, through it, and while Redis is frozen.
async fn halves(
    options: &Options,
    requests: &[Vec<u8>],
    rate: NonZeroU32,
    rows: &mut Rows,
) -> Result<(), EdgeError> {
    let pace = options.pace(rate);
    let through = || async {
        let mut idle = open(options.gateway, options.connections).await?;
        Ok::<_, EdgeError>(paced(pace, &mut idle, requests).await)
    };
    let alone = direct::beside(async |address| {
        let mut idle = open(address, options.connections).await?;
        Ok::<_, EdgeError>(paced(pace, &mut idle, requests).await)
    });
    let alone = tell(alone.await??, "half, without the gateway", rows);
    let whole = tell(through().await?, "half that load", rows);
    let added = whole.p99.zip(alone.p99).map(|(whole, alone)| whole - alone);
    rows.median("half that load: p99 added", added, Unit::Milliseconds);
    if let Some(redis) = options.redis.map(Process) {
        redis.signal("STOP");
        let outcome = through().await;
        redis.signal("CONT");
        tell(outcome?, "half, Redis frozen", rows);
    }
    Ok(())
}

/// One run with tokens that it has not, once with each key: the signature is nearly all the work.
/// It comes after all others, since the gateway keeps what it has seen.
///
/// # Errors
/// [`EdgeError`].
pub async fn run_new(issuer: &Issuer, options: &Options, rows: &mut Rows) -> Result<(), EdgeError> {
    for key in issuer.keys() {
        let fresh = reads(&issuer.tokens(key, options.fresh_tokens)?);
        let new = flood(options, &fresh, Some(fresh.len())).await?;
        let name = format!("every token new, {}", key.algorithm.as_str());
        new.tell(rows, &name);
    }
    let kept = Process(options.pid).megabytes();
    rows.median(
        "memory: gateway, with all of them kept",
        kept,
        Unit::Megabytes,
    );
    Ok(())
}

/// What a flood brought.
struct Flood {
    answers: usize,
    took: Duration,
    processor: Duration,
}

impl Options {
    fn pace(&self, rate: NonZeroU32) -> Pace {
        let connections = self.connections.try_into();
        Pace {
            rate,
            seconds: self.seconds,
            connections: connections.unwrap_or(std::num::NonZeroUsize::MIN),
        }
    }
}

impl Flood {
    /// Half the rate it came to, in whole requests a second.
    fn half(&self) -> NonZeroU32 {
        let seconds = usize::try_from(self.took.as_secs()).unwrap_or(1).max(1);
        let half = u32::try_from(self.answers / seconds / 2).ok();
        half.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }

    fn rate(&self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }

    fn tell(&self, rows: &mut Rows, what: &str) {
        let thousands = self.answers as f64 / 1e3;
        let cost = self.processor.as_secs_f64() / thousands.max(f64::EPSILON);
        rows.median(what, self.rate(), Unit::RequestsPerSecond);
        let name = format!("{what}: processor time of 1,000 requests");
        rows.median(&name, cost, Unit::Seconds);
    }
}

/// Each connection asks again as soon as it is answered, with one request after the other; for the
/// whole time, or until so many are answered.
async fn flood(
    options: &Options,
    requests: &[Vec<u8>],
    total: Option<usize>,
) -> Result<Flood, EdgeError> {
    let window = Duration::from_secs(options.seconds.get().into());
    let next = std::cell::Cell::new(0_usize);
    let process = Process(options.pid);
    let (started, before) = (Instant::now(), process.processor_time());
    let connection = || async {
        let mut connection = Connection::open(options.gateway).await?;
        let mut answers = 0_usize;
        while started.elapsed() < window {
            let index = next.replace(next.get() + 1);
            if total.is_some_and(|total| index >= total) {
                break;
            }
            let Some(request) = requests.get(index % requests.len()) else {
                break;
            };
            connection.ask(request).await?;
            answers += 1;
        }
        Ok::<_, EdgeError>(answers)
    };
    let mut answers = 0;
    for count in join_all((0..options.connections).map(|_| connection())).await {
        answers += count?;
    }
    Ok(Flood {
        answers,
        took: started.elapsed(),
        processor: process.processor_time().saturating_sub(before),
    })
}

async fn open(address: SocketAddr, connections: usize) -> std::io::Result<Vec<Connection>> {
    let mut idle = Vec::new();
    for _ in 0..connections {
        idle.push(Connection::open(address).await?);
    }
    Ok(idle)
}

/// A constant rate; latency counts from when a request was due.
async fn paced(pace: Pace, idle: &mut Vec<Connection>, requests: &[Vec<u8>]) -> Outcome {
    let idle = RefCell::new(idle);
    open_loop::run(pace, |index| {
        let index = usize::try_from(index).unwrap_or(0) % requests.len();
        let request = requests.get(index).map_or(&[][..], Vec::as_slice);
        let idle = &idle;
        async move {
            let none = || CallError::Unreachable("no connection is free".to_owned());
            let mut connection = idle.borrow_mut().pop().ok_or_else(none)?;
            let answer = connection.ask(request).await;
            idle.borrow_mut().push(connection);
            answer.map_err(|error| CallError::Unreachable(error.to_string()))
        }
    })
    .await
}

fn tell(outcome: Outcome, name: &str, rows: &mut Rows) -> Quantiles {
    let quantiles = outcome.latencies.quantiles();
    let mut latency = |quantile: &str, value| {
        rows.median(&format!("{name}: {quantile}"), value, Unit::Milliseconds);
    };
    latency("p50", quantiles.p50);
    latency("p99", quantiles.p99);
    let failed = format!("{name}: failed");
    rows.worst(&failed, outcome.failed as f64, Unit::Requests);
    if let Some(why) = outcome.failure {
        rows.tell(format!("{name}: {why}"));
    }
    quantiles
}
