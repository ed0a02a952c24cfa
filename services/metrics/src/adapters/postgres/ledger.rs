//! Which batches were stored.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::PgConnection;
use tradepost_postgres::DbError;
use uuid::Uuid;

use crate::ports::Batch;

/// A batch by what its producer calls it.
type Name<'a> = (Uuid, &'a str, i64);

/// Enters the batches, in the order of their names so that two transactions cannot wait for each
/// other, and returns the number of each that is new. A copy of it that another transaction is
/// storing is waited for.
pub(super) async fn enter(
    conn: &mut PgConnection,
    group: &[Arc<Batch>],
) -> Result<Vec<Option<i64>>, DbError> {
    let name = |batch: &'_ Arc<Batch>| -> (Uuid, String, i64) {
        let producer = batch.producer.as_str().to_owned();
        (batch.tenant.as_uuid(), producer, batch.sequence)
    };
    let mut names: Vec<_> = group.iter().map(name).collect();
    names.sort_unstable();
    names.dedup();
    let tenants: Vec<Uuid> = names.iter().map(|name| name.0).collect();
    let producers: Vec<&str> = names.iter().map(|name| name.1.as_str()).collect();
    let sequences: Vec<i64> = names.iter().map(|name| name.2).collect();
    let entered: Vec<(Uuid, String, i64, i64)> = sqlx::query_as(include_str!("enter_batches.sql"))
        .bind(&tenants)
        .bind(&producers)
        .bind(&sequences)
        .fetch_all(&mut *conn)
        .await?;
    // Asked in a statement of its own: an entry that is being forgotten is waited for by the one
    // above, and only one that begins later sees the note of it.
    let forgotten: Vec<(Uuid, String, i64)> = sqlx::query_as(
        "delete from batch_ledger l
         using unnest($1::uuid[], $2::text[], $3::bigint[]) as b (tenant_id, producer_id, sequence)
         join producers p on p.tenant_id = b.tenant_id
             and p.producer_id = b.producer_id collate \"C\" and p.forgotten_through >= b.sequence
         where l.tenant_id = b.tenant_id and l.producer_id = b.producer_id collate \"C\"
           and l.sequence = b.sequence
         returning l.tenant_id, l.producer_id, l.sequence",
    )
    .bind(&tenants)
    .bind(&producers)
    .bind(&sequences)
    .fetch_all(conn)
    .await?;
    // Taken out, so that of two copies in one group the first counts.
    let mut numbers: HashMap<Name<'_>, i64> = HashMap::with_capacity(entered.len());
    for (tenant, producer, sequence, number) in &entered {
        numbers.insert((*tenant, producer, *sequence), *number);
    }
    for (tenant, producer, sequence) in &forgotten {
        numbers.remove(&(*tenant, producer, *sequence));
    }
    let mut found = Vec::with_capacity(group.len());
    for batch in group {
        let producer = batch.producer.as_str();
        found.push(numbers.remove(&(batch.tenant.as_uuid(), producer, batch.sequence)));
    }
    Ok(found)
}
