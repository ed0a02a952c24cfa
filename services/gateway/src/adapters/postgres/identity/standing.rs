//! What a user may be issued now, under locks that a revocation waits for.

use sqlx::PgConnection;
use tradepost_types::{TenantId, UserId};

use super::rows;
use crate::domain::rights::Role;
use crate::ports::identity::StoreError;

/// What the user is in the tenant (or on the platform), if they may use it. Until the end of the
/// transaction neither changes; whoever changes it later revokes what was issued until then.
pub(in crate::adapters::postgres) async fn lock(
    conn: &mut PgConnection,
    user: UserId,
    tenant: Option<TenantId>,
) -> Result<Option<Role>, StoreError> {
    let found: Option<(bool, bool)> = sqlx::query_as(
        "select state = 'active', is_operator from users where user_id = $1 for share",
    )
    .bind(user.as_uuid())
    .fetch_optional(&mut *conn)
    .await?;
    let Some((true, is_operator)) = found else {
        return Ok(None);
    };
    let Some(tenant) = tenant else {
        return Ok(is_operator.then_some(Role::Operator));
    };
    let found: Option<(String, bool)> = sqlx::query_as(
        "select m.role, t.state = 'active'
         from memberships m
         join tenants t on t.tenant_id = m.tenant_id
         where m.tenant_id = $1 and m.user_id = $2
         for share of m, t",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(conn)
    .await?;
    match found {
        Some((role, true)) => Ok(Some(rows::role(user, &role)?)),
        Some((_, false)) | None => Ok(None),
    }
}
