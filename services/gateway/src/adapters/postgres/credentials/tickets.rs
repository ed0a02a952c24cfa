//! Tickets for connections: a ticket is a row that is deleted by whoever takes it.

use async_trait::async_trait;
use sqlx::FromRow;
use time::OffsetDateTime;
use tradepost_postgres::{DbError, retrying};
use tradepost_types::{ClientId, SessionId, TenantId};
use uuid::Uuid;

use super::{PgCredentials, broken};
use crate::domain::caller::{Caller, Plan, Proof, Subject, Verified};
use crate::domain::revocation::Basis;
use crate::domain::rights::{Rights, Role};
use crate::ports::credentials::TicketStore;
use crate::ports::identity::StoreError;

#[async_trait]
impl TicketStore for PgCredentials {
    async fn keep(
        &self,
        hash: &[u8; 32],
        tenant: TenantId,
        verified: &Verified,
    ) -> Result<OffsetDateTime, StoreError> {
        let kept = retrying(|| self.try_keep_ticket(hash, tenant, verified)).await;
        kept.map_err(StoreError::from)
    }

    /// Once: when nobody knows whether it was taken, it was.
    async fn take(&self, hash: &[u8; 32]) -> Result<Option<Verified>, StoreError> {
        let row = self.delete_ticket(hash).await.map_err(StoreError::from)?;
        let good = row.filter(|row| row.is_good);
        let verified = good.map(Row::into_verified).transpose();
        verified.map_err(StoreError::from)
    }
}

#[derive(FromRow)]
struct Row {
    tenant_id: Uuid,
    subject: String,
    role: String,
    scope: String,
    session_id: Option<Uuid>,
    token_id: Option<Uuid>,
    client_id: Option<Uuid>,
    proof_at: Option<OffsetDateTime>,
    issued_at: OffsetDateTime,
    credentials_expire_at: Option<OffsetDateTime>,
    is_good: bool,
}

impl PgCredentials {
    async fn try_keep_ticket(
        &self,
        hash: &[u8; 32],
        tenant: TenantId,
        Verified { caller, basis }: &Verified,
    ) -> Result<OffsetDateTime, DbError> {
        let proof_at = match caller.proof {
            Proof::Secret => None,
            Proof::SecondFactor { at } => Some(at),
        };
        let mut tx = self.database.tenant_tx(tenant).await?;
        let expires_at = sqlx::query_scalar(
            "insert into connection_tickets
                 (tenant_id, ticket_hash, subject, role, scope, session_id, token_id, client_id,
                  proof_at, issued_at, credentials_expire_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
                 clock_timestamp() + interval '30 seconds')
             returning expires_at",
        )
        .bind(tenant.as_uuid())
        .bind(hash.as_slice())
        .bind(caller.subject.to_string())
        .bind(caller.role.as_str())
        .bind(caller.rights.to_string())
        .bind(basis.session.map(|id| id.as_uuid()))
        .bind(basis.token)
        .bind(basis.client.map(|id| id.as_uuid()))
        .bind(proof_at)
        .bind(basis.issued_at)
        .bind(caller.expires_at)
        .fetch_one(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(expires_at)
    }

    async fn delete_ticket(&self, hash: &[u8; 32]) -> Result<Option<Row>, DbError> {
        let mut tx = self.database.system_tx().await?;
        let row = sqlx::query_as(
            "delete from connection_tickets where ticket_hash = $1
             returning tenant_id, subject, role, scope, session_id, token_id, client_id, proof_at,
                 issued_at, credentials_expire_at, expires_at > clock_timestamp() as is_good",
        )
        .bind(hash.as_slice())
        .fetch_optional(tx.conn())
        .await?;
        tx.commit().await?;
        Ok(row)
    }
}

impl Row {
    fn into_verified(self) -> Result<Verified, DbError> {
        let subject: Subject = self.subject.parse().map_err(|_unknown| broken("subject"))?;
        let role: Role = self.role.parse().map_err(|_unknown| broken("role"))?;
        let scope: Rights = self.scope.parse().map_err(|_unknown| broken("scope"))?;
        let tenant = Some(TenantId::from_uuid(self.tenant_id));
        let session = self.session_id.map(SessionId::from_uuid);
        let client = self.client_id.map(ClientId::from_uuid);
        let caller = Caller {
            subject,
            tenant,
            role,
            rights: role.rights().and(scope),
            session,
            client,
            plan: Plan::default(),
            proof: self
                .proof_at
                .map_or(Proof::Secret, |at| Proof::SecondFactor { at }),
            expires_at: self.credentials_expire_at,
        };
        let basis = Basis {
            issued_at: self.issued_at,
            subject,
            tenant,
            session,
            token: self.token_id,
            client,
        };
        Ok(Verified { caller, basis })
    }
}
