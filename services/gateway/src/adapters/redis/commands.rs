//! What is said to Redis.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind};
use uuid::Uuid;

use crate::ports::{Memory, Shared, SharedBucket};

const CHARGE: &str = include_str!("charge.lua");
const HEARTBEAT: &str = include_str!("heartbeat.lua");
/// The gateways that live.
const INSTANCES: &str = "limit:{instances}";
/// A gateway that has not been heard of for so long does not count.
const FORGOTTEN_AFTER_SECONDS: u32 = 10;
/// A bucket that was emptied stays for so long: the longest period. As long as it is there, nobody
/// brings back what they remember of it.
const EMPTIED_SECONDS: u32 = 86_400;

/// The commands. They are the same for all connections.
#[derive(Debug)]
pub(super) struct Commands {
    charge: Script,
    heartbeat: Script,
    instance: String,
}

impl Commands {
    pub(super) fn new() -> Self {
        Self {
            charge: Script::new(CHARGE),
            heartbeat: Script::new(HEARTBEAT),
            instance: Uuid::now_v7().simple().to_string(),
        }
    }

    /// Charges the buckets; a server that has forgotten the script gets it anew.
    pub(super) async fn charge(
        &self,
        connection: &mut MultiplexedConnection,
        buckets: &[SharedBucket],
    ) -> Result<Vec<Shared>, RedisError> {
        let by_hash = charging("EVALSHA", self.charge.get_hash(), buckets);
        let answer: Vec<u64> = match by_hash.query_async(connection).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let by_text = charging("EVAL", CHARGE, buckets);
                by_text.query_async(connection).await?
            }
            answer => answer?,
        };
        let (now_us, backlogs) = match answer.split_first() {
            Some((now_us, backlogs)) if backlogs.len() == buckets.len() => (now_us, backlogs),
            Some(_) | None => {
                return Err((ErrorKind::UnexpectedReturnType, "not its answer").into());
            }
        };
        let shared = |backlog_us: &u64| Shared {
            backlog_us: *backlog_us,
            tat_us: now_us + backlog_us,
        };
        Ok(backlogs.iter().map(shared).collect())
    }

    pub(super) async fn empty(
        &self,
        connection: &mut MultiplexedConnection,
        buckets: &[SharedBucket],
    ) -> Result<(), RedisError> {
        let mut commands = redis::pipe();
        for bucket in buckets {
            let set = commands.cmd("SET").arg(&bucket.key).arg(0);
            set.arg("EX").arg(EMPTIED_SECONDS).ignore();
        }
        commands.query_async(connection).await
    }

    /// Gives the server the script, if it does not have it: it answers, then.
    pub(super) async fn load(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        let mut command = redis::cmd("SCRIPT");
        command.arg("LOAD").arg(CHARGE);
        command.query_async(connection).await
    }

    /// Says that this instance lives; how many do.
    pub(super) async fn heartbeat(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<u32, RedisError> {
        let mut heartbeat = self.heartbeat.key(INSTANCES);
        heartbeat.arg(&self.instance).arg(FORGOTTEN_AFTER_SECONDS);
        heartbeat.invoke_async(connection).await
    }

    /// Says that this instance lives no longer.
    pub(super) async fn leave(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), RedisError> {
        let mut command = redis::cmd("ZREM");
        command.arg(INSTANCES).arg(&self.instance);
        command.query_async(connection).await
    }
}

fn charging(verb: &str, script: &str, buckets: &[SharedBucket]) -> Cmd {
    let mut command = redis::cmd(verb);
    command.arg(script).arg(buckets.len());
    for bucket in buckets {
        command.arg(&bucket.key);
    }
    for bucket in buckets {
        let (remembered_us, counts) = match bucket.memory {
            Memory::Told { tat_us, is_emptied } => {
                (tat_us, if is_emptied { "lost" } else { "told" })
            }
            Memory::Ahead { backlog_us } => (backlog_us, "ahead"),
        };
        command
            .arg(bucket.quota.increment_us(bucket.cost))
            .arg(bucket.quota.capacity_us())
            .arg(remembered_us)
            .arg(counts);
    }
    command
}
