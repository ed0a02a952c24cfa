//! Where streams stand and pieces of them, for those who deliver: of all tenants.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::types::Uuid;
use time::OffsetDateTime;
use tradepost_notifications::stream::Epoch;
use tradepost_postgres::{DbError, GroupLimits};

use super::streams::{column, column_seq, entry, seq, unreadable};
use super::{PgNotifications, epoch, preferences};
use crate::ports::{
    Entry, Gap, GroupPlace, Opened, Past, Place, Portion, Reader, Snapshot, StoreError, Tail,
};

/// How openings share statements.
pub(super) const LIMITS: GroupLimits = GroupLimits {
    batch_max: 256,
    batches_max: 2,
    gap: Duration::from_millis(2),
};
/// Readers of one statement.
const READERS_MAX: usize = 1_000;

/// Where streams stand, all at one moment: own streams, and those of groups.
pub const OPEN: &str = "with readers as materialized (
        select r.tenant_id, r.user_id, r.place
        from unnest($1::uuid[], $2::text[]) with ordinality as r (tenant_id, user_id, place))
    select r.place, null as group_id, s.last_seq as top, s.read_seq, 0::bigint as joined_after,
           0::bigint as stood, 0::bigint as version
    from readers r
    join user_streams s on s.tenant_id = r.tenant_id and s.user_id = r.user_id
    union all
    select r.place, m.group_id, g.last_seq, m.read_seq, m.joined_after, m.stood, m.version
    from readers r
    join members m
        on m.tenant_id = r.tenant_id and m.user_id = r.user_id and m.left_at_seq is null
    join groups g on g.tenant_id = m.tenant_id and g.group_id = m.group_id
    order by 1, 2";

/// Pieces of streams, each up to the entry with which it has enough bytes.
pub const ENTRIES: &str = "select g.place, n.seq, n.id, n.created_at, n.content
    from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[]) with ordinality
        as g (tenant_id, stream, after, upto, place)
    cross join lateral (
        select n.*, sum(octet_length(n.content)) over (order by n.seq)
            - octet_length(n.content) as before
        from (
            select n.seq, n.id, n.created_at, n.content::text as content
            from notifications n
            where n.tenant_id = g.tenant_id and n.stream = g.stream
              and n.seq > g.after and n.seq <= g.upto
            order by n.seq
            limit $5) n) n
    where n.before < $6
    order by g.place, n.seq";

#[async_trait]
impl Past for PgNotifications {
    async fn open(&self, readers: &[Reader]) -> Result<Vec<Opened>, StoreError> {
        let opening = self
            .openings
            .call(readers.to_vec(), |batch| self.open_all(batch));
        opening.await.map_err(DbError::from)?
    }

    async fn entries(&self, gaps: &[Gap], portion: Portion) -> Result<Vec<Vec<Entry>>, StoreError> {
        let mut found: Vec<Vec<Entry>> = gaps.iter().map(|_| Vec::new()).collect();
        if gaps.is_empty() {
            return Ok(found);
        }
        let mut tx = self.database.system_tx().await?;
        let rows = pieces(tx.conn(), gaps, portion).await?;
        tx.commit().await?;
        for (place, place_seq, id, time, content) in rows {
            if let Some((gap, entries)) = nth(place).and_then(|place| {
                let gap = gaps.get(place)?;
                Some((gap, found.get_mut(place)?))
            }) {
                entries.push(entry(gap.key.clone(), (place_seq, id, time, content))?);
            }
        }
        Ok(found)
    }

    async fn tail(&self, since: Option<Snapshot>, limit: u32) -> Result<Tail, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let tail = super::tail::tail(tx.conn(), since, limit).await?;
        tx.commit().await?;
        Ok(tail)
    }
}

type Piece = (i64, i64, Uuid, OffsetDateTime, String);

async fn pieces(
    conn: &mut PgConnection,
    gaps: &[Gap],
    portion: Portion,
) -> Result<Vec<Piece>, DbError> {
    let tenants: Vec<Uuid> = gaps.iter().map(|gap| gap.key.tenant.as_uuid()).collect();
    let streams: Vec<String> = gaps.iter().map(|gap| column(&gap.key.whose)).collect();
    let after: Vec<i64> = gaps.iter().map(|gap| column_seq(gap.after)).collect();
    let upto: Vec<i64> = gaps.iter().map(|gap| column_seq(gap.upto)).collect();
    let rows = sqlx::query_as(ENTRIES)
        .bind(tenants)
        .bind(streams)
        .bind(after)
        .bind(upto)
        .bind(i64::from(portion.entries))
        .bind(i64::try_from(portion.bytes.max(1)).unwrap_or(i64::MAX))
        .fetch_all(conn)
        .await?;
    Ok(rows)
}

/// The place of an array's element, which the database counts from 1.
fn nth(ordinality: i64) -> Option<usize> {
    usize::try_from(ordinality).ok()?.checked_sub(1)
}

impl PgNotifications {
    /// Openings that came together.
    async fn open_all(&self, batch: Vec<Vec<Reader>>) -> Vec<Result<Vec<Opened>, StoreError>> {
        let readers: Vec<&Reader> = batch.iter().flatten().collect();
        match self.open_together(&readers).await {
            Ok(opened) => {
                let mut opened = opened.into_iter();
                let of = |readers: &Vec<Reader>| Ok(opened.by_ref().take(readers.len()).collect());
                batch.iter().map(of).collect()
            }
            Err(error) => batch.iter().map(|_| Err(error.alike().into())).collect(),
        }
    }

    async fn open_together(&self, readers: &[&Reader]) -> Result<Vec<Opened>, DbError> {
        let mut tx = self.database.system_tx().await?;
        let mut opened = Vec::with_capacity(readers.len());
        let epoch = epoch::current(tx.conn()).await?;
        for readers in readers.chunks(READERS_MAX) {
            opened.extend(open(tx.conn(), readers, &epoch).await?);
        }
        tx.commit().await?;
        Ok(opened)
    }
}

type OpenRow = (i64, Option<String>, i64, i64, i64, i64, i64);

async fn open(
    conn: &mut PgConnection,
    readers: &[&Reader],
    epoch: &Epoch,
) -> Result<Vec<Opened>, DbError> {
    let tenants: Vec<Uuid> = readers.iter().map(|r| r.tenant.as_uuid()).collect();
    let users: Vec<&str> = readers.iter().map(|r| r.user.as_str()).collect();
    let rows: Vec<OpenRow> = sqlx::query_as(OPEN)
        .bind(&tenants)
        .bind(&users)
        .fetch_all(&mut *conn)
        .await?;
    let nothing = Opened {
        epoch: epoch.clone(),
        user: Place { top: 0, read: 0 },
        groups: Vec::new(),
        preferred: None,
    };
    let mut opened = vec![nothing; readers.len()];
    for (at, group, top, read, joined_after, stood, version) in rows {
        let Some(opened) = nth(at).and_then(|at| opened.get_mut(at)) else {
            continue;
        };
        let place = Place {
            top: seq(top),
            read: seq(read),
        };
        match group {
            None => opened.user = place,
            Some(group) => opened.groups.push(GroupPlace {
                group: group.parse().map_err(unreadable)?,
                place,
                joined_after: seq(joined_after),
                stood: seq(stood),
                version: seq(version),
            }),
        }
    }
    for (at, preferred) in preferences::of_readers(conn, &tenants, &users).await? {
        if let Some(opened) = nth(at).and_then(|at| opened.get_mut(at)) {
            opened.preferred = Some(preferred);
        }
    }
    Ok(opened)
}
