//! What was committed since a moment.
//!
//! Transactions commit in another order than they begin, so neither a time nor a counter says what is
//! new. Rows carry their transaction's id, and whatever is below the oldest transaction that runs has
//! ended: up to there each answer is complete, and the next one goes on from it. What is committed
//! above that is told too, at once, and told again until the older ones have ended.

use sqlx::PgConnection;
use sqlx::types::Uuid;
use tradepost_notifications::stream::{Epoch, Stream};
use tradepost_postgres::DbError;
use tradepost_types::TenantId;

use super::preferences::{self, ChangeRow};
use super::streams::{key, seq, unreadable};
use crate::ports::{MemberChange, ReadMove, Reader, Snapshot, Tail, Top};

/// The oldest transaction that runs (all before it have ended), and the last one of a page.
pub const BOUND: &str = "with moment as materialized (
        select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest)
    select (select epoch from epoch), oldest,
           least(
               (select n.tx from notifications n where n.tx >= $1 and n.tx < oldest
                order by n.tx offset $2 limit 1),
               (select m.tx from members m where m.tx >= $1 and m.tx < oldest
                order by m.tx offset $2 limit 1),
               (select p.tx from user_preferences p where p.tx >= $1 and p.tx < oldest
                order by p.tx offset $2 limit 1),
               (select s.read_tx from user_streams s
                where s.read_tx >= $1 and s.read_tx < oldest
                order by s.read_tx offset $2 limit 1),
               (select m.read_tx from members m
                where m.read_tx >= $1 and m.read_tx < oldest
                order by m.read_tx offset $2 limit 1))
    from moment";

/// Streams that went on.
pub const TOPS: &str = "select tenant_id, stream, max(seq) from notifications
    where tx >= $1 and tx < $2 group by tenant_id, stream";
const MEMBERS: &str = "select tenant_id, user_id, group_id, stood, left_at_seq is null, version
    from members where tx >= $1 and tx < $2 order by version";
const PREFERENCES: &str = "select tenant_id, user_id, revision from user_preferences
    where tx >= $1 and tx < $2";

/// Cursors that were moved: those of own streams, and those in groups.
pub const READS: &str = "select tenant_id, user_id, null as group_id, read_seq
    from user_streams where read_tx >= $1 and read_tx < $2
    union all
    select tenant_id, user_id, group_id, read_seq
    from members where read_tx >= $1 and read_tx < $2";

/// The newest ones above the oldest transaction that runs: what came before was in an answer before. No
/// transaction is above the snapshot's, but a row that was restored into another server may say so.
pub const LATE_TOPS: &str = "select tenant_id, stream, max(seq)
    from (select tenant_id, stream, seq from notifications
          where tx >= $1 and tx < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
          order by tx desc limit $2) n
    group by tenant_id, stream";
const LATE_MEMBERS: &str =
    "select tenant_id, user_id, group_id, stood, left_at_seq is null, version
    from members
    where tx >= $1 and tx < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    order by tx desc limit $2";
const LATE_PREFERENCES: &str = "select tenant_id, user_id, revision from user_preferences
    where tx >= $1 and tx < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    order by tx desc limit $2";
const LATE_READS: &str = "(select tenant_id, user_id, null as group_id, read_seq
    from user_streams
    where read_tx >= $1 and read_tx < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    order by read_tx desc limit $2)
    union all
    (select tenant_id, user_id, group_id, read_seq
    from members
    where read_tx >= $1 and read_tx < pg_snapshot_xmax(pg_current_snapshot())::text::bigint
    order by read_tx desc limit $2)";

type TopRow = (Uuid, String, i64);
type MemberRow = (Uuid, String, String, i64, bool, i64);
type ReadRow = (Uuid, String, Option<String>, i64);

pub(super) async fn tail(
    conn: &mut PgConnection,
    since: Option<Snapshot>,
    limit: u32,
) -> Result<Tail, DbError> {
    let asked = since.map_or(i64::MAX, |Snapshot(at)| {
        i64::try_from(at).unwrap_or(i64::MAX)
    });
    let limit = i64::from(limit.max(1));
    let (epoch, oldest, last): (String, i64, Option<i64>) = sqlx::query_as(BOUND)
        .bind(asked)
        .bind(limit - 1)
        .fetch_one(&mut *conn)
        .await?;
    let mut tail = Tail {
        epoch: Epoch(epoch.into()),
        tops: Vec::new(),
        members: Vec::new(),
        preferences: Vec::new(),
        reads: Vec::new(),
        next: Snapshot(seq(oldest)),
    };
    // Nothing is asked; or the server was restored, and counts again from before.
    if asked > oldest {
        return Ok(tail);
    }
    // All of a transaction is in one page, so that the next one begins behind it.
    let upto = last.map_or(oldest, |last| last.saturating_add(1));
    let found = Found {
        tops: pair(conn, TOPS, (asked, upto)).await?,
        members: pair(conn, MEMBERS, (asked, upto)).await?,
        preferences: pair(conn, PREFERENCES, (asked, upto)).await?,
        reads: pair(conn, READS, (asked, upto)).await?,
    };
    found.put(&mut tail)?;
    if last.is_some() {
        tail.next = Snapshot(seq(upto));
        return Ok(tail);
    }
    let late = Found {
        tops: pair(conn, LATE_TOPS, (oldest, limit)).await?,
        members: pair(conn, LATE_MEMBERS, (oldest, limit)).await?,
        preferences: pair(conn, LATE_PREFERENCES, (oldest, limit)).await?,
        reads: pair(conn, LATE_READS, (oldest, limit)).await?,
    };
    late.put(&mut tail)?;
    Ok(tail)
}

async fn pair<R>(
    conn: &mut PgConnection,
    statement: &'static str,
    (first, second): (i64, i64),
) -> Result<Vec<R>, DbError>
where
    R: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    let rows = sqlx::query_as(statement)
        .bind(first)
        .bind(second)
        .fetch_all(conn)
        .await?;
    Ok(rows)
}

struct Found {
    tops: Vec<TopRow>,
    members: Vec<MemberRow>,
    preferences: Vec<ChangeRow>,
    reads: Vec<ReadRow>,
}

impl Found {
    fn put(self, tail: &mut Tail) -> Result<(), DbError> {
        for (tenant, stream, top) in self.tops {
            let top: Top = (key(tenant, &stream)?, seq(top));
            tail.tops.push(top);
        }
        for row in self.members {
            tail.members.push(change(row)?);
        }
        for row in self.preferences {
            tail.preferences.push(preferences::change(row)?);
        }
        for row in self.reads {
            tail.reads.push(moved(row)?);
        }
        Ok(())
    }
}

/// A row of a membership as a change.
fn change(
    (tenant, user, group, stood, is_member, version): MemberRow,
) -> Result<MemberChange, DbError> {
    Ok(MemberChange {
        reader: Reader {
            tenant: TenantId::from_uuid(tenant),
            user: user.parse().map_err(unreadable)?,
        },
        group: group.parse().map_err(unreadable)?,
        seq: seq(stood),
        is_member,
        version: seq(version),
    })
}

/// A cursor as it was moved.
fn moved((tenant, user, group, read): ReadRow) -> Result<ReadMove, DbError> {
    Ok(ReadMove {
        reader: Reader {
            tenant: TenantId::from_uuid(tenant),
            user: user.parse().map_err(unreadable)?,
        },
        stream: match group {
            None => Stream::User,
            Some(group) => Stream::Group(group.parse().map_err(unreadable)?),
        },
        seq: seq(read),
    })
}
