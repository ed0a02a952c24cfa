//! The other nodes: each is asked for its part of an answer, and one that is silent is left out.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use tonic::Request;
use tonic::transport::Channel;
use tradepost_aggregation::{Aggregate, Aggregates, Irregularities, Sketch};
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::metrics_service_client::MetricsServiceClient;
use tradepost_service::Runtime;
use tradepost_service::auth::{Grant, Identity};
use tradepost_service::client::{CallContext, ClientOptions, channel};
use tradepost_types::TenantId;

use super::{parse, render};
use crate::bootstrap::NAME;
use crate::config::LiveConfig;
use crate::metrics::LiveMetrics;

/// The largest part of an answer: 10,000 lines with their sketches.
const PART_BYTES_MAX: usize = 64 << 20;

/// The other nodes. Cheap to clone.
#[derive(Clone)]
pub struct Peers {
    peers: Arc<[Peer]>,
    /// There is one if there are peers.
    identity: Option<Identity>,
    timeout: Duration,
    metrics: LiveMetrics,
}

/// What a node answered.
pub(super) struct Part {
    /// Which node; empty from one that is older than the question.
    pub(super) node_id: Bytes,
    pub(super) aggregates: Aggregates,
}

struct Peer {
    url: String,
    channel: Channel,
}

impl Peers {
    /// The nodes that the configuration names. They are called in the service's own name, for the
    /// tenant that is asked about.
    ///
    /// # Errors
    /// Fails when a URL is malformed, or there are peers and `server.auth.key_path` is not set.
    pub fn new(
        config: &LiveConfig,
        runtime: &Runtime,
        metrics: LiveMetrics,
    ) -> anyhow::Result<Self> {
        let options = ClientOptions {
            connections: 1,
            tls: runtime.tls.clone(),
            ..ClientOptions::default()
        };
        let peer = |url: &String| {
            let channel = channel(url, &options).with_context(|| format!("live.peers: {url}"))?;
            anyhow::Ok(Peer {
                url: url.clone(),
                channel,
            })
        };
        let peers: Arc<[Peer]> = config.peers.iter().map(peer).collect::<Result<_, _>>()?;
        let identity = if peers.is_empty() {
            None
        } else {
            Some(runtime.identity()?)
        };
        let timeout = Duration::from_millis(config.peer_timeout_ms);
        Ok(Self {
            peers,
            identity,
            timeout,
            metrics,
        })
    }

    /// Every peer's part, or nothing from one that does not answer in time.
    pub(super) async fn ask(
        &self,
        tenant: TenantId,
        query: &pb::GetAggregatesRequest,
        now_ms: i64,
    ) -> Vec<Option<Part>> {
        let Some(identity) = &self.identity else {
            return Vec::new();
        };
        let query = pb::GetAggregatesRequest {
            tenant_id: tenant.to_string(),
            ..query.clone()
        };
        let request = pb::GetPartialAggregatesRequest {
            query: Some(query),
            as_of_time: Some(render::timestamp(now_ms)),
        };
        let grant = Grant::of_service(NAME, NAME, tenant, &["metrics:read"]);
        let context = CallContext::new(identity, grant).deadline(self.timeout);
        let asked = self
            .peers
            .iter()
            .map(|peer| self.ask_one(peer, &context, &request, now_ms));
        futures::future::join_all(asked).await
    }

    async fn ask_one(
        &self,
        peer: &Peer,
        context: &CallContext,
        request: &pb::GetPartialAggregatesRequest,
        now_ms: i64,
    ) -> Option<Part> {
        let channel = peer.channel.clone();
        let mut client = MetricsServiceClient::with_interceptor(channel, context.clone())
            .max_decoding_message_size(PART_BYTES_MAX);
        let call = client.get_partial_aggregates(Request::new(request.clone()));
        let failed = match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(answer)) => match part(answer.into_inner(), now_ms) {
                Some(part) => return Some(part),
                None => "it answered what is none".to_owned(),
            },
            Ok(Err(status)) => status.code().to_string(),
            Err(_elapsed) => "it did not answer in time".to_owned(),
        };
        self.metrics.peer_silent();
        tracing::warn!(
            event = "live.peer_silent",
            peer.url = peer.url,
            error = failed,
            "another node did not answer; what it counted is missing"
        );
        None
    }
}

/// What a node answered, unless it is none.
fn part(answer: pb::GetPartialAggregatesResponse, now_ms: i64) -> Option<Part> {
    let noted = answer.irregularities.unwrap_or_default();
    let aggregates = Aggregates {
        lines: answer
            .aggregates
            .into_iter()
            .map(line)
            .collect::<Option<_>>()?,
        // The node that asks knows how long its pieces are: it merges into its own answer.
        piece_ms: 0,
        now_ms,
        watermark_ms: parse::as_of(answer.watermark)?,
        counted_since_ms: parse::as_of(answer.counted_since)?,
        irregularities: Irregularities {
            late: noted.late,
            overflowed: noted.overflowed,
            too_old: noted.too_old,
            in_future: noted.in_future,
            invalid: noted.invalid,
            duplicate: noted.duplicate,
        },
    };
    Some(Part {
        node_id: answer.node_id,
        aggregates,
    })
}

fn line(line: pb::PartialAggregate) -> Option<Aggregate> {
    let sketch = match line.sketch.as_ref() {
        [] => None,
        bytes => Some(Sketch::decode(bytes).ok()?),
    };
    Some(Aggregate {
        event_type: line.event_type,
        start_ms: line.start_seconds.checked_mul(1_000)?,
        count: line.count,
        sum: line.sum,
        min: line.min,
        max: line.max,
        sketch,
    })
}
