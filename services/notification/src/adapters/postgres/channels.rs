//! From the history to what a channel sends, exactly once.
//!
//! Every row of the history carries the transaction that wrote it. All transactions below the
//! snapshot's `xmin` have ended, so the pieces between one `xmin` and the next are whole, do not
//! overlap, and leave nothing out. What is made of a piece and the cursor's move are one
//! transaction, and the cursor's lock is the right to make it. A transaction that stays open for long,
//! of whatever database of the cluster, holds the cursor back; it loses nothing.

use async_trait::async_trait;
use sqlx::PgConnection;
use tradepost_postgres::{Database, DbError, retrying};

use crate::ports::channels::Followed;

/// A cursor is not written for less than this many transactions without news.
const STRIDE: i64 = 1_000;

/// The statements of one channel's cursor, a table of its own.
#[derive(Debug)]
pub(super) struct CursorSql {
    pub(super) channel: &'static str,
    pub(super) lock: &'static str,
    pub(super) stand: &'static str,
    pub(super) renew: &'static str,
    pub(super) advance: &'static str,
}

/// The statements of the cursor of this table.
macro_rules! cursor_sql {
    ($table:literal, $channel:literal) => {
        CursorSql {
            channel: $channel,
            lock: concat!("select only_row from ", $table, " for update skip locked"),
            stand: concat!(
                "select tx,
                        pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
                        pg_snapshot_xmax(pg_current_snapshot())::text::bigint
                 from ",
                $table
            ),
            renew: concat!(
                "update ",
                $table,
                " set tx = $1, not_before = clock_timestamp()"
            ),
            advance: concat!("update ", $table, " set tx = $1"),
        }
    };
}
pub(super) use cursor_sql;

/// Makes what a channel sends.
#[async_trait]
pub(super) trait MakePiece: Sync {
    /// Of the transactions from `from` to before `upto`; says how many it made.
    async fn make(&self, conn: &mut PgConnection, from: i64, upto: i64) -> Result<u64, DbError>;
}

/// Where the history stands, and up to where it was followed.
struct Stand {
    tx: i64,
    xmin: i64,
    xmax: i64,
}

/// One look at the history, of about `limit` entries.
pub(super) async fn follow_history(
    database: &Database,
    cursor: &CursorSql,
    limit: u32,
    maker: &dyn MakePiece,
) -> Result<Followed, DbError> {
    retrying(|| try_follow(database, cursor, limit, maker)).await
}

async fn try_follow(
    database: &Database,
    cursor: &CursorSql,
    limit: u32,
    maker: &dyn MakePiece,
) -> Result<Followed, DbError> {
    let mut tx = database.system_tx().await?;
    let Some(stand) = stand(tx.conn(), cursor).await? else {
        tx.rollback().await;
        return Ok(Followed::Busy);
    };
    if stand.tx > stand.xmax {
        begin_anew(tx.conn(), cursor, stand.xmin).await?;
        tx.commit().await?;
        return Ok(Followed::UpToDate(0));
    }
    let upto = match last_of_piece(tx.conn(), &stand, limit).await? {
        Some(last) => last.saturating_add(1),
        None => stand.xmin,
    };
    let made = maker.make(tx.conn(), stand.tx, upto).await?;
    if made > 0 || upto - stand.tx >= STRIDE || upto < stand.xmin {
        set(tx.conn(), cursor.advance, upto).await?;
        tx.commit().await?;
    } else {
        tx.rollback().await;
    }
    if upto < stand.xmin {
        return Ok(Followed::More(made));
    }
    Ok(Followed::UpToDate(made))
}

/// Takes the right to follow, if nobody has it. The numbers are read by a statement of its own, whose
/// snapshot is newer than what the last holder has committed.
async fn stand(conn: &mut PgConnection, cursor: &CursorSql) -> Result<Option<Stand>, DbError> {
    let locked: Option<bool> = sqlx::query_scalar(cursor.lock)
        .fetch_optional(&mut *conn)
        .await?;
    if locked.is_none() {
        return Ok(None);
    }
    let (tx, xmin, xmax) = sqlx::query_as(cursor.stand).fetch_one(conn).await?;
    Ok(Some(Stand { tx, xmin, xmax }))
}

/// The database was restored into a cluster that counts its transactions from another number. What
/// was told before now was, or was not, delivered before.
async fn begin_anew(conn: &mut PgConnection, cursor: &CursorSql, xmin: i64) -> Result<(), DbError> {
    tracing::warn!(
        event = "notification.channel_begins_anew",
        channel = cursor.channel,
        "transactions count from a lower number: it goes on with what is told from now on"
    );
    set(conn, cursor.renew, xmin).await
}

/// The last transaction of a piece of about `limit` rows, which are whole transactions; none if
/// everything up to `xmin` is in it.
async fn last_of_piece(
    conn: &mut PgConnection,
    stand: &Stand,
    limit: u32,
) -> Result<Option<i64>, DbError> {
    let last = sqlx::query_scalar(
        "select tx from notifications where tx >= $1 and tx < $2 order by tx offset $3 limit 1",
    )
    .bind(stand.tx)
    .bind(stand.xmin)
    .bind(i64::from(limit))
    .fetch_optional(conn)
    .await?;
    Ok(last)
}

async fn set(conn: &mut PgConnection, statement: &'static str, tx: i64) -> Result<(), DbError> {
    sqlx::query(statement).bind(tx).execute(conn).await?;
    Ok(())
}
