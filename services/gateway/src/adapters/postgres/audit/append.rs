//! Appending: lock the heads, seal, insert, move the heads. Two round trips, whatever the number.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use uuid::Uuid;

use crate::domain::audit::{Chain, Digest, Entry, Head, Origin, Salt, Sealed};

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// In which chain.
    pub chain: Chain,
    /// At which place, counted from 1.
    pub seq: i64,
}

/// Appends an entry to its chain, inside the transaction of `conn`: it is there if and only if the
/// transaction commits. Call it last, since it locks the chain until then. A transaction of a
/// tenant can write that tenant's chain only; one of the system role every chain.
///
/// # Errors
/// [`DbError::SerializationFailure`] if the chain stays locked for too long, else as any query. The
/// caller's transaction must then fail: what cannot be recorded does not happen.
pub async fn append(conn: &mut PgConnection, entry: &Entry) -> Result<(), DbError> {
    append_all(conn, std::slice::from_ref(entry))
        .await
        .map(|_recorded| ())
}

/// Appends entries, each to its own chain and within a chain in their order. Chains are locked in
/// one order, so that two that do this cannot deadlock; two calls of it in one transaction can.
///
/// # Errors
/// As [`append`]: all are appended or none.
pub async fn append_all(
    conn: &mut PgConnection,
    entries: &[Entry],
) -> Result<Vec<Recorded>, DbError> {
    let chains: BTreeSet<Chain> = entries.iter().map(Entry::chain).collect();
    let (mut heads, now) = lock(conn, &chains).await?;
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let chain = entry.chain();
        let salt: Salt = rand::random();
        let head = heads.entry(chain).or_insert_with(|| Head::genesis(chain));
        let sealed = entry.seal(head, now, &salt);
        *head = sealed.head();
        rows.push(Row {
            sealed,
            salt,
            origin: entry.origin().cloned(),
        });
    }
    insert(conn, &rows, &heads).await?;
    let recorded = |row: &Row| Recorded {
        chain: row.sealed.chain,
        seq: row.sealed.seq,
    };
    Ok(rows.iter().map(recorded).collect())
}

struct Row {
    sealed: Sealed,
    salt: Salt,
    origin: Option<Origin>,
}

#[derive(FromRow)]
struct HeadRow {
    tenant_id: Uuid,
    seq: i64,
    hash: Digest,
    recorded_at: OffsetDateTime,
    now: OffsetDateTime,
}

/// Locks the heads, and makes those that are not there yet.
async fn lock(
    conn: &mut PgConnection,
    chains: &BTreeSet<Chain>,
) -> Result<(HashMap<Chain, Head>, OffsetDateTime), DbError> {
    let mut rows = lock_known(conn, chains).await?;
    if rows.len() < chains.len() {
        begin(conn, chains).await?;
        rows = lock_known(conn, chains).await?;
    }
    // The latest reading is the one taken behind the last wait for a lock.
    let now = rows.iter().map(|row| row.now).max();
    let heads = rows.into_iter().map(|row| {
        let head = Head {
            chain: Chain::from_uuid(row.tenant_id),
            seq: row.seq,
            hash: row.hash,
            recorded_at: Some(row.recorded_at),
        };
        (head.chain, head)
    });
    Ok((heads.collect(), now.unwrap_or(OffsetDateTime::UNIX_EPOCH)))
}

async fn lock_known(
    conn: &mut PgConnection,
    chains: &BTreeSet<Chain>,
) -> Result<Vec<HeadRow>, DbError> {
    let rows = sqlx::query_as(
        "select tenant_id, seq, hash, recorded_at, clock_timestamp() as now
         from audit_heads
         where tenant_id = any($1)
         order by tenant_id
         for update",
    )
    .bind(uuids(chains))
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

async fn begin(conn: &mut PgConnection, chains: &BTreeSet<Chain>) -> Result<(), DbError> {
    let genesis = |chain: &Chain| Head::genesis(*chain).hash.to_vec();
    let hashes: Vec<Vec<u8>> = chains.iter().map(genesis).collect();
    sqlx::query(
        "insert into audit_heads (tenant_id, seq, hash, recorded_at)
         select u.tenant_id, 0, u.hash, clock_timestamp()
         from unnest($1::uuid[], $2::bytea[]) as u(tenant_id, hash)
         order by u.tenant_id
         on conflict do nothing",
    )
    .bind(uuids(chains))
    .bind(hashes)
    .execute(conn)
    .await?;
    Ok(())
}

fn uuids(chains: &BTreeSet<Chain>) -> Vec<Uuid> {
    chains.iter().map(|chain| chain.as_uuid()).collect()
}

/// The columns of many rows.
#[derive(Default)]
struct Columns<'a> {
    tenant_id: Vec<Uuid>,
    seq: Vec<i64>,
    recorded_at: Vec<OffsetDateTime>,
    actor: Vec<&'a str>,
    session: Vec<Option<&'a str>>,
    action: Vec<&'a str>,
    object: Vec<Option<&'a str>>,
    outcome: Vec<&'static str>,
    reason: Vec<Option<&'a str>>,
    trace_id: Vec<Option<&'a str>>,
    origin_digest: Vec<Option<&'a [u8]>>,
    details: Vec<String>,
    prev: Vec<&'a [u8]>,
    hash: Vec<&'a [u8]>,
    salt: Vec<&'a [u8]>,
    address: Vec<Option<String>>,
    user_agent: Vec<Option<&'a str>>,
}

impl<'a> FromIterator<&'a Row> for Columns<'a> {
    fn from_iter<I: IntoIterator<Item = &'a Row>>(rows: I) -> Self {
        let mut columns = Self::default();
        for row in rows {
            let sealed = &row.sealed;
            let origin = row.origin.as_ref();
            columns.tenant_id.push(sealed.chain.as_uuid());
            columns.seq.push(sealed.seq);
            columns.recorded_at.push(sealed.recorded_at);
            columns.actor.push(&sealed.actor);
            columns.session.push(sealed.session.as_deref());
            columns.action.push(&sealed.action);
            columns.object.push(sealed.object.as_deref());
            columns.outcome.push(sealed.outcome.as_str());
            columns.reason.push(sealed.reason.as_deref());
            columns.trace_id.push(sealed.trace_id.as_deref());
            let digest = sealed.origin_digest.as_ref();
            columns.origin_digest.push(digest.map(AsRef::as_ref));
            columns.details.push(json(&sealed.details));
            columns.prev.push(&sealed.prev);
            columns.hash.push(&sealed.hash);
            columns.salt.push(&row.salt);
            let address = origin.and_then(|origin| origin.address);
            columns
                .address
                .push(address.map(|address| address.to_string()));
            let agent = origin.and_then(|origin| origin.user_agent.as_deref());
            columns.user_agent.push(agent);
        }
        columns
    }
}

fn json(details: &BTreeMap<String, String>) -> String {
    let fields = details.iter();
    let fields = fields.map(|(name, value)| (name.clone(), value.as_str().into()));
    serde_json::Value::Object(fields.collect()).to_string()
}

async fn insert(
    conn: &mut PgConnection,
    rows: &[Row],
    heads: &HashMap<Chain, Head>,
) -> Result<(), DbError> {
    let columns: Columns<'_> = rows.iter().collect();
    let chains: Vec<Uuid> = heads.keys().map(|chain| chain.as_uuid()).collect();
    let seqs: Vec<i64> = heads.values().map(|head| head.seq).collect();
    let hashes: Vec<&[u8]> = heads.values().map(|head| head.hash.as_ref()).collect();
    let times: Vec<Option<OffsetDateTime>> = heads.values().map(|head| head.recorded_at).collect();
    sqlx::query(include_str!("insert_entries.sql"))
        .bind(columns.tenant_id)
        .bind(columns.seq)
        .bind(columns.recorded_at)
        .bind(columns.actor)
        .bind(columns.session)
        .bind(columns.action)
        .bind(columns.object)
        .bind(columns.outcome)
        .bind(columns.reason)
        .bind(columns.trace_id)
        .bind(columns.origin_digest)
        .bind(columns.details)
        .bind(columns.prev)
        .bind(columns.hash)
        .bind(columns.salt)
        .bind(columns.address)
        .bind(columns.user_agent)
        .bind(chains)
        .bind(seqs)
        .bind(hashes)
        .bind(times)
        .execute(conn)
        .await?;
    Ok(())
}
