//! Which history all sequences are of.

use sqlx::PgConnection;
use tradepost_notifications::stream::Epoch;
use tradepost_postgres::DbError;

/// The epoch that runs.
///
/// # Errors
/// Any [`DbError`] of the look.
pub async fn current(conn: &mut PgConnection) -> Result<Epoch, DbError> {
    let epoch: String = sqlx::query_scalar("select epoch from epoch")
        .fetch_one(conn)
        .await?;
    Ok(Epoch(epoch.into()))
}

/// Begins another history (system role): the database was restored from a backup, so sequences that
/// were given since then are given again. Every client hears `recovered: false` and reads its
/// history. Returns the epoch before and the new one.
///
/// # Errors
/// Any [`DbError`] of the change.
pub async fn renew(conn: &mut PgConnection) -> Result<(Epoch, Epoch), DbError> {
    let (before, now): (String, String) = sqlx::query_as(
        "update epoch set epoch = replace(gen_random_uuid()::text, '-', ''), since = now()
         from (select epoch from epoch for update) as old (epoch)
         returning old.epoch, epoch.epoch",
    )
    .fetch_one(conn)
    .await?;
    Ok((Epoch(before.into()), Epoch(now.into())))
}
