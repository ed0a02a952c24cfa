//! What a tenant manages: every method is one transaction of its tenant.

use async_trait::async_trait;
use sqlx::PgConnection;
use tradepost_notifications::stream::UserName;
use tradepost_postgres::DbError;
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_types::{EmailId, TenantId};

use super::PgEmails;
use super::queue::END_WAITING;
use super::rows::{EmailRow, MailboxRow, email_columns, mailbox_columns, state_name};
use crate::domain::email::EmailAddress;
use crate::ports::RequestKey;
use crate::ports::email::{Email, EmailDesk, EmailError, EmailState, ListedAfter, Mailbox};

const RESEND: &str = "ResendEmail";

#[async_trait]
impl EmailDesk for PgEmails {
    async fn put(
        &self,
        tenant: TenantId,
        user: &UserName,
        address: &EmailAddress,
    ) -> Result<Mailbox, EmailError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let row: MailboxRow = sqlx::query_as(concat!(
            "insert into email_addresses (tenant_id, user_id, address) values ($1, $2, $3)
             on conflict (tenant_id, user_id) do update
             set address = excluded.address, refused_at = null, updated_at = clock_timestamp()
             returning ",
            mailbox_columns!()
        ))
        .bind(tenant.as_uuid())
        .bind(user.as_str())
        .bind(address.expose())
        .fetch_one(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(row.try_into()?)
    }

    async fn load(&self, tenant: TenantId, user: &UserName) -> Result<Mailbox, EmailError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let row: Option<MailboxRow> = sqlx::query_as(concat!(
            "select ",
            mailbox_columns!(),
            " from email_addresses where tenant_id = $1 and user_id = $2"
        ))
        .bind(tenant.as_uuid())
        .bind(user.as_str())
        .fetch_optional(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        Ok(row.ok_or(EmailError::NoAddress)?.try_into()?)
    }

    async fn delete(&self, tenant: TenantId, user: &UserName) -> Result<(), EmailError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        // Whoever follows the history keeps it until the commit; what that made is seen below.
        for statement in [
            "delete from email_addresses where tenant_id = $1 and user_id = $2",
            END_WAITING,
        ] {
            sqlx::query(statement)
                .bind(tenant.as_uuid())
                .bind(user.as_str())
                .execute(tx.conn())
                .await
                .map_err(DbError::from)?;
        }
        Ok(tx.commit().await?)
    }

    async fn list(
        &self,
        tenant: TenantId,
        user: &UserName,
        state: Option<EmailState>,
        (after, limit): (Option<ListedAfter>, i64),
    ) -> Result<Vec<Email>, EmailError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let rows: Vec<EmailRow> = sqlx::query_as(concat!(
            "select ",
            email_columns!(),
            " from emails e
             join email_messages m
                 on m.tenant_id = e.tenant_id and m.notification_id = e.notification_id
             where e.tenant_id = $1 and e.user_id = $2 and ($3::text is null or e.state = $3)
               and ($4::timestamptz is null or (e.created_at, e.email_id) < ($4, $5))
             order by e.created_at desc, e.email_id desc limit $6"
        ))
        .bind(tenant.as_uuid())
        .bind(user.as_str())
        .bind(state.map(state_name))
        .bind(after.map(|after| after.created_at))
        .bind(after.map(|after| after.id.as_uuid()))
        .bind(limit)
        .fetch_all(tx.conn())
        .await
        .map_err(DbError::from)?;
        tx.commit().await?;
        let emails: Result<Vec<Email>, DbError> = rows.into_iter().map(Email::try_from).collect();
        Ok(emails?)
    }

    async fn resend(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        id: EmailId,
    ) -> Result<Email, EmailError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let claim = idempotency::claim(tx.conn(), tenant, RESEND, &key.id, &key.fingerprint);
        match claim.await? {
            Claim::Mismatch => return Err(EmailError::RequestIdReused),
            Claim::Replay(_id) => {}
            Claim::Fresh => {
                let email = email(tx.conn(), tenant, id).await?;
                make_due(tx.conn(), tenant, &email).await?;
                let id = email.id.as_uuid();
                idempotency::complete(tx.conn(), tenant, RESEND, &key.id, id.as_bytes()).await?;
            }
        }
        let email = email(tx.conn(), tenant, id).await?;
        tx.commit().await?;
        Ok(email)
    }
}

async fn email(
    conn: &mut PgConnection,
    tenant: TenantId,
    id: EmailId,
) -> Result<Email, EmailError> {
    let row: Option<EmailRow> = sqlx::query_as(concat!(
        "select ",
        email_columns!(),
        " from emails e
         join email_messages m
             on m.tenant_id = e.tenant_id and m.notification_id = e.notification_id
         where e.tenant_id = $1 and e.email_id = $2"
    ))
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_optional(conn)
    .await
    .map_err(DbError::from)?;
    Ok(row.ok_or(EmailError::NoEmail)?.try_into()?)
}

/// Makes it due, if its user has an address, which stays until the commit.
async fn make_due(
    conn: &mut PgConnection,
    tenant: TenantId,
    email: &Email,
) -> Result<(), EmailError> {
    let address: Option<i32> = sqlx::query_scalar(
        "select 1 from email_addresses
         where tenant_id = $1 and user_id = $2 and refused_at is null
         for share",
    )
    .bind(tenant.as_uuid())
    .bind(&email.user)
    .fetch_optional(&mut *conn)
    .await
    .map_err(DbError::from)?;
    if address.is_none() {
        return Err(EmailError::NoAddress);
    }
    // Whoever is at it notes nothing any more.
    sqlx::query(
        "update emails
         set state = 'pending', attempts = 0, next_attempt_at = clock_timestamp(),
             leased_until = null, lease = lease + 1
         where tenant_id = $1 and email_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(email.id.as_uuid())
    .execute(conn)
    .await
    .map_err(DbError::from)?;
    Ok(())
}
