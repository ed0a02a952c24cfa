//! Read cursors.

use std::collections::HashMap;

use sqlx::PgConnection;
use tradepost_notifications::stream::Stream;
use tradepost_postgres::DbError;

use super::PgNotifications;
use super::streams::{column_seq, seq, unreadable};
use crate::ports::{Cursor, Marked, ReadMove, Reader};

// The user's own stream, and after it those of groups.
const CURSORS: &str = "select null as group_id, s.last_seq, s.read_seq
    from user_streams s
    where s.tenant_id = $1 and s.user_id = $2
    union all
    select m.group_id, g.last_seq, m.read_seq
    from members m
    join groups g on g.tenant_id = m.tenant_id and g.group_id = m.group_id
    where m.tenant_id = $1 and m.user_id = $2 and m.left_at_seq is null
    order by 1 nulls first";
const READ_USER: &str = "update user_streams
    set read_seq = least($3, last_seq), read_tx = pg_current_xact_id()::text::bigint
    where tenant_id = $1 and user_id = $2 and read_seq < least($3, last_seq)
    returning read_seq";
const READ_GROUPS: &str = "update members m
    set read_seq = least(w.seq, g.last_seq), read_tx = pg_current_xact_id()::text::bigint
    from unnest($3::text[], $4::bigint[]) as w (group_id, seq)
    join groups g on g.tenant_id = $1 and g.group_id = w.group_id
    where m.tenant_id = $1 and m.user_id = $2 and m.group_id = g.group_id
      and m.left_at_seq is null and m.read_seq < least(w.seq, g.last_seq)
    returning m.group_id, m.read_seq";
// Cursors of one user are moved one call after the other, and not while they join or leave.
const LOCK: &str = "select from user_streams where tenant_id = $1 and user_id = $2
    for no key update";

type Row = (Option<String>, i64, i64);

/// Where all cursors of the reader stand, their own stream first.
pub(super) async fn cursors(
    conn: &mut PgConnection,
    reader: &Reader,
) -> Result<Vec<Cursor>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(CURSORS)
        .bind(reader.tenant.as_uuid())
        .bind(reader.user.as_str())
        .fetch_all(conn)
        .await?;
    let mut cursors = Vec::with_capacity(rows.len() + 1);
    if !rows.iter().any(|(group, _, _)| group.is_none()) {
        // Nothing is known of the user.
        cursors.push(Cursor {
            stream: Stream::User,
            top: 0,
            read: 0,
        });
    }
    for (group, top, read) in rows {
        let stream = match group {
            None => Stream::User,
            Some(group) => Stream::Group(group.parse().map_err(unreadable)?),
        };
        cursors.push(Cursor {
            stream,
            top: seq(top),
            read: seq(read),
        });
    }
    Ok(cursors)
}

impl PgNotifications {
    pub(super) async fn mark_once(
        &self,
        reader: &Reader,
        marks: &[(Stream, u64)],
    ) -> Result<Marked, DbError> {
        let mut tx = self.database.tenant_tx(reader.tenant).await?;
        sqlx::query(LOCK)
            .bind(reader.tenant.as_uuid())
            .bind(reader.user.as_str())
            .execute(tx.conn())
            .await?;
        let before = cursors(tx.conn(), reader).await?;
        let wanted: HashMap<&Stream, u64> = if marks.is_empty() {
            before.iter().map(|at| (&at.stream, at.top)).collect()
        } else {
            marks.iter().map(|(stream, seq)| (stream, *seq)).collect()
        };
        let is_known = |stream: &Stream| before.iter().any(|at| at.stream == *stream);
        if let Some(stream) = wanted.keys().find(|stream| !is_known(stream)) {
            let missing = (*stream).clone();
            tx.rollback().await;
            return Ok(Marked::NoStream(missing));
        }
        let moved = mark(tx.conn(), reader, &wanted).await?;
        let after = cursors(tx.conn(), reader).await?;
        tx.commit().await?;
        Ok(Marked::Done(after, moved))
    }
}

/// Moves cursors; the moves.
async fn mark(
    conn: &mut PgConnection,
    reader: &Reader,
    wanted: &HashMap<&Stream, u64>,
) -> Result<Vec<ReadMove>, DbError> {
    let mut moves = Vec::new();
    let mut moved = |stream: Stream, read: i64| {
        moves.push(ReadMove {
            reader: reader.clone(),
            stream,
            seq: seq(read),
        });
    };
    let (mut groups, mut seqs) = (Vec::new(), Vec::new());
    for (stream, place) in wanted {
        match stream {
            Stream::User => {
                let read: Option<i64> = sqlx::query_scalar(READ_USER)
                    .bind(reader.tenant.as_uuid())
                    .bind(reader.user.as_str())
                    .bind(column_seq(*place))
                    .fetch_optional(&mut *conn)
                    .await?;
                if let Some(read) = read {
                    moved(Stream::User, read);
                }
            }
            Stream::Group(group) => {
                groups.push(group.as_str());
                seqs.push(column_seq(*place));
            }
        }
    }
    if groups.is_empty() {
        return Ok(moves);
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(READ_GROUPS)
        .bind(reader.tenant.as_uuid())
        .bind(reader.user.as_str())
        .bind(groups)
        .bind(seqs)
        .fetch_all(conn)
        .await?;
    for (group, read) in rows {
        moved(Stream::Group(group.parse().map_err(unreadable)?), read);
    }
    Ok(moves)
}
