//! Batches from Redis Streams count once, whatever dies on the way.

use prost::Message;
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret;
use tradepost_proto::metrics::v1 as pb;
use tradepost_testkit::{PrivateRedis, TestDatabase, eventually, private_redis};
use tradepost_types::TenantId;

use crate::support::{
    DAY_MS, Machine, SOON, Sum, assert_sound, connected, fresh_database, message, now_ms, stored,
    sum,
};

const KEY: &str = "events";
const DEAD: &str = "events.dead";

/// A Redis, a database, and a tenant whose events may be in the stream.
struct Source {
    redis: PrivateRedis,
    database: TestDatabase,
    tenant: TenantId,
}

impl Source {
    async fn open() -> Self {
        Self {
            redis: private_redis().await,
            database: fresh_database().await,
            tenant: TenantId::new(),
        }
    }

    fn environment(&self, consumer: &str) -> Vec<(&'static str, String)> {
        let read = format!(r#"[{{key="{KEY}",tenants=["{}"]}}]"#, self.tenant);
        vec![
            ("REDIS__URL", self.redis.url().expose_secret().to_owned()),
            ("STREAMS__READ", read),
            ("STREAMS__CONSUMER", consumer.to_owned()),
            ("STREAMS__BLOCK_MS", "50".to_owned()),
            ("STREAMS__CLAIM_AFTER_MS", "200".to_owned()),
        ]
    }

    async fn machine(&self, consumer: &str, crash: Option<(&str, u32)>) -> Machine {
        Machine::with(&self.database, crash, &self.environment(consumer)).await
    }

    async fn connect(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.redis.url().expose_secret()).unwrap();
        eventually("Redis is there", SOON, async || {
            connected(&client).await.ok()
        })
        .await
    }

    /// Writes an entry; its id.
    async fn add(&self, fields: &[(&str, &[u8])]) -> String {
        let mut connection = self.connect().await;
        let mut command = redis::cmd("XADD");
        command.arg(KEY).arg("*");
        for (name, value) in fields {
            command.arg(name).arg(value);
        }
        command.query_async(&mut connection).await.unwrap()
    }

    /// Batches of two events each, with these numbers.
    async fn add_batches(&self, sequences: std::ops::Range<u64>) {
        let mut pipeline = redis::pipe();
        for sequence in sequences {
            let request = self.batch(sequence).encode_to_vec();
            let command = pipeline.cmd("XADD").arg(KEY).arg("*");
            command.arg("request").arg(request).ignore();
        }
        let mut connection = self.connect().await;
        pipeline.query_async::<()>(&mut connection).await.unwrap();
    }

    fn batch(&self, sequence: u64) -> pb::IngestEventsRequest {
        let at_ms = now_ms();
        let events = [(at_ms, "a", "ada", 1.0), (at_ms - 60_000, "b", "", 2.0)];
        message(sequence, &events)
    }

    async fn until_stored(&self, wanted: &[Sum]) {
        eventually(&format!("{wanted:?} is stored"), SOON, async || {
            (stored(&self.database, self.tenant).await == wanted).then_some(())
        })
        .await;
    }

    /// Until nothing waits in the stream and nothing is unacknowledged.
    async fn until_drained(&self) {
        let mut connection = self.connect().await;
        eventually("the stream is drained", SOON, async || {
            let left: usize = command(&mut connection, &["XLEN", KEY]).await;
            let pending: Vec<redis::Value> =
                command(&mut connection, &["XPENDING", KEY, "metrics"]).await;
            (left == 0 && pending.first() == Some(&redis::Value::Int(0))).then_some(())
        })
        .await;
    }

    /// The reasons of the dead letters, in order.
    async fn dead(&self) -> Vec<String> {
        type Rows = Vec<(String, Vec<Vec<u8>>)>;
        let mut connection = self.connect().await;
        let rows: Rows = command(&mut connection, &["XRANGE", DEAD, "-", "+"]).await;
        let reason = |fields: &Vec<Vec<u8>>| {
            let at = fields.iter().position(|field| field == b"dead_reason");
            String::from_utf8(fields[at.unwrap() + 1].clone()).unwrap()
        };
        rows.iter().map(|(_, fields)| reason(fields)).collect()
    }
}

async fn command<T: redis::FromRedisValue>(
    connection: &mut MultiplexedConnection,
    parts: &[&str],
) -> T {
    let mut command = redis::cmd(parts[0]);
    command.arg(&parts[1..]);
    command.query_async(connection).await.unwrap()
}

/// What so many batches add up to.
fn of_batches(batches: i64) -> Vec<Sum> {
    let value = batches as f64;
    vec![sum("a", batches, value), sum("b", batches, 2.0 * value)]
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_and_readable_events_count_in_the_sums_and_live() {
    let source = Source::open().await;
    let tenant = source.tenant.to_string();
    let machine = source.machine("one", None).await;

    source.add_batches(1..4).await;
    // The same number again, and an entry that is called by its id, twice with the same fields.
    source.add_batches(3..4).await;
    for _ in 0..2 {
        let fields: [(&str, &[u8]); 3] = [("type", b"c"), ("value", b"4"), ("user", b"ada")];
        source.add(&fields).await;
    }
    // A name of its own keeps the second from counting.
    let at_ms = (now_ms() - 2 * DAY_MS).to_string();
    for _ in 0..2 {
        let fields: [(&str, &[u8]); 5] = [
            ("tenant", tenant.as_bytes()),
            ("type", b"d"),
            ("value", b"8"),
            ("key", b"mine"),
            ("time_ms", at_ms.as_bytes()),
        ];
        source.add(&fields).await;
    }

    let mut wanted = of_batches(3);
    wanted.extend([sum("c", 2, 8.0), sum("d", 1, 8.0)]);
    source.until_stored(&wanted).await;
    source.until_drained().await;
    let live: Vec<Sum> = wanted.iter().take(3).cloned().collect();
    assert_eq!(machine.counted_live(source.tenant).await, live);
    assert_eq!(source.dead().await, Vec::<String>::new());
    assert_sound(&mut source.database.admin().await, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_a_dead_letter_and_holds_nothing_up() {
    let source = Source::open().await;
    let stranger = TenantId::new().to_string();
    let _machine = source.machine("one", None).await;
    let mut partly = source.batch(7);
    if let Some(pb::ingest_events_request::Batch::Events(batch)) = &mut partly.batch {
        batch.events[0].value = f64::NAN;
    }

    let (zeroes, partly) = (vec![0; 3_000_000], partly.encode_to_vec());
    let bad: [&[(&str, &[u8])]; 8] = [
        &[("request", b"\xff\xff")],
        &[("type", b"a"), ("value", b"much")],
        &[("type", b"a"), ("value", b"1"), ("usr", b"ada")],
        &[("type", b"a"), ("type", b"a"), ("value", b"1")],
        &[
            ("tenant", stranger.as_bytes()),
            ("type", b"a"),
            ("value", b"1"),
        ],
        &[("type", b"A"), ("value", b"1")],
        &[("request", &zeroes)],
        &[("request", &partly)],
    ];
    source.add_batches(1..2).await;
    for fields in bad {
        source.add(fields).await;
    }
    source.add_batches(2..3).await;

    let wanted = [sum("a", 2, 2.0), sum("b", 3, 6.0)];
    source.until_stored(&wanted).await;
    source.until_drained().await;
    let reasons = [
        "MALFORMED",
        "MALFORMED",
        "MALFORMED",
        "MALFORMED",
        "TENANT_FORBIDDEN",
        "EVENTS_REJECTED",
        "ENTRY_TOO_LARGE",
        "EVENTS_REJECTED",
    ];
    assert_eq!(source.dead().await, reasons);
    assert_sound(&mut source.database.admin().await, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_again_and_again_is_a_dead_letter() {
    let source = Source::open().await;
    sqlx::raw_sql(
        "create function poison() returns trigger language plpgsql as $$
         begin raise exception 'poisoned'; end $$;
         create trigger poison before insert on events for each row
             when (new.user_id = 'poison') execute function poison()",
    )
    .execute(&mut source.database.admin().await)
    .await
    .unwrap();
    let _machine = source.machine("one", None).await;

    source.add_batches(1..3).await;
    let fields: [(&str, &[u8]); 3] = [("type", b"a"), ("value", b"1"), ("user", b"poison")];
    source.add(&fields).await;
    source.add_batches(3..5).await;

    source.until_stored(&of_batches(4)).await;
    source.until_drained().await;
    assert_eq!(source.dead().await, ["NOT_STORED"]);
    assert_sound(&mut source.database.admin().await, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_database_that_is_busy_or_read_only_refuses_is_no_dead_letter() {
    let source = Source::open().await;
    let mut admin = source.database.admin().await;
    sqlx::raw_sql(
        "create table trouble (code text not null);
         create function trouble() returns trigger language plpgsql security definer as $$
         declare fault text;
         begin
             select code into fault from public.trouble;
             if fault is not null then raise exception 'trouble' using errcode = fault; end if;
             return new;
         end $$;
         create trigger trouble before insert on events for each row execute function trouble()",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    let machine = source.machine("one", None).await;
    let refused = || machine.process.log().matches("streams.not_stored").count();

    for (sequence, code) in (1..).zip(["55P03", "25006", "58030", "57P01", "XX000", "42501"]) {
        sqlx::query("insert into trouble values ($1)")
            .bind(code)
            .execute(&mut admin)
            .await
            .unwrap();
        let before = refused();
        source.add_batches(sequence..sequence + 1).await;
        eventually(&format!("{code}, again and again"), SOON, async || {
            (refused() > before + 5).then_some(())
        })
        .await;
        assert_eq!(source.dead().await, Vec::<String>::new(), "{code}");
        sqlx::raw_sql("delete from trouble")
            .execute(&mut admin)
            .await
            .unwrap();
        source
            .until_stored(&of_batches(i64::try_from(sequence).unwrap()))
            .await;
    }

    source.until_drained().await;
    assert_eq!(source.dead().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_consumer_takes_what_a_dead_one_had_stored_and_not_acknowledged() {
    let source = Source::open().await;
    source.add_batches(1..11).await;
    let crash = Some(("streams.before_ack", 1));
    let mut dead = source.machine("one", crash).await;
    dead.process.wait(SOON).await;
    assert_eq!(
        stored(&source.database, source.tenant).await,
        of_batches(10)
    );

    let _heir = source.machine("two", None).await;
    source.add_batches(11..13).await;

    source.until_stored(&of_batches(12)).await;
    source.until_drained().await;
    assert_sound(&mut source.database.admin().await, 24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_counts_every_entry_once() {
    let source = Source::open().await;
    for (round, point) in [
        "metrics.after_ledger",
        "metrics.after_events",
        "postgres.after_commit",
        "streams.before_ack",
    ]
    .into_iter()
    .enumerate()
    {
        let first = 100 * round as u64 + 1;
        source.add_batches(first..first + 100).await;
        // What happens at the start passes some points too.
        let mut machine = source.machine("one", Some((point, 2))).await;
        source.add_batches(first..first + 50).await;
        eventually("it is gone", SOON, async || machine.process.ended()).await;
    }

    let _machine = source.machine("one", None).await;

    source.until_stored(&of_batches(400)).await;
    source.until_drained().await;
    assert_sound(&mut source.database.admin().await, 800).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_consumers_share_a_stream() {
    let source = Source::open().await;
    let _one = source.machine("one", None).await;
    let _two = source.machine("two", None).await;

    for first in (1..1_001).step_by(100) {
        source.add_batches(first..first + 100).await;
    }

    source.until_stored(&of_batches(1_000)).await;
    source.until_drained().await;
    assert_sound(&mut source.database.admin().await, 2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_empty_or_frozen_is_read_again_when_it_is_back() {
    let source = Source::open().await;
    source.redis.stop().await;
    let machine = source.machine("one", None).await;
    assert_eq!(machine.counted_live(source.tenant).await, []);

    source.redis.start().await;
    source.add_batches(1..11).await;
    source.until_stored(&of_batches(10)).await;

    // Group and all are gone.
    let mut connection = source.connect().await;
    let () = command(&mut connection, &["FLUSHALL"]).await;
    source.add_batches(11..21).await;
    source.until_stored(&of_batches(20)).await;

    source.redis.stop().await;
    source.redis.start().await;
    source.add_batches(21..31).await;
    source.until_stored(&of_batches(30)).await;

    let seen_away = || machine.process.log().matches("streams.away").count();
    let before = seen_away();
    source.redis.freeze();
    eventually("it sees that nothing answers", SOON, async || {
        (seen_away() > before).then_some(())
    })
    .await;
    source.redis.resume();
    source.add_batches(31..41).await;
    source.until_stored(&of_batches(40)).await;
    source.until_drained().await;
    assert_sound(&mut source.database.admin().await, 80).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_holds_the_stream_up_and_refuses_nothing() {
    let source = Source::open().await;
    let mut narrow = source.environment("one");
    narrow.push(("ANALYTICS__WRITERS", "1".to_owned()));
    narrow.push(("ANALYTICS__QUEUE_BATCHES_MAX", "1".to_owned()));
    let _machine = Machine::with(&source.database, None, &narrow).await;

    source.add_batches(1..61).await;

    source.until_stored(&of_batches(60)).await;
    source.until_drained().await;
    assert_eq!(source.dead().await, Vec::<String>::new());
    assert_sound(&mut source.database.admin().await, 120).await;
}
