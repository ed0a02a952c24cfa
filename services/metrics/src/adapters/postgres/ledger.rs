//! Which batches were stored.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;
use std::sync::Arc;

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use uuid::Uuid;

use crate::domain::BatchName;
use crate::ports::Batch;

/// Bytes of a key's hash that are in its row: as many as make two keys with one name unthinkable,
/// and few enough for the column of producers.
const KEY_BYTES: usize = 24;

/// How the ledger calls a batch: its tenant, its producer, its number.
type Name = (Uuid, String, i64);
/// What came with a key; none where there is a number.
type Content = Option<[u8; 32]>;

/// Where a batch stands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is new, and has this number now.
    New(i64),
    /// It was there.
    Known,
    /// Its key was there, with another content.
    Reused,
}

/// Enters the batches, in the order of their names so that two transactions cannot wait for each
/// other, and returns where each stands. A copy of it that another transaction is storing is
/// waited for. Of copies in one group the first is the one that counts.
pub(super) async fn enter(
    conn: &mut PgConnection,
    group: &[Arc<Batch>],
) -> Result<Vec<Place>, DbError> {
    let named: Vec<(Name, Content)> = group.iter().map(|batch| name(batch)).collect();
    let mut first: HashMap<&Name, Content> = HashMap::with_capacity(named.len());
    for (name, content) in &named {
        first.entry(name).or_insert(*content);
    }
    let names = Names::of(&first);
    let mut numbers = insert(conn, &names).await?;
    for name in forgotten(conn, &names).await? {
        numbers.remove(&name);
    }
    let contents = contents(conn, first, &numbers).await?;
    let place = |(name, content): &(Name, Content)| {
        // Taken out, so that of two copies in one group the first counts.
        if let Some(number) = numbers.remove(name) {
            return Place::New(number);
        }
        match contents.get(name) {
            Some(known) if known != content => Place::Reused,
            _ => Place::Known,
        }
    };
    Ok(named.iter().map(place).collect())
}

/// A key stands as number 1 of a producer that no producer is called.
fn name(batch: &Batch) -> (Name, Content) {
    let tenant = batch.tenant.as_uuid();
    match &batch.name {
        BatchName::Numbered { producer, sequence } => {
            ((tenant, producer.as_str().to_owned(), *sequence), None)
        }
        BatchName::Keyed { key, content } => {
            let mut producer = String::with_capacity(1 + 2 * KEY_BYTES);
            producer.push('~');
            for byte in key.iter().take(KEY_BYTES) {
                // A string takes all that is written to it.
                let _ = write!(producer, "{byte:02x}");
            }
            ((tenant, producer, 1), Some(*content))
        }
    }
}

/// Names in order, each once, as the database takes them.
struct Names<'a> {
    tenants: Vec<Uuid>,
    producers: Vec<&'a str>,
    sequences: Vec<i64>,
    contents: Vec<Option<Vec<u8>>>,
}

impl<'a> Names<'a> {
    fn of(named: &HashMap<&'a Name, Content>) -> Self {
        let mut sorted: Vec<(&'a Name, Content)> = named.iter().map(|(&n, &c)| (n, c)).collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        Self {
            tenants: sorted.iter().map(|(name, _)| name.0).collect(),
            producers: sorted.iter().map(|(name, _)| name.1.as_str()).collect(),
            sequences: sorted.iter().map(|(name, _)| name.2).collect(),
            contents: sorted
                .iter()
                .map(|(_, content)| content.map(Vec::from))
                .collect(),
        }
    }
}

/// Enters what is not there; the numbers of those.
async fn insert(conn: &mut PgConnection, names: &Names<'_>) -> Result<HashMap<Name, i64>, DbError> {
    let entered: Vec<(Uuid, String, i64, i64)> = sqlx::query_as(include_str!("enter_batches.sql"))
        .bind(&names.tenants)
        .bind(&names.producers)
        .bind(&names.sequences)
        .bind(&names.contents)
        .fetch_all(conn)
        .await?;
    let numbered = |(tenant, producer, sequence, number)| ((tenant, producer, sequence), number);
    Ok(entered.into_iter().map(numbered).collect())
}

/// Takes out again what was entered although it was forgotten.
///
/// Asked in a statement of its own: an entry that is being forgotten is waited for by the one
/// before, and only one that begins later sees the note of it.
async fn forgotten(conn: &mut PgConnection, names: &Names<'_>) -> Result<Vec<Name>, DbError> {
    let forgotten = sqlx::query_as(
        "delete from batch_ledger l
         using unnest($1::uuid[], $2::text[], $3::bigint[]) as b (tenant_id, producer_id, sequence)
         join producers p on p.tenant_id = b.tenant_id
             and p.producer_id = b.producer_id collate \"C\" and p.forgotten_through >= b.sequence
         where l.tenant_id = b.tenant_id and l.producer_id = b.producer_id collate \"C\"
           and l.sequence = b.sequence
         returning l.tenant_id, l.producer_id, l.sequence",
    )
    .bind(&names.tenants)
    .bind(&names.producers)
    .bind(&names.sequences)
    .fetch_all(conn)
    .await?;
    Ok(forgotten)
}

/// What came with each key first: now, or when it was stored. In a statement of its own too, so
/// that it sees what the insert waited for.
async fn contents(
    conn: &mut PgConnection,
    first: HashMap<&Name, Content>,
    entered: &HashMap<Name, i64>,
) -> Result<HashMap<Name, Content>, DbError> {
    let mut contents: HashMap<Name, Content> = first
        .into_iter()
        .filter(|(_, content)| content.is_some())
        .map(|(name, content)| (name.clone(), content))
        .collect();
    let known = contents.keys().filter(|name| !entered.contains_key(*name));
    let (tenants, producers): (Vec<Uuid>, Vec<&str>) =
        known.map(|name| (name.0, name.1.as_str())).unzip();
    if tenants.is_empty() {
        return Ok(contents);
    }
    let asked = tenants.len();
    let found: Vec<(Uuid, String, Vec<u8>)> = sqlx::query_as(
        "select l.tenant_id, l.producer_id, l.content_hash
         from unnest($1::uuid[], $2::text[]) as b (tenant_id, producer_id)
         join batch_ledger l on l.tenant_id = b.tenant_id
             and l.producer_id = b.producer_id collate \"C\" and l.sequence = 1",
    )
    .bind(&tenants)
    .bind(&producers)
    .fetch_all(conn)
    .await?;
    if found.len() < asked {
        // The upkeep forgot one just now: from its start on, the transaction finds it new.
        let forgotten = sqlx::Error::Protocol("a key was forgotten meanwhile".to_owned());
        return Err(DbError::SerializationFailure(forgotten));
    }
    for (tenant, producer, content) in found {
        if let Entry::Occupied(mut known) = contents.entry((tenant, producer, 1)) {
            known.insert(content.try_into().ok());
        }
    }
    Ok(contents)
}
