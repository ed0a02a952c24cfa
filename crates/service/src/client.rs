//! Calling another service.

mod secure;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::header::AUTHORIZATION;
use http::uri::Scheme;
use tonic::service::Interceptor;
use tonic::transport::channel::Change;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::auth::{Grant, Identity};
use crate::error::Failure;
use crate::tls::Tls;

/// Calls that wait for a connection before callers are held back.
const BUFFER_MAX: usize = 1024;
/// The most bytes of headers of an answer. Services keep their errors far below the usual 16 KiB;
/// one that is longer still is to be read, since else it would look like a broken connection.
const HEADERS_BYTES_MAX: u32 = 64 * 1024;

/// How a channel behaves.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// How long the attempt to connect may take.
    pub connect_timeout: Duration,
    /// How often an idle connection is tested.
    pub keepalive_interval: Duration,
    /// How long the answer to that test may take.
    pub keepalive_timeout: Duration,
    /// Over how many connections calls are spread: what kills one must not hit every call.
    /// A channel to an `https://` address has one.
    pub connections: usize,
    /// The certificates for `https://` addresses: [`Runtime::tls`](crate::Runtime::tls).
    pub tls: Option<Tls>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(5),
            connections: 2,
            tls: None,
        }
    }
}

/// A channel to the service at `url`. It connects at the first call, and again when a connection
/// is lost; until then calls fail with `UNAVAILABLE`.
///
/// # Errors
/// Fails when `url` is malformed, or `https://` without certificates.
pub fn channel(url: &str, options: &ClientOptions) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_str(url)?
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(options.keepalive_interval))
        .http2_keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .buffer_size(BUFFER_MAX);
    if endpoint.uri().scheme() == Some(&Scheme::HTTPS) {
        let tls = options.tls.as_ref().with_context(|| {
            format!("{url} needs certificates: server.tls.{{cert,key,ca}}_path")
        })?;
        return Ok(secure::connect(&endpoint, tls));
    }
    if options.connections <= 1 {
        return Ok(endpoint.connect_lazy());
    }
    let (channel, connections) = Channel::balance_channel(options.connections);
    for key in 0..options.connections {
        // The queue holds exactly as many, and its reader lives in `channel`: it takes them all.
        let _ = connections.try_send(Change::Insert(key, endpoint.clone()));
    }
    Ok(channel)
}

/// Calls in the name of an identity, with what a grant allows: an interceptor that adds the token,
/// the current trace and, where set, a deadline to every call.
#[derive(Debug, Clone)]
pub struct CallContext {
    identity: Identity,
    grant: Arc<Grant>,
    deadline: Option<Duration>,
}

impl CallContext {
    /// Calls as `identity` with this grant.
    #[must_use]
    pub fn new(identity: &Identity, grant: Grant) -> Self {
        Self {
            identity: identity.clone(),
            grant: Arc::new(grant),
            deadline: None,
        }
    }

    /// Limits how long each call may take, at the server too.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

impl Interceptor for CallContext {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let bearer = self
            .identity
            .bearer(&self.grant)
            .map_err(|error| Failure::internal(&error))?;
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        let metadata = request.metadata_mut();
        metadata.insert(AUTHORIZATION.as_str(), bearer.to_metadata());
        tradepost_telemetry::inject(metadata);
        Ok(request)
    }
}
