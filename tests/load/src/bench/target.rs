//! The metrics service as benches meet it: its port, its process, and tokens that it believes.

mod calls;
mod dues;
mod events;
mod frames;
mod instruments;
mod pool;
mod server;
mod streams;

use std::io;
use std::net::SocketAddr;

use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

pub use calls::Calls;
pub use server::Server;

pub(super) use dues::dues;
pub(super) use events::{Draft, Draw, Traffic, now_ms, timestamp, user_name, whole};
pub(super) use frames::{Frame, Head, Wire};
pub(super) use instruments::Histogram;
pub(super) use pool::Pool;
pub(super) use streams::{Sent, flood, paced, send};

/// A running service.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its gRPC port.
    pub addr: SocketAddr,
    /// Its admin port.
    pub admin: SocketAddr,
    /// Its process, to count its processor time and memory.
    pub pid: u32,
    /// Who calls.
    pub calls: Calls,
    /// Connections of the load.
    pub connections: usize,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The service cannot be reached.
    #[error("the service cannot be reached")]
    Unreachable(#[from] tonic::transport::Error),
    /// It refused a call.
    #[error("the service refused a call: {0}")]
    Refused(Box<Status>),
    /// There is no token.
    #[error("no token: {0}")]
    Token(String),
    /// Its process cannot be had.
    #[error("the service's process: {0}")]
    Process(#[from] io::Error),
    /// The database does not answer.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// What was counted is not what was sent, or something else is not as it must be.
    #[error("{0}")]
    Wrong(String),
}

impl From<Status> for TargetError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl Target {
    /// Connections, each of its own.
    pub(super) async fn channels(&self) -> Result<Vec<Channel>, TargetError> {
        let mut channels = Vec::new();
        for _ in 0..self.connections.max(1) {
            let endpoint = Endpoint::from_shared(format!("http://{}", self.addr))?;
            channels.push(endpoint.tcp_nodelay(true).connect().await?);
        }
        Ok(channels)
    }

    /// A request that says who calls.
    pub(super) fn request<T>(&self, message: T) -> Result<Request<T>, TargetError> {
        let mut request = Request::new(message);
        let bearer = self.calls.authorization()?;
        request.metadata_mut().insert("authorization", bearer);
        Ok(request)
    }
}
