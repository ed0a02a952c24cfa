//! Tenants, for those who run the platform.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::PgConnection;
use sqlx::types::Json;
use tradepost_postgres::idempotency::{self, Claim};
use tradepost_postgres::retrying;
use tradepost_types::{TenantId, UserId};
use uuid::Uuid;

use super::rows::{TenantRow, read, tenant_columns};
use super::users::{insert_member, insert_user, take_address};
use super::{PgIdentity, trail};
use crate::adapters::postgres::revocation;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::rights::Role;
use crate::domain::tenant::{Origin, Tenant, TenantState};
use crate::ports::identity::{
    Author, Made, MemberError, NewTenant, RequestKey, StoreError, TenantChange, TenantError,
    TenantStore,
};

/// The name of the call in the idempotency keys.
const CREATE_TENANT: &str = "CreateTenant";
/// Whose key it is when it is no tenant's.
const PLATFORM: TenantId = TenantId::from_uuid(Uuid::nil());

#[async_trait]
impl TenantStore for PgIdentity {
    async fn add(
        &self,
        new: &NewTenant,
        key: &RequestKey,
        author: &Author,
    ) -> Result<Made<Tenant>, TenantError> {
        retrying(|| self.add_tenant_once(new, key, author)).await
    }

    async fn find(&self, tenant: TenantId) -> Result<Option<Tenant>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let found = find(tx.conn(), tenant).await?;
        tx.rollback().await;
        Ok(found)
    }

    async fn list(&self, after: Option<TenantId>, limit: i64) -> Result<Vec<Tenant>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let rows: Vec<TenantRow> = sqlx::query_as(concat!(
            "select ",
            tenant_columns!(),
            " from tenants t
              where $1::uuid is null or t.tenant_id > $1
              order by t.tenant_id
              limit $2"
        ))
        .bind(after.map(TenantId::as_uuid))
        .bind(limit)
        .fetch_all(tx.conn())
        .await?;
        tx.rollback().await;
        let tenants = rows.into_iter().map(TenantRow::into_tenant);
        Ok(tenants.collect::<Result<_, _>>()?)
    }

    async fn change(
        &self,
        tenant: TenantId,
        change: &TenantChange,
        author: &Author,
    ) -> Result<Tenant, TenantError> {
        retrying(|| self.change_once(tenant, change, author)).await
    }

    async fn set_state(
        &self,
        tenant: TenantId,
        state: TenantState,
        author: &Author,
    ) -> Result<Tenant, TenantError> {
        retrying(|| self.set_state_once(tenant, state, author)).await
    }

    async fn revoke(&self, tenant: TenantId, author: &Author) -> Result<Revocation, TenantError> {
        retrying(|| self.revoke_tenant_once(tenant, author)).await
    }
}

async fn find(conn: &mut PgConnection, tenant: TenantId) -> Result<Option<Tenant>, StoreError> {
    let row: Option<TenantRow> = sqlx::query_as(concat!(
        "select ",
        tenant_columns!(),
        " from tenants t where t.tenant_id = $1"
    ))
    .bind(tenant.as_uuid())
    .fetch_optional(conn)
    .await?;
    Ok(row.map(TenantRow::into_tenant).transpose()?)
}

/// The owner of a tenant to be made: who is there, or who is made with it.
async fn owner(conn: &mut PgConnection, new: &NewTenant) -> Result<UserId, TenantError> {
    let there = take_address(conn, &new.owner_email).await?;
    match (there, &new.owner_password_hash) {
        (Some(user), None) => Ok(user),
        (Some(_), Some(_)) => Err(TenantError::OwnerThere),
        (None, None) => Err(TenantError::OwnerMissing),
        (None, Some(hash)) => {
            let made = insert_user(conn, new.owner, &new.owner_email, Some(hash), false).await;
            made.map_err(|error| match error {
                MemberError::Store(error) => TenantError::Store(error),
                MemberError::EmailTaken
                | MemberError::NotFound
                | MemberError::KeyReused
                | MemberError::Rule(_) => TenantError::OwnerThere,
            })?;
            Ok(new.owner)
        }
    }
}

impl PgIdentity {
    async fn add_tenant_once(
        &self,
        new: &NewTenant,
        key: &RequestKey,
        author: &Author,
    ) -> Result<Made<Tenant>, TenantError> {
        let mut tx = self.database.system_tx().await?;
        let (request_id, print) = (key.request_id.as_str(), &key.fingerprint);
        let claim =
            idempotency::claim(tx.conn(), PLATFORM, CREATE_TENANT, request_id, print).await?;
        let (tenant, is_replayed) = match claim {
            Claim::Fresh => (new.tenant, false),
            Claim::Mismatch => {
                tx.rollback().await;
                return Err(TenantError::KeyReused);
            }
            Claim::Replay(answer) => {
                let tenant = read("idempotency key", Uuid::from_slice(&answer));
                (TenantId::from_uuid(tenant.map_err(StoreError::from)?), true)
            }
        };
        if !is_replayed {
            let owner = owner(tx.conn(), new).await?;
            sqlx::query("insert into tenants (tenant_id, name, plan) values ($1, $2, $3)")
                .bind(tenant.as_uuid())
                .bind(new.name.as_str())
                .bind(new.plan.as_str())
                .execute(tx.conn())
                .await?;
            insert_member(tx.conn(), tenant, owner, Role::Owner).await?;
            let entry = trail::done(author, None, "tenant.create")
                .on(tenant)
                .with("plan", new.plan.as_str())
                .with("owner", owner);
            let answer = new.tenant.as_uuid();
            let answer = answer.as_bytes();
            idempotency::complete(tx.conn(), PLATFORM, CREATE_TENANT, request_id, answer).await?;
            trail::append(tx.conn(), &entry).await?;
        }
        let made = find(tx.conn(), tenant).await?;
        match is_replayed {
            true => tx.rollback().await,
            false => tx.commit().await?,
        }
        let made = made.ok_or(TenantError::NotFound)?;
        Ok(Made { made, is_replayed })
    }

    async fn change_once(
        &self,
        tenant: TenantId,
        change: &TenantChange,
        author: &Author,
    ) -> Result<Tenant, TenantError> {
        let mut tx = self.database.system_tx().await?;
        let origins = change.cors_origins.as_ref().map(|origins| {
            let origins = origins.iter().map(Origin::as_str);
            origins.map(str::to_owned).collect::<Vec<String>>()
        });
        let features: Option<Json<&BTreeMap<String, bool>>> = change
            .features
            .as_ref()
            .map(|features| Json(features.flags()));
        let row: Option<TenantRow> = sqlx::query_as(concat!(
            "update tenants t
             set name = coalesce($2, t.name), plan = coalesce($3, t.plan),
                 features = coalesce($4, t.features), cors_origins = coalesce($5, t.cors_origins),
                 updated_at = clock_timestamp()
             where t.tenant_id = $1
             returning ",
            tenant_columns!()
        ))
        .bind(tenant.as_uuid())
        .bind(change.name.as_ref().map(|name| name.as_str().to_owned()))
        .bind(change.plan.map(crate::domain::caller::Plan::as_str))
        .bind(features)
        .bind(origins)
        .fetch_optional(tx.conn())
        .await?;
        let row = row.ok_or(TenantError::NotFound)?;
        let changed = row.into_tenant().map_err(StoreError::from)?;
        let mut entry = trail::done(author, None, "tenant.change").on(tenant);
        let fields = [
            ("name", change.name.is_some()),
            ("plan", change.plan.is_some()),
            ("features", change.features.is_some()),
            ("cors_origins", change.cors_origins.is_some()),
        ];
        for (field, _) in fields.iter().filter(|(_, is_set)| *is_set) {
            entry = entry.with(field, "changed");
        }
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn set_state_once(
        &self,
        tenant: TenantId,
        state: TenantState,
        author: &Author,
    ) -> Result<Tenant, TenantError> {
        let mut tx = self.database.system_tx().await?;
        let row: Option<TenantRow> = sqlx::query_as(concat!(
            "update tenants t set state = $2, updated_at = clock_timestamp()
             where t.tenant_id = $1
             returning ",
            tenant_columns!()
        ))
        .bind(tenant.as_uuid())
        .bind(state.as_str())
        .fetch_optional(tx.conn())
        .await?;
        let row = row.ok_or(TenantError::NotFound)?;
        let changed = row.into_tenant().map_err(StoreError::from)?;
        let action = match state {
            TenantState::Active => "tenant.resume",
            TenantState::Suspended => "tenant.suspend",
        };
        let entry = trail::done(author, None, action).on(tenant);
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(changed)
    }

    async fn revoke_tenant_once(
        &self,
        tenant: TenantId,
        author: &Author,
    ) -> Result<Revocation, TenantError> {
        let mut tx = self.database.system_tx().await?;
        let found: Option<Uuid> =
            sqlx::query_scalar("select tenant_id from tenants where tenant_id = $1 for update")
                .bind(tenant.as_uuid())
                .fetch_optional(tx.conn())
                .await?;
        if found.is_none() {
            return Err(TenantError::NotFound);
        }
        let ended = sqlx::query(
            "update sessions set revoked_at = clock_timestamp(), revoked_reason = 'tenant revoked'
             where tenant_id = $1 and revoked_at is null and expires_at > now()",
        )
        .bind(tenant.as_uuid())
        .execute(tx.conn())
        .await?;
        let revoked = revocation::revoke(tx.conn(), Revoked::Tenant(tenant)).await?;
        let entry = trail::done(author, None, "tenant.revoke")
            .on(tenant)
            .with("sessions", ended.rows_affected());
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(revoked)
    }
}
