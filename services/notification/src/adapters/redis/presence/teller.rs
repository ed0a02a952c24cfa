//! Writes who is connected to this node, apart from the connections: they wait for nothing of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tradepost_redis::Link;
use tradepost_service::Clock;
use uuid::Uuid;

use super::{BORN, MARK, NODES, PARTS, field_of, hash, part, value};
use crate::metrics::NodeMetrics;
use crate::ports::{Moved, People, Present, Reader};

/// For how long who comes and goes is gathered.
const GATHER: Duration = Duration::from_millis(200);
/// When everybody is written who could not be written.
const AGAIN: Duration = Duration::from_secs(1);
/// People of one command.
const FIELDS_MAX: usize = 500;
/// How long Redis may take for a pipeline.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// How many refreshes a node may miss before it is taken for dead.
const MISSED_MAX: u32 = 3;
/// Nodes that were not refreshed for so many refreshes leave the list.
const FORGOTTEN: i64 = 120;

/// The teller.
pub(in crate::adapters::redis) struct Teller {
    pub(in crate::adapters::redis) link: Arc<Link>,
    pub(in crate::adapters::redis) node: Uuid,
    pub(in crate::adapters::redis) people: People,
    /// How often it is refreshed.
    pub(in crate::adapters::redis) every: Duration,
    pub(in crate::adapters::redis) clock: Clock,
    pub(in crate::adapters::redis) metrics: NodeMetrics,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("there is no connection to Redis")]
    Away,
    #[error("no answer within {WRITE_MAX:?}")]
    Late,
    #[error(transparent)]
    Redis(#[from] RedisError),
}

impl Teller {
    /// Tells until the token is cancelled, and then takes the node out.
    pub(in crate::adapters::redis) async fn run(self, until: CancellationToken) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Of which parts Redis may say something else than this node.
        let mut is_unsure = true;
        self.people.watch();
        loop {
            let told = tokio::select! {
                () = until.cancelled() => break,
                _tick = ticks.tick() => self.refresh(is_unsure).await,
                () = sleep(AGAIN.min(self.every)), if is_unsure => self.refresh(true).await,
                moved = self.people.moved() => {
                    let rest = Instant::now() + GATHER;
                    let told = self.tell(moved, is_unsure).await;
                    tokio::select! {
                        () = until.cancelled() => break,
                        () = sleep_until(rest) => {}
                    }
                    told
                }
            };
            match told {
                Ok(is_all) => is_unsure = is_unsure && !is_all,
                Err(fault) => {
                    is_unsure = true;
                    self.judge(&fault);
                }
            }
        }
        let _expires = self.leave().await;
    }

    /// Writes of those who moved what they are now; whether all parts are sure. While they are not,
    /// the next refresh writes all.
    async fn tell(&self, moved: Moved, is_unsure: bool) -> Result<bool, Fault> {
        let readers = match moved {
            _ if is_unsure => return Ok(false),
            Moved::Many => return self.write_all().await.map(|()| true),
            Moved::Some(readers) => readers,
        };
        let known = readers.iter();
        let known = known.map(|reader| (reader.clone(), self.people.here(reader)));
        let mut connection = self.link.connection().ok_or(Fault::Away)?;
        let people: Vec<_> = known.collect();
        self.write(&mut connection, &people).await.map(|()| true)
    }

    /// Keeps what is written from expiring; what has vanished is written again. Says that all parts
    /// are sure.
    async fn refresh(&self, is_unsure: bool) -> Result<bool, Fault> {
        if is_unsure {
            self.write_all().await?;
        }
        let mut connection = self.link.connection().ok_or(Fault::Away)?;
        let mut commands = redis::pipe();
        for part in 0..PARTS {
            self.expire(&mut commands, part);
            commands
                .cmd("HEXISTS")
                .arg(hash(&self.node, part))
                .arg(MARK);
        }
        self.register(&mut commands);
        let answers = ask::<i64>(&mut connection, &commands).await?;
        let marks = answers.iter().skip(1).step_by(2).take(PARTS);
        if marks.into_iter().any(|mark| *mark == 0) {
            // Redis was emptied, or this node was not heard for too long.
            self.write_all().await?;
        }
        Ok(true)
    }

    /// Writes everybody: part by part, each at once, so that nobody is missing in between.
    async fn write_all(&self) -> Result<(), Fault> {
        let mut connection = self.link.connection().ok_or(Fault::Away)?;
        let mut parts: Vec<Vec<(Reader, Present)>> = (0..PARTS).map(|_part| Vec::new()).collect();
        for (reader, present) in self.people.everybody() {
            if let Some(people) = parts.get_mut(part(reader.tenant, &reader.user)) {
                people.push((reader, present));
            }
        }
        for (part, people) in parts.iter().enumerate() {
            let mut commands = redis::pipe();
            commands.atomic();
            let name = hash(&self.node, part);
            commands.cmd("DEL").arg(&name);
            commands.cmd("HSET").arg(&name).arg(MARK).arg(0);
            for some in people.chunks(FIELDS_MAX) {
                let set = commands.cmd("HSET").arg(&name);
                for (reader, present) in some {
                    set.arg(field_of(reader)).arg(value(*present));
                }
            }
            self.expire(&mut commands, part);
            let writing = commands.query_async::<redis::Value>(&mut connection);
            let _answers = within(writing).await?;
            self.metrics.presence_written(people.len());
        }
        let mut commands = redis::pipe();
        self.register(&mut commands);
        let _counts = ask::<redis::Value>(&mut connection, &commands).await?;
        Ok(())
    }

    /// Writes whether these are here.
    async fn write(
        &self,
        connection: &mut MultiplexedConnection,
        people: &[(Reader, Option<Present>)],
    ) -> Result<(), Fault> {
        for some in people.chunks(FIELDS_MAX) {
            let mut parts: BTreeMap<usize, Vec<&(Reader, Option<Present>)>> = BTreeMap::new();
            for one in some {
                let part = part(one.0.tenant, &one.0.user);
                parts.entry(part).or_default().push(one);
            }
            let mut commands = redis::pipe();
            for (part, people) in parts {
                self.move_in(&mut commands, part, &people);
            }
            let _counts = ask::<redis::Value>(connection, &commands).await?;
            self.metrics.presence_written(some.len());
        }
        Ok(())
    }

    fn move_in(&self, commands: &mut Pipeline, part: usize, people: &[&(Reader, Option<Present>)]) {
        let name = hash(&self.node, part);
        let here = people
            .iter()
            .filter_map(|(reader, here)| here.map(|here| (reader, here)));
        let mut here = here.peekable();
        if here.peek().is_some() {
            let set = commands.cmd("HSET").arg(&name);
            for (reader, present) in here {
                set.arg(field_of(reader)).arg(value(present));
            }
        }
        let gone = people.iter().filter(|(_, here)| here.is_none());
        let mut gone = gone.peekable();
        if gone.peek().is_some() {
            let delete = commands.cmd("HDEL").arg(&name);
            for (reader, _) in gone {
                delete.arg(field_of(reader));
            }
        }
        // One that had vanished has no mark now, and goes until the next refresh writes it whole.
        self.expire(commands, part);
    }

    fn expire(&self, commands: &mut Pipeline, part: usize) {
        let after = self.every.saturating_mul(MISSED_MAX).as_millis();
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        let expire = commands.cmd("PEXPIRE").arg(hash(&self.node, part));
        expire.arg(after);
    }

    /// Puts the node into the list.
    fn register(&self, commands: &mut Pipeline) {
        let now_ms = i64::try_from(self.clock.now().unix_timestamp_nanos() / 1_000_000);
        let now_ms = now_ms.unwrap_or_default();
        let every_ms = i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX);
        let forgotten = now_ms.saturating_sub(every_ms.saturating_mul(FORGOTTEN));
        let name = self.node.simple().to_string();
        commands.cmd("ZADD").arg(NODES).arg(now_ms).arg(name);
        let forget = commands.cmd("ZREMRANGEBYSCORE").arg(NODES);
        forget.arg("-inf").arg(forgotten);
        commands.cmd("SETNX").arg(BORN).arg(now_ms);
        let kept_ms = every_ms.saturating_mul(FORGOTTEN);
        commands.cmd("PEXPIRE").arg(NODES).arg(kept_ms);
        commands.cmd("PEXPIRE").arg(BORN).arg(kept_ms);
    }

    /// Takes the node out.
    async fn leave(&self) -> Result<(), Fault> {
        let mut connection = self.link.connection().ok_or(Fault::Away)?;
        let mut commands = redis::pipe();
        for part in 0..PARTS {
            commands.cmd("UNLINK").arg(hash(&self.node, part));
        }
        let name = self.node.simple().to_string();
        commands.cmd("ZREM").arg(NODES).arg(name);
        ask::<redis::Value>(&mut connection, &commands)
            .await
            .map(drop)
    }

    fn judge(&self, fault: &Fault) {
        tracing::debug!(event = "presence.not_written", error = %fault, "written again later");
        match fault {
            Fault::Redis(error) if error.is_unrecoverable_error() => self.link.trip(),
            Fault::Late => self.link.trip(),
            Fault::Redis(_) => self.link.failed(),
            Fault::Away => {}
        }
    }
}

/// All answers of a pipeline, if all were done.
async fn ask<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    commands: &Pipeline,
) -> Result<Vec<T>, Fault> {
    within(commands.query_async(connection)).await
}

async fn within<T>(asking: impl Future<Output = RedisResult<T>>) -> Result<T, Fault> {
    match tokio::time::timeout(WRITE_MAX, asking).await {
        Ok(answer) => Ok(answer?),
        Err(_elapsed) => Err(Fault::Late),
    }
}
