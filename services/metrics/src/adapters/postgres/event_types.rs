//! The numbers of event types: looked up in memory, given out by the database.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use sqlx::PgConnection;
use tradepost_postgres::{Database, DbError};
use tradepost_types::TenantId;
use uuid::Uuid;

use crate::domain::{EventType, OVERFLOW_TYPE};
use crate::ports::Batch;
use crate::rollup::{OVERFLOW_ID, TypeId};

/// Numbers that are remembered, of all tenants: about 150 bytes each.
const REMEMBERED_MAX: u64 = 200_000;
/// How long a name without a number is not asked about again.
const NUMBERLESS_FOR: Duration = Duration::from_secs(60);

type Name = (TenantId, EventType);

/// The numbers of event types. A number never changes, so what is remembered stays true.
#[derive(Debug)]
pub(super) struct EventTypes {
    types_max: TypeId,
    numbers: Cache<Name, TypeId>,
    /// Names of tenants with as many types as they may have.
    numberless: Cache<Name, ()>,
}

impl EventTypes {
    pub(super) fn new(types_max: TypeId) -> Self {
        Self {
            types_max,
            numbers: Cache::new(REMEMBERED_MAX),
            numberless: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_live(NUMBERLESS_FOR)
                .build(),
        }
    }

    /// The numbers of each batch's types, in their order. What is new gets one in a transaction of
    /// its own: it needs a lock over all tenants, which must not be held while events are written.
    pub(super) async fn numbers(
        &self,
        database: &Database,
        group: &[Arc<Batch>],
    ) -> Result<Vec<Vec<TypeId>>, DbError> {
        // Looked up once, since a cache may forget between two looks.
        let (mut known, mut unknown) = (HashMap::new(), BTreeSet::new());
        for name in names(group) {
            if let Some(number) = self.numbers.get(&name) {
                known.insert(name, number);
            } else if !self.numberless.contains_key(&name) {
                unknown.insert(name);
            }
        }
        if !unknown.is_empty() {
            known.extend(self.learn(database, &unknown).await?);
        }
        let number = |name: Name| known.get(&name).copied().unwrap_or(OVERFLOW_ID);
        let of_batch = |batch: &Arc<Batch>| {
            let types = batch.types.iter();
            types
                .map(|name| number((batch.tenant, name.clone())))
                .collect()
        };
        Ok(group.iter().map(of_batch).collect())
    }

    async fn learn(
        &self,
        database: &Database,
        unknown: &BTreeSet<Name>,
    ) -> Result<HashMap<Name, TypeId>, DbError> {
        let mut tx = database.system_tx().await?;
        let given = give(tx.conn(), unknown, self.types_max).await?;
        tx.commit().await?;
        let mut learnt = HashMap::with_capacity(given.len());
        for (name, number) in unknown.iter().zip(given) {
            if number == OVERFLOW_ID {
                self.numberless.insert(name.clone(), ());
            } else {
                self.numbers.insert(name.clone(), number);
            }
            learnt.insert(name.clone(), number);
        }
        Ok(learnt)
    }
}

fn names(group: &[Arc<Batch>]) -> impl Iterator<Item = Name> + '_ {
    group
        .iter()
        .flat_map(|batch| batch.types.iter().map(|name| (batch.tenant, name.clone())))
}

/// Gives a number to each name that has none, one transaction at a time, and returns all of them
/// in order; 0 where the tenant has too many.
async fn give(
    conn: &mut PgConnection,
    names: &BTreeSet<Name>,
    types_max: TypeId,
) -> Result<Vec<TypeId>, DbError> {
    let tenants: Vec<Uuid> = names.iter().map(|name| name.0.as_uuid()).collect();
    let texts: Vec<&str> = names.iter().map(|name| name.1.as_str()).collect();
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('event_types', 0))")
        .execute(&mut *conn)
        .await?;
    sqlx::query(include_str!("give_event_types.sql"))
        .bind(&tenants)
        .bind(&texts)
        .bind(types_max)
        .bind(OVERFLOW_TYPE)
        .execute(&mut *conn)
        .await?;
    let numbers = sqlx::query_scalar(
        "select coalesce(t.type_id, 0::smallint)
         from unnest($1::uuid[], $2::text[]) with ordinality as n (tenant_id, name, place)
         left join event_types t
             on t.tenant_id = n.tenant_id and t.name = n.name collate \"C\"
         order by n.place",
    )
    .bind(&tenants)
    .bind(&texts)
    .fetch_all(conn)
    .await?;
    Ok(numbers)
}
