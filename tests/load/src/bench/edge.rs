//! The gateway alone: `GET /v1/orders/{id}` by a thousand users against an order service that
//! answers at once, so that what is measured is the way through the gateway: HTTP, token, limits,
//! gRPC and back. The load and the stub share one core; the gateway has the other.

mod connection;
mod process;
mod requests;
mod stub;
mod tokens;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::open_loop::{self, Pace};
use super::report::{Rows, Unit};
use crate::gateway::CallError;
use connection::Connection;
use process::Process;
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
    /// Tokens made for the part in which every token is new; the part ends when they are used up.
    pub fresh_tokens: usize,
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

/// One run.
///
/// # Errors
/// [`EdgeError`].
pub async fn run(issuer: &Issuer, options: &Options) -> Result<Rows, EdgeError> {
    let mut rows = Rows::default();
    let tokens = issuer.tokens(options.users)?;
    let seen = reads(&tokens);
    flood(options, &seen, Some(seen.len())).await?;

    let bare = flood(options, &reports(), None).await?;
    bare.tell(&mut rows, "bare: no token, caller's limit or trail");
    let most = flood(options, &seen, None).await?;
    most.tell(&mut rows, "tokens seen before");
    let half = most.answers / usize::try_from(options.seconds.get()).unwrap_or(1) / 2;
    let half = u32::try_from(half).ok().and_then(NonZeroU32::new);
    let half = half.unwrap_or(NonZeroU32::MIN);
    paced(options, &seen, half, "half that load", &mut rows).await?;
    if let Some(redis) = options.redis.map(Process) {
        redis.signal("STOP");
        let part = paced(options, &seen, half, "half, Redis frozen", &mut rows).await;
        redis.signal("CONT");
        part?;
    }
    rows.median(
        "memory: gateway",
        Process(options.pid).megabytes(),
        Unit::Megabytes,
    );

    let audited = flood(options, &changes(&tokens), None).await?;
    audited.tell(&mut rows, "changes, in the audit trail");

    let fresh = reads(&issuer.tokens(options.fresh_tokens)?);
    let new = flood(options, &fresh, Some(fresh.len())).await?;
    new.tell(&mut rows, "every token new");
    Ok(rows)
}

/// What a flood brought.
struct Flood {
    answers: usize,
    took: Duration,
    processor: Duration,
}

impl Flood {
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

/// A constant rate; latency counts from when a request was due.
async fn paced(
    options: &Options,
    requests: &[Vec<u8>],
    rate: NonZeroU32,
    name: &str,
    rows: &mut Rows,
) -> Result<(), EdgeError> {
    let connections = options.connections.try_into();
    let pace = Pace {
        rate,
        seconds: options.seconds,
        connections: connections.unwrap_or(std::num::NonZeroUsize::MIN),
    };
    let mut idle = Vec::new();
    for _ in 0..options.connections {
        idle.push(Connection::open(options.gateway).await?);
    }
    let idle = RefCell::new(idle);
    let outcome = open_loop::run(pace, |index| {
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
    .await;
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
    Ok(())
}
