//! Which days have a partition.

use std::collections::BTreeSet;

use sqlx::PgConnection;
use time::Date;
use tradepost_postgres::DbError;

/// Of these days those that have a partition, which none of them loses before the transaction ends.
pub(super) async fn hold(
    conn: &mut PgConnection,
    days: &BTreeSet<Date>,
) -> Result<BTreeSet<Date>, DbError> {
    let days: Vec<Date> = days.iter().copied().collect();
    let held: Vec<Date> = sqlx::query_scalar(
        "select day from event_days where day = any($1) order by day for key share",
    )
    .bind(days)
    .fetch_all(conn)
    .await?;
    Ok(held.into_iter().collect())
}
