//! Groups.

use async_trait::async_trait;
use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_postgres::{DbError, retrying};
use tradepost_types::TenantId;

use super::streams::{seq, unreadable};
use super::{PgNotifications, members};
use crate::ports::{Group, Groups, Joined, MemberChange, StoreError};

/// Groups of a tenant.
const GROUPS_MAX: i64 = 10_000;

// One group of a tenant is made at a time, so that the bound holds.
const LOCK: &str = "select pg_advisory_xact_lock(hashtextextended('notification.groups', 0)
    # hashtextextended($1::text, 1))";
const RENAME: &str = "update groups set display_name = $3 where tenant_id = $1 and group_id = $2
    returning group_id, display_name, last_seq";
const INSERT: &str = "insert into groups (tenant_id, group_id, display_name)
    select $1, $2, $3
    where (select count(*) from groups where tenant_id = $1) < $4
    on conflict (tenant_id, group_id) do update set display_name = excluded.display_name
    returning group_id, display_name, last_seq";
const LIST: &str = "select group_id, display_name, last_seq from groups
    where tenant_id = $1 and group_id > $2 order by group_id limit $3";
const LIST_OF: &str = "select g.group_id, g.display_name, g.last_seq
    from members m
    join groups g on g.tenant_id = m.tenant_id and g.group_id = m.group_id
    where m.tenant_id = $1 and m.user_id = $4 and m.group_id > $2 and m.left_at_seq is null
    order by m.group_id limit $3";

type Row = (String, String, i64);

#[async_trait]
impl Groups for PgNotifications {
    async fn exists(&self, tenant: TenantId, group: &GroupName) -> Result<bool, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let exists = members::exists(tx.conn(), tenant, group).await?;
        tx.commit().await?;
        Ok(exists)
    }

    async fn put(
        &self,
        tenant: TenantId,
        group: &GroupName,
        display_name: &str,
    ) -> Result<Option<Group>, StoreError> {
        let put = retrying(|| self.put_once(tenant, group, display_name)).await?;
        Ok(put.map(read).transpose()?)
    }

    async fn list(
        &self,
        tenant: TenantId,
        user: Option<&UserName>,
        after: Option<&GroupName>,
        limit: i64,
    ) -> Result<Vec<Group>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let statement = user.map_or(LIST, |_| LIST_OF);
        let list = sqlx::query_as(statement)
            .bind(tenant.as_uuid())
            .bind(after.map_or("", GroupName::as_str))
            .bind(limit);
        let list = match user {
            Some(user) => list.bind(user.as_str()),
            None => list,
        };
        let rows: Vec<Row> = list.fetch_all(tx.conn()).await.map_err(DbError::from)?;
        tx.commit().await?;
        let groups: Result<Vec<Group>, DbError> = rows.into_iter().map(read).collect();
        Ok(groups?)
    }

    async fn join(
        &self,
        tenant: TenantId,
        group: &GroupName,
        users: &[UserName],
    ) -> Result<Joined, StoreError> {
        Ok(retrying(|| self.join_once(tenant, group, users)).await?)
    }

    async fn leave(
        &self,
        tenant: TenantId,
        group: &GroupName,
        users: &[UserName],
    ) -> Result<Option<Vec<MemberChange>>, StoreError> {
        Ok(retrying(|| self.leave_once(tenant, group, users)).await?)
    }

    async fn members(
        &self,
        tenant: TenantId,
        group: &GroupName,
        after: Option<&UserName>,
        limit: i64,
    ) -> Result<Option<Vec<UserName>>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        if !members::exists(tx.conn(), tenant, group).await? {
            return Ok(None);
        }
        let members = members::list(tx.conn(), (tenant, group), after, limit).await?;
        tx.commit().await?;
        Ok(Some(members))
    }
}

impl PgNotifications {
    async fn put_once(
        &self,
        tenant: TenantId,
        group: &GroupName,
        display_name: &str,
    ) -> Result<Option<Row>, DbError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let renamed: Option<Row> = sqlx::query_as(RENAME)
            .bind(tenant.as_uuid())
            .bind(group.as_str())
            .bind(display_name)
            .fetch_optional(tx.conn())
            .await?;
        if renamed.is_some() {
            tx.commit().await?;
            return Ok(renamed);
        }
        sqlx::query(LOCK)
            .bind(tenant.as_uuid().to_string())
            .execute(tx.conn())
            .await?;
        let made: Option<Row> = sqlx::query_as(INSERT)
            .bind(tenant.as_uuid())
            .bind(group.as_str())
            .bind(display_name)
            .bind(GROUPS_MAX)
            .fetch_optional(tx.conn())
            .await?;
        tx.commit().await?;
        Ok(made)
    }
}

fn read((id, display_name, last_seq): Row) -> Result<Group, DbError> {
    Ok(Group {
        id: id.parse().map_err(unreadable)?,
        display_name,
        top: seq(last_seq),
    })
}
