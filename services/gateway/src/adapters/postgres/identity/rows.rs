//! Rows, and what they mean.

use std::collections::BTreeMap;

use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use tradepost_types::{SessionId, TenantId, UserId};
use uuid::Uuid;

use crate::domain::membership::Member;
use crate::domain::rights::Role;
use crate::domain::session::Session;
use crate::domain::tenant::{Features, Tenant};
use crate::ports::identity::StoreError;

/// A row that this binary cannot read.
#[derive(Debug, thiserror::Error)]
#[error("row {row}: {what}")]
pub(super) struct FaultyRow {
    row: String,
    what: String,
}

impl From<FaultyRow> for StoreError {
    fn from(fault: FaultyRow) -> Self {
        Self::Faulty(fault.into())
    }
}

/// A value that a column holds as text.
pub(super) fn read<T, E: std::fmt::Display>(
    row: impl std::fmt::Display,
    read: Result<T, E>,
) -> Result<T, FaultyRow> {
    read.map_err(|error| FaultyRow {
        row: row.to_string(),
        what: error.to_string(),
    })
}

/// The columns of a [`TenantRow`], of a table that is called `t`.
macro_rules! tenant_columns {
    () => {
        "t.tenant_id, t.name, t.plan, t.state, t.features, t.cors_origins, t.created_at, \
         t.updated_at"
    };
}
pub(super) use tenant_columns;

#[derive(FromRow)]
pub(super) struct TenantRow {
    tenant_id: Uuid,
    name: String,
    plan: String,
    state: String,
    features: Json<BTreeMap<String, bool>>,
    cors_origins: Vec<String>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TenantRow {
    pub(super) fn into_tenant(self) -> Result<Tenant, FaultyRow> {
        let id = TenantId::from_uuid(self.tenant_id);
        let origins = self
            .cors_origins
            .iter()
            .map(|origin| read(id, origin.parse()));
        Ok(Tenant {
            id,
            name: read(id, self.name.parse())?,
            plan: read(id, self.plan.parse())?,
            state: read(id, self.state.parse())?,
            features: read(id, Features::new(self.features.0))?,
            cors_origins: origins.collect::<Result<_, _>>()?,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(FromRow)]
pub(super) struct MemberRow {
    tenant_id: Uuid,
    user_id: Uuid,
    email: String,
    role: String,
    created_at: OffsetDateTime,
}

impl MemberRow {
    pub(super) fn into_member(self) -> Result<Member, FaultyRow> {
        let user = UserId::from_uuid(self.user_id);
        Ok(Member {
            tenant: TenantId::from_uuid(self.tenant_id),
            user,
            email: read(user, self.email.parse())?,
            role: role(user, &self.role)?,
            created_at: self.created_at,
        })
    }
}

/// What a member is; a membership never says `operator`.
pub(super) fn role(user: UserId, text: &str) -> Result<Role, FaultyRow> {
    read(user, text.parse())
}

#[derive(FromRow)]
pub(super) struct SessionRow {
    session_id: Uuid,
    user_id: Uuid,
    tenant_id: Option<Uuid>,
    client_id: String,
    device: String,
    address: String,
    created_at: OffsetDateTime,
    last_used_at: OffsetDateTime,
    expires_at: OffsetDateTime,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: SessionId::from_uuid(row.session_id),
            user: UserId::from_uuid(row.user_id),
            tenant: row.tenant_id.map(TenantId::from_uuid),
            client: row.client_id,
            device: row.device,
            address: row.address,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        }
    }
}
