//! A consumer group of one stream, over one connection of its own: reads wait in it.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError, RedisResult, Value,
};

use super::entry::{Entry, Fault};
use crate::config::StreamsConfig;

/// How long a new connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long an answer may take beyond what it was asked to wait.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// From where a new group reads: what is there was never counted, or is known to the ledger.
const FROM_THE_FIRST: &str = "0";
/// A dead letter says no more.
const DETAIL_CHARS_MAX: usize = 1_000;

/// An entry as it comes: its id, and its fields one after the other.
type Row = (String, Option<Vec<Vec<u8>>>);

/// The group, while its connection holds.
pub(super) struct Group<'a> {
    connection: MultiplexedConnection,
    key: &'a str,
    config: &'a StreamsConfig,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Backlog {
    /// Entries that nobody has taken; unknown after some were deleted.
    pub(super) lag: Option<i64>,
    /// Entries that were taken and not acknowledged.
    pub(super) pending: i64,
}

impl<'a> Group<'a> {
    /// Connects, and makes the group where it is missing: also after all was lost.
    pub(super) async fn join(
        client: &Client,
        key: &'a str,
        config: &'a StreamsConfig,
    ) -> RedisResult<Self> {
        let connecting = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(config.block() + ANSWER_MAX));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&connecting)
            .await?;
        let made: RedisResult<()> = redis::cmd("XGROUP")
            .arg("CREATE")
            .arg(key)
            .arg(&config.group)
            .arg(FROM_THE_FIRST)
            .arg("MKSTREAM")
            .query_async(&mut connection)
            .await;
        match made {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
            _ => Ok(Self {
                connection,
                key,
                config,
            }),
        }
    }

    /// What this consumer took and never acknowledged, behind `after`.
    pub(super) async fn own(&mut self, after: &str) -> RedisResult<Vec<Entry>> {
        self.read(after, None).await
    }

    /// What nobody has taken; waits for it a while.
    pub(super) async fn fresh(&mut self) -> RedisResult<Vec<Entry>> {
        self.read(">", Some(self.config.block_ms)).await
    }

    async fn read(&mut self, after: &str, block_ms: Option<u64>) -> RedisResult<Vec<Entry>> {
        let mut command = redis::cmd("XREADGROUP");
        command
            .arg("GROUP")
            .arg(&self.config.group)
            .arg(&self.config.consumer)
            .arg("COUNT")
            .arg(self.config.entries_max);
        if let Some(block_ms) = block_ms {
            command.arg("BLOCK").arg(block_ms);
        }
        command.arg("STREAMS").arg(self.key).arg(after);
        let streams: Option<Vec<(String, Vec<Row>)>> =
            command.query_async(&mut self.connection).await?;
        let rows = streams.into_iter().flatten().flat_map(|(_key, rows)| rows);
        Ok(rows.map(entry).collect())
    }

    /// Takes what another consumer took long ago and never acknowledged; and from where to go on.
    pub(super) async fn claim(&mut self, from: &str) -> RedisResult<(String, Vec<Entry>)> {
        let answer: Vec<Value> = redis::cmd("XAUTOCLAIM")
            .arg(self.key)
            .arg(&self.config.group)
            .arg(&self.config.consumer)
            .arg(self.config.claim_after_ms)
            .arg(from)
            .arg("COUNT")
            .arg(self.config.entries_max)
            .query_async(&mut self.connection)
            .await?;
        // Since Redis 7 a third part names entries that are gone.
        let mut parts = answer.into_iter();
        let next = String::from_redis_value(parts.next().unwrap_or(Value::Nil))?;
        let rows: Vec<Option<Row>> =
            FromRedisValue::from_redis_value(parts.next().unwrap_or(Value::Nil))?;
        Ok((next, rows.into_iter().flatten().map(entry).collect()))
    }

    /// Writes refused entries into the dead-letter stream.
    pub(super) async fn bury(&mut self, refused: &[(&Entry, Fault)]) -> RedisResult<()> {
        if refused.is_empty() {
            return Ok(());
        }
        let dead = format!("{}.dead", self.key);
        let mut pipeline = redis::pipe();
        for (entry, fault) in refused {
            let detail: String = fault.detail.chars().take(DETAIL_CHARS_MAX).collect();
            let command = pipeline.cmd("XADD").arg(&dead);
            command.arg("MAXLEN").arg("~").arg(self.config.dead_max);
            command.arg("*").arg("dead_id").arg(&entry.id);
            command.arg("dead_reason").arg(&fault.reason);
            command.arg("dead_detail").arg(detail);
            // A larger one would be as large there.
            if entry.bytes() <= self.config.entry_bytes_max {
                for field in entry.fields.iter().flatten() {
                    command.arg(field.as_slice());
                }
            }
            command.ignore();
        }
        self.run(&pipeline).await
    }

    /// Acknowledges entries.
    pub(super) async fn acknowledge(&mut self, entries: &[Entry]) -> RedisResult<()> {
        let mut pipeline = redis::pipe();
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        pipeline
            .cmd("XACK")
            .arg(self.key)
            .arg(&self.config.group)
            .arg(&ids)
            .ignore();
        if !self.config.keep_taken {
            pipeline.cmd("XDEL").arg(self.key).arg(&ids).ignore();
        }
        self.run(&pipeline).await
    }

    async fn run(&mut self, pipeline: &Pipeline) -> RedisResult<()> {
        pipeline.query_async(&mut self.connection).await
    }

    /// How much there is to do.
    pub(super) async fn backlog(&mut self) -> RedisResult<Backlog> {
        let groups: Vec<std::collections::HashMap<String, Value>> = redis::cmd("XINFO")
            .arg("GROUPS")
            .arg(self.key)
            .query_async(&mut self.connection)
            .await?;
        for mut group in groups {
            let mut take = |name: &str| group.remove(name).unwrap_or(Value::Nil);
            if String::from_redis_value(take("name"))? == self.config.group {
                return Ok(Backlog {
                    lag: FromRedisValue::from_redis_value(take("lag"))?,
                    pending: FromRedisValue::from_redis_value(take("pending"))?,
                });
            }
        }
        Err(RedisError::from((
            redis::ErrorKind::UnexpectedReturnType,
            "the group is gone",
        )))
    }
}

fn entry((id, fields): Row) -> Entry {
    Entry { id, fields }
}
