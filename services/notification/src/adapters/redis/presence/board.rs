//! Asks who is connected to other nodes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};
use tradepost_notifications::stream::UserName;
use tradepost_redis::Link;
use tradepost_service::Clock;
use tradepost_types::TenantId;
use uuid::Uuid;

use super::{BORN, NODES, field, hash, part, present};
use crate::metrics::NodeMetrics;
use crate::ports::{Elsewhere, Present};

/// How long Redis may take to answer one of the two questions.
const ANSWER_MAX: Duration = Duration::from_millis(250);
/// Nodes that are asked for.
const NODES_MAX: usize = 128;
/// How long ago a node may have been refreshed to be asked for, as a number of refreshes. Its hashes
/// say themselves whether it lives: this only keeps the list short.
const LISTED: u32 = 60;

/// Who is connected elsewhere, as Redis has it.
#[derive(Debug)]
pub struct RedisBoard {
    pub(in crate::adapters::redis) link: Arc<Link>,
    pub(in crate::adapters::redis) node: Uuid,
    pub(in crate::adapters::redis) every: Duration,
    pub(in crate::adapters::redis) clock: Clock,
    pub(in crate::adapters::redis) metrics: NodeMetrics,
}

/// Why it is not known.
enum Unknown {
    /// Redis does not say.
    Redis(RedisError),
    /// Not in time.
    Late,
    /// Redis was emptied, or is new: not all nodes have written themselves into it.
    Young,
}

#[async_trait]
impl Elsewhere for RedisBoard {
    async fn elsewhere(
        &self,
        tenant: TenantId,
        users: &[UserName],
    ) -> Option<Vec<Option<Present>>> {
        let found = match self.link.connection() {
            Some(connection) => self.ask(connection, tenant, users).await,
            None => None,
        };
        self.metrics.presence_asked(found.is_some());
        found
    }
}

impl RedisBoard {
    async fn ask(
        &self,
        mut connection: MultiplexedConnection,
        tenant: TenantId,
        users: &[UserName],
    ) -> Option<Vec<Option<Present>>> {
        let asked = async {
            let nodes = self.nodes(&mut connection).await?;
            let found = of_nodes(&mut connection, &nodes, (tenant, users));
            within(found).await
        };
        match asked.await {
            Ok(found) => Some(found),
            Err(Unknown::Young) => None,
            Err(Unknown::Late) => {
                self.link.failed();
                None
            }
            Err(Unknown::Redis(error)) => {
                tracing::debug!(event = "presence.not_asked", %error, "Redis did not say");
                if error.is_unrecoverable_error() {
                    self.link.trip();
                }
                None
            }
        }
    }

    /// The other nodes, if all are known.
    async fn nodes(&self, connection: &mut MultiplexedConnection) -> Result<Vec<Uuid>, Unknown> {
        let now_ms = i64::try_from(self.clock.now().unix_timestamp_nanos() / 1_000_000);
        let now_ms = now_ms.unwrap_or_default();
        let every_ms = i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now_ms.saturating_sub(every_ms.saturating_mul(LISTED.into()));
        let mut commands = redis::pipe();
        commands.get(BORN);
        let range = commands.cmd("ZREVRANGEBYSCORE").arg(NODES);
        range.arg("+inf").arg(oldest_ms);
        range.arg("LIMIT").arg(0).arg(NODES_MAX);
        let asking = commands.query_async::<(Option<i64>, Vec<String>)>(connection);
        let (born, nodes) = within(asking).await?;
        // Each has refreshed itself once since then.
        let is_old = born.is_some_and(|born| now_ms.saturating_sub(born) >= every_ms * 3 / 2);
        let own = self.node.simple().to_string();
        if !is_old || !nodes.contains(&own) {
            return Err(Unknown::Young);
        }
        let others = nodes.iter().filter(|node| **node != own);
        Ok(others.filter_map(|node| node.parse().ok()).collect())
    }
}

/// What these nodes say of users.
async fn of_nodes(
    connection: &mut MultiplexedConnection,
    nodes: &[Uuid],
    (tenant, users): (TenantId, &[UserName]),
) -> RedisResult<Vec<Option<Present>>> {
    let mut found = vec![None; users.len()];
    let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, user) in users.iter().enumerate() {
        parts.entry(part(tenant, user)).or_default().push(place);
    }
    if nodes.is_empty() || users.is_empty() {
        return Ok(found);
    }
    let mut commands = redis::pipe();
    for node in nodes {
        for (part, places) in &parts {
            let ask = commands.cmd("HMGET").arg(hash(node, *part));
            for user in places.iter().filter_map(|place| users.get(*place)) {
                ask.arg(field(tenant, user));
            }
        }
    }
    let answers: Vec<Vec<Option<String>>> = commands.query_async(connection).await?;
    let places = nodes.iter().flat_map(|_node| parts.values());
    for (places, values) in places.zip(answers) {
        for (place, value) in places.iter().zip(values) {
            let there = value.as_deref().and_then(present);
            if let (Some(found), Some(there)) = (found.get_mut(*place), there) {
                *found = Some(found.map_or(there, |known: Present| known.and(there)));
            }
        }
    }
    Ok(found)
}

async fn within<T>(asking: impl Future<Output = RedisResult<T>>) -> Result<T, Unknown> {
    match tokio::time::timeout(ANSWER_MAX, asking).await {
        Ok(answer) => answer.map_err(Unknown::Redis),
        Err(_elapsed) => Err(Unknown::Late),
    }
}
