//! Reading entries and heads.

use std::collections::BTreeMap;

use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};
use time::{OffsetDateTime, UtcOffset};
use tradepost_postgres::DbError;
use uuid::Uuid;

use crate::domain::audit::{Chain, Digest, Head, Sealed};
use crate::ports::audit::{AuditFilter, AuditStoreError, Kept, SaltedOrigin};

/// The columns of an entry `e` and of its origin `o`.
const SELECT: &str = "select e.tenant_id, e.seq, e.recorded_at, e.actor, e.session, e.action, \
    e.object, e.outcome, e.reason, e.trace_id, e.origin_digest, e.details, e.prev, e.hash, \
    o.salt, o.address, o.user_agent \
    from audit_entries e \
    left join audit_origins o on o.tenant_id = e.tenant_id and o.seq = e.seq \
        and o.recorded_at = e.recorded_at \
    where e.tenant_id = ";

#[derive(FromRow)]
struct HeadRow {
    tenant_id: Uuid,
    seq: i64,
    hash: Digest,
    recorded_at: OffsetDateTime,
}

pub(super) async fn heads(conn: &mut PgConnection) -> Result<Vec<Head>, DbError> {
    let rows: Vec<HeadRow> =
        sqlx::query_as("select tenant_id, seq, hash, recorded_at from audit_heads")
            .fetch_all(conn)
            .await?;
    let head = |row: HeadRow| Head {
        chain: Chain::from_uuid(row.tenant_id),
        seq: row.seq,
        hash: row.hash,
        recorded_at: Some(row.recorded_at),
    };
    Ok(rows.into_iter().map(head).collect())
}

#[derive(FromRow)]
pub(super) struct Row {
    tenant_id: Uuid,
    seq: i64,
    recorded_at: OffsetDateTime,
    actor: String,
    session: Option<String>,
    action: String,
    object: Option<String>,
    outcome: String,
    reason: Option<String>,
    trace_id: Option<String>,
    origin_digest: Option<Digest>,
    details: Json<BTreeMap<String, String>>,
    prev: Digest,
    hash: Digest,
    salt: Option<Vec<u8>>,
    address: Option<String>,
    user_agent: Option<String>,
}

pub(super) async fn forwards(
    conn: &mut PgConnection,
    chain: Chain,
    after: i64,
    limit: u16,
) -> Result<Vec<Row>, DbError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push_bind(chain.as_uuid());
    query.push(" and e.seq > ").push_bind(after);
    // Places that are taken twice are the verifier's business: it must see both.
    query.push(" order by e.seq, e.recorded_at limit ");
    query.push_bind(i64::from(limit));
    Ok(query.build_query_as().fetch_all(conn).await?)
}

pub(super) async fn backwards(
    conn: &mut PgConnection,
    chain: Chain,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push_bind(chain.as_uuid());
    let texts = [
        (" and e.actor = ", &filter.actor),
        (" and e.action = ", &filter.action),
        (" and e.object = ", &filter.object),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            query.push(condition).push_bind(text.clone());
        }
    }
    if let Some(outcome) = filter.outcome {
        query.push(" and e.outcome = ").push_bind(outcome.as_str());
    }
    if let Some(from) = filter.from {
        query.push(" and e.recorded_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        query.push(" and e.recorded_at < ").push_bind(until);
    }
    if let Some(before) = before {
        query.push(" and e.seq < ").push_bind(before);
    }
    query.push(" order by e.seq desc limit ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

pub(super) fn kept(rows: Vec<Row>) -> Result<Vec<Kept>, AuditStoreError> {
    rows.into_iter().map(Kept::try_from).collect()
}

impl TryFrom<Row> for Kept {
    type Error = AuditStoreError;

    fn try_from(row: Row) -> Result<Self, AuditStoreError> {
        let chain = Chain::from_uuid(row.tenant_id);
        let outcome = row
            .outcome
            .parse()
            .map_err(|error| AuditStoreError::Faulty(format!("{chain} {}: {error}", row.seq)))?;
        let entry = Sealed {
            chain,
            seq: row.seq,
            recorded_at: row.recorded_at.to_offset(UtcOffset::UTC),
            actor: row.actor,
            session: row.session,
            action: row.action,
            object: row.object,
            outcome,
            reason: row.reason,
            trace_id: row.trace_id,
            origin_digest: row.origin_digest,
            details: row.details.0,
            prev: row.prev,
            hash: row.hash,
        };
        let origin = row.salt.map(|salt| SaltedOrigin {
            salt,
            address: row.address,
            user_agent: row.user_agent,
        });
        Ok(Self { entry, origin })
    }
}
