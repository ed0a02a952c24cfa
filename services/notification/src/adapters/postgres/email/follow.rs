//! Who is to be mailed what was told.

use async_trait::async_trait;
use futures::TryStreamExt;
use sqlx::{FromRow, PgConnection};
use tradepost_postgres::DbError;
use tradepost_types::EmailId;
use uuid::Uuid;

use super::super::channels::{CursorSql, MakePiece, cursor_sql};
use super::super::preferences::WishesRow;
use super::PgEmails;

/// The cursor of e-mail.
pub(super) const CURSOR: CursorSql = cursor_sql!("email_cursor", "email");

/// Rows inserted by one statement.
const CHUNK: usize = 5_000;

/// A user who may want what was told.
#[derive(Debug, FromRow)]
struct MayWant {
    tenant_id: Uuid,
    notification_id: Uuid,
    user_id: String,
    kind: String,
    #[sqlx(flatten)]
    wishes: WishesRow,
}

/// A user who does.
struct Wants {
    tenant: Uuid,
    notification: Uuid,
    user: String,
}

#[async_trait]
impl MakePiece for PgEmails {
    async fn make(&self, conn: &mut PgConnection, from: i64, upto: i64) -> Result<u64, DbError> {
        let wanting = wanting(conn, (from, upto), self.late_hours_max).await?;
        let mut made = 0;
        for some in wanting.chunks(CHUNK) {
            insert_messages(conn, (from, upto), some).await?;
            made += insert_emails(conn, some).await?;
        }
        Ok(made)
    }
}

/// Who wants what of the piece. Their addresses stay as they are until the commit.
async fn wanting(
    conn: &mut PgConnection,
    (from, upto): (i64, i64),
    late_hours_max: u32,
) -> Result<Vec<Wants>, DbError> {
    let mut rows = sqlx::query_as::<_, MayWant>(include_str!("select_wanting.sql"))
        .bind(from)
        .bind(upto)
        .bind(i64::from(late_hours_max))
        .fetch(conn);
    let mut wanting = Vec::new();
    // One by one: of many who may want it only those who do are held.
    while let Some(row) = rows.try_next().await? {
        if row.wishes.read().wants_email(&row.kind) {
            wanting.push(Wants {
                tenant: row.tenant_id,
                notification: row.notification_id,
                user: row.user_id,
            });
        }
    }
    Ok(wanting)
}

async fn insert_messages(
    conn: &mut PgConnection,
    (from, upto): (i64, i64),
    wanting: &[Wants],
) -> Result<(), DbError> {
    let tenants: Vec<Uuid> = wanting.iter().map(|wants| wants.tenant).collect();
    let notifications: Vec<Uuid> = wanting.iter().map(|wants| wants.notification).collect();
    sqlx::query(
        "insert into email_messages (tenant_id, notification_id, type, title, message, told_at)
         select distinct on (n.tenant_id, n.id) n.tenant_id, n.id, n.content->>'type',
             n.content->>'title', n.content->>'message', n.created_at
         from notifications n
         where n.tx >= $1 and n.tx < $2
           and (n.tenant_id, n.id) in (select * from unnest($3::uuid[], $4::uuid[]))
         order by n.tenant_id, n.id, n.created_at
         on conflict (tenant_id, notification_id) do nothing",
    )
    .bind(from)
    .bind(upto)
    .bind(tenants)
    .bind(notifications)
    .execute(conn)
    .await?;
    Ok(())
}

async fn insert_emails(conn: &mut PgConnection, wanting: &[Wants]) -> Result<u64, DbError> {
    let tenants: Vec<Uuid> = wanting.iter().map(|wants| wants.tenant).collect();
    let ids: Vec<Uuid> = wanting
        .iter()
        .map(|_wants| EmailId::new().as_uuid())
        .collect();
    let users: Vec<&str> = wanting.iter().map(|wants| wants.user.as_str()).collect();
    let notifications: Vec<Uuid> = wanting.iter().map(|wants| wants.notification).collect();
    let inserted = sqlx::query(
        "insert into emails (tenant_id, email_id, user_id, notification_id)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[])
         on conflict (tenant_id, user_id, notification_id) do nothing",
    )
    .bind(tenants)
    .bind(ids)
    .bind(users)
    .bind(notifications)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected())
}
