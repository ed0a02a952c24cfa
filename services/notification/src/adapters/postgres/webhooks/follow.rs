//! From the history to deliveries, exactly once.
//!
//! Every row of the history carries the transaction that wrote it. All transactions below the
//! snapshot's `xmin` have ended, so the pieces between one `xmin` and the next are whole, do not
//! overlap, and leave nothing out. The deliveries of a piece and the cursor's move are one
//! transaction, and the cursor's lock is the right to make it. A transaction that stays open for long,
//! of whatever database of the cluster, holds the cursor back; it loses nothing.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::WebhookDeliveryId;
use uuid::Uuid;

use super::rows::{ToldRow, broken, patterns};
use super::{PgWebhooks, body};
use crate::domain::webhook::Pattern;
use crate::ports::webhooks::{Followed, Told};

/// A cursor is not written for less than this many transactions without news.
const STRIDE: i64 = 1_000;

/// Where the history stands, and up to where it was followed.
struct Stand {
    tx: i64,
    xmin: i64,
    xmax: i64,
}

/// An endpoint that may want something.
struct Wanting {
    endpoint: Uuid,
    types: Vec<Pattern>,
    from: OffsetDateTime,
}

/// Rows to be inserted, column by column.
#[derive(Default)]
struct Rows {
    messages: Vec<(Uuid, Uuid, String, String)>,
    deliveries: Vec<(Uuid, Uuid, Uuid)>,
}

impl PgWebhooks {
    pub(super) async fn try_follow(&self, limit: u32) -> Result<Followed, DbError> {
        let mut tx = self.database.system_tx().await?;
        let Some(stand) = stand(tx.conn()).await? else {
            tx.rollback().await;
            return Ok(Followed::Busy);
        };
        if stand.tx > stand.xmax {
            begin_anew(tx.conn(), stand.xmin).await?;
            tx.commit().await?;
            return Ok(Followed::UpToDate(0));
        }
        let upto = match last_of_piece(tx.conn(), &stand, limit).await? {
            Some(last) => last.saturating_add(1),
            None => stand.xmin,
        };
        let made = match piece(tx.conn(), stand.tx, upto).await? {
            told if told.is_empty() => 0,
            told => make(tx.conn(), told).await?,
        };
        if made > 0 || upto - stand.tx >= STRIDE || upto < stand.xmin {
            move_cursor(tx.conn(), upto).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await;
        }
        if upto < stand.xmin {
            return Ok(Followed::More(made));
        }
        Ok(Followed::UpToDate(made))
    }
}

/// Takes the right to follow, if nobody has it. The numbers are read by a statement of its own, whose
/// snapshot is newer than what the last holder has committed.
async fn stand(conn: &mut PgConnection) -> Result<Option<Stand>, DbError> {
    let locked: Option<bool> =
        sqlx::query_scalar("select only_row from webhook_cursor for update skip locked")
            .fetch_optional(&mut *conn)
            .await?;
    if locked.is_none() {
        return Ok(None);
    }
    let (tx, xmin, xmax) = sqlx::query_as(
        "select tx,
                pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
                pg_snapshot_xmax(pg_current_snapshot())::text::bigint
         from webhook_cursor",
    )
    .fetch_one(conn)
    .await?;
    Ok(Some(Stand { tx, xmin, xmax }))
}

/// The database was restored into a cluster that counts its transactions from another number. What
/// was told before now was, or was not, delivered before.
async fn begin_anew(conn: &mut PgConnection, xmin: i64) -> Result<(), DbError> {
    tracing::warn!(
        event = "notification.webhooks_begin_anew",
        "transactions count from a lower number: webhooks go on with what is told from now on"
    );
    sqlx::query("update webhook_cursor set tx = $1, not_before = clock_timestamp()")
        .bind(xmin)
        .execute(conn)
        .await?;
    Ok(())
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

async fn piece(conn: &mut PgConnection, from: i64, upto: i64) -> Result<Vec<ToldRow>, DbError> {
    let users_max = i32::try_from(body::USERS_MAX).unwrap_or(i32::MAX);
    let told = sqlx::query_as(include_str!("select_told.sql"))
        .bind(from)
        .bind(upto)
        .bind(users_max)
        .fetch_all(conn)
        .await?;
    Ok(told)
}

/// Makes the deliveries and says how many.
async fn make(conn: &mut PgConnection, told: Vec<ToldRow>) -> Result<u64, DbError> {
    let wanting = wanting(conn, &told).await?;
    let mut rows = Rows::default();
    for row in told {
        let tenant = row.tenant_id;
        let told = Told::try_from(row)?;
        let endpoints = wanting.get(&tenant).map(Vec::as_slice).unwrap_or_default();
        let wanted = endpoints.iter().filter(|wanting| wants(wanting, &told));
        let before = rows.deliveries.len();
        let notification = told.id.as_uuid();
        rows.deliveries
            .extend(wanted.map(|wanting| (tenant, wanting.endpoint, notification)));
        if rows.deliveries.len() > before {
            let body = body::render(&told).map_err(|_unwritable| broken("a body"))?;
            rows.messages
                .push((tenant, notification, told.content.kind, body));
        }
    }
    insert_messages(conn, &rows.messages).await?;
    insert_deliveries(conn, &rows.deliveries).await
}

fn wants(wanting: &Wanting, told: &Told) -> bool {
    let kind = &told.content.kind;
    wanting.from <= told.at && wanting.types.iter().any(|pattern| pattern.matches(kind))
}

/// The endpoints of these tenants. They are kept from being deleted until the commit.
async fn wanting(
    conn: &mut PgConnection,
    told: &[ToldRow],
) -> Result<HashMap<Uuid, Vec<Wanting>>, DbError> {
    let tenants: Vec<Uuid> = told.iter().map(|row| row.tenant_id).collect();
    // Places in a stream may have a time of whole milliseconds.
    let rows: Vec<(Uuid, Uuid, Vec<String>, OffsetDateTime)> = sqlx::query_as(
        "select tenant_id, endpoint_id, types, date_trunc('milliseconds', enabled_at)
         from webhook_endpoints
         where tenant_id = any($1) and enabled
         order by tenant_id, endpoint_id
         for key share",
    )
    .bind(tenants)
    .fetch_all(conn)
    .await?;
    let mut wanting: HashMap<Uuid, Vec<Wanting>> = HashMap::new();
    for (tenant, endpoint, types, from) in rows {
        let types = patterns(&types)?;
        wanting.entry(tenant).or_default().push(Wanting {
            endpoint,
            types,
            from,
        });
    }
    Ok(wanting)
}

pub(super) async fn insert_messages(
    conn: &mut PgConnection,
    messages: &[(Uuid, Uuid, String, String)],
) -> Result<(), DbError> {
    let tenants: Vec<Uuid> = messages.iter().map(|row| row.0).collect();
    let ids: Vec<Uuid> = messages.iter().map(|row| row.1).collect();
    let types: Vec<&str> = messages.iter().map(|row| row.2.as_str()).collect();
    let bodies: Vec<&str> = messages.iter().map(|row| row.3.as_str()).collect();
    sqlx::query(
        "insert into webhook_messages (tenant_id, message_id, type, body)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
         on conflict (tenant_id, message_id) do nothing",
    )
    .bind(tenants)
    .bind(ids)
    .bind(types)
    .bind(bodies)
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_deliveries(
    conn: &mut PgConnection,
    deliveries: &[(Uuid, Uuid, Uuid)],
) -> Result<u64, DbError> {
    let tenants: Vec<Uuid> = deliveries.iter().map(|row| row.0).collect();
    let endpoints: Vec<Uuid> = deliveries.iter().map(|row| row.1).collect();
    let messages: Vec<Uuid> = deliveries.iter().map(|row| row.2).collect();
    let ids: Vec<Uuid> = deliveries
        .iter()
        .map(|_delivery| WebhookDeliveryId::new().as_uuid())
        .collect();
    let inserted = sqlx::query(
        "insert into webhook_deliveries (tenant_id, endpoint_id, message_id, delivery_id)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[])
         on conflict (tenant_id, endpoint_id, message_id) do nothing",
    )
    .bind(tenants)
    .bind(endpoints)
    .bind(messages)
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected())
}

async fn move_cursor(conn: &mut PgConnection, upto: i64) -> Result<(), DbError> {
    sqlx::query("update webhook_cursor set tx = $1")
        .bind(upto)
        .execute(conn)
        .await?;
    Ok(())
}
