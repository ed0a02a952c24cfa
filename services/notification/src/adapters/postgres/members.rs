//! Memberships: they begin and end where the group's stream stands.
//!
//! Whoever changes some locks the users' own streams first and then the group's: in that order tell
//! all who tell. So changes of one user come one after the other, and none falls into a broadcast.

use sqlx::PgConnection;
use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_postgres::DbError;
use tradepost_types::TenantId;

use super::PgNotifications;
use super::streams::{seq, unreadable};
use crate::ports::{Joined, MemberChange, Reader};

/// Groups that a user may be in.
const GROUPS_OF_USER_MAX: i64 = 100;

// A user of whom nothing is known has a stream from now on.
const TOUCH_USERS: &str = "insert into user_streams (tenant_id, user_id)
    select $1, u.user_id from unnest($2::text[]) with ordinality as u (user_id, place)
    order by place
    on conflict (tenant_id, user_id) do nothing";
const LOCK_USERS: &str = "select from user_streams
    where tenant_id = $1 and user_id = any($2)
    order by user_id
    for no key update";
const LOCK_GROUP: &str = "select from groups where tenant_id = $1 and group_id = $2 for share";

// Who was a member up to where the stream stands missed nothing: the same membership goes on.
const RETURN: &str = "update members m
    set left_at_seq = null, left_at = null, stood = g.last_seq,
        version = nextval('member_versions'), tx = pg_current_xact_id()::text::bigint
    from groups g
    where g.tenant_id = $1 and g.group_id = $2
      and m.tenant_id = g.tenant_id and m.group_id = g.group_id
      and m.user_id = any($3) and m.left_at_seq = g.last_seq
    returning m.user_id, m.stood, m.version";
const JOIN: &str = "insert into members
        (tenant_id, user_id, group_id, joined_after, joined_at, read_seq, stood)
    select g.tenant_id, u.user_id, g.group_id, g.last_seq, g.last_at, g.last_seq, g.last_seq
    from groups g
    cross join unnest($3::text[]) as u (user_id)
    where g.tenant_id = $1 and g.group_id = $2
      and not exists (select from members m
                      where m.tenant_id = g.tenant_id and m.group_id = g.group_id
                        and m.user_id = u.user_id and m.left_at_seq is null)
    returning user_id, stood, version";
const FULL: &str = "select user_id from members
    where tenant_id = $1 and user_id = any($2) and left_at_seq is null
    group by user_id
    having count(*) > $3
    order by user_id limit 1";
const LEAVE: &str = "update members m
    set left_at_seq = g.last_seq, left_at = g.last_at, read_seq = g.last_seq, stood = g.last_seq,
        version = nextval('member_versions'), tx = pg_current_xact_id()::text::bigint
    from groups g
    where g.tenant_id = $1 and g.group_id = $2
      and m.tenant_id = g.tenant_id and m.group_id = g.group_id
      and m.user_id = any($3) and m.left_at_seq is null
    returning m.user_id, m.stood, m.version";
const LIST: &str = "select user_id from members
    where tenant_id = $1 and group_id = $2 and user_id > $3 and left_at_seq is null
    order by user_id limit $4";

pub(super) async fn exists(
    conn: &mut PgConnection,
    tenant: TenantId,
    group: &GroupName,
) -> Result<bool, DbError> {
    let exists = sqlx::query_scalar(
        "select exists (select from groups where tenant_id = $1 and group_id = $2)",
    )
    .bind(tenant.as_uuid())
    .bind(group.as_str())
    .fetch_one(conn)
    .await?;
    Ok(exists)
}

/// The members of a group, by id after that one.
pub(super) async fn list(
    conn: &mut PgConnection,
    (tenant, group): (TenantId, &GroupName),
    after: Option<&UserName>,
    limit: i64,
) -> Result<Vec<UserName>, DbError> {
    let members: Vec<String> = sqlx::query_scalar(LIST)
        .bind(tenant.as_uuid())
        .bind(group.as_str())
        .bind(after.map_or("", UserName::as_str))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    let names = members.iter().map(|name| name.parse().map_err(unreadable));
    names.collect()
}

impl PgNotifications {
    pub(super) async fn join_once(
        &self,
        tenant: TenantId,
        group: &GroupName,
        users: &[UserName],
    ) -> Result<Joined, DbError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let change = Change::new(tenant, group, users);
        if !change.lock(tx.conn()).await? {
            tx.rollback().await;
            return Ok(Joined::NoGroup);
        }
        let mut joined = change.make(tx.conn(), RETURN).await?;
        joined.extend(change.make(tx.conn(), JOIN).await?);
        if let Some(user) = change.full(tx.conn()).await? {
            tx.rollback().await;
            return Ok(Joined::TooMany(user));
        }
        tx.commit().await?;
        change.changes(joined, true).map(Joined::Done)
    }

    pub(super) async fn leave_once(
        &self,
        tenant: TenantId,
        group: &GroupName,
        users: &[UserName],
    ) -> Result<Option<Vec<MemberChange>>, DbError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let change = Change::new(tenant, group, users);
        if !change.lock(tx.conn()).await? {
            tx.rollback().await;
            return Ok(None);
        }
        let left = change.make(tx.conn(), LEAVE).await?;
        tx.commit().await?;
        change.changes(left, false).map(Some)
    }
}

/// Whose membership changes, and in which group.
struct Change<'a> {
    tenant: TenantId,
    group: &'a GroupName,
    users: Vec<&'a str>,
}

/// The user, where the group's stream stands, and the version.
type Row = (String, i64, i64);

impl<'a> Change<'a> {
    fn new(tenant: TenantId, group: &'a GroupName, users: &'a [UserName]) -> Self {
        let mut users: Vec<&str> = users.iter().map(UserName::as_str).collect();
        users.sort_unstable();
        users.dedup();
        Self {
            tenant,
            group,
            users,
        }
    }

    /// Whether there is such a group.
    async fn lock(&self, conn: &mut PgConnection) -> Result<bool, DbError> {
        if !exists(conn, self.tenant, self.group).await? {
            return Ok(false);
        }
        for statement in [TOUCH_USERS, LOCK_USERS] {
            sqlx::query(statement)
                .bind(self.tenant.as_uuid())
                .bind(&self.users)
                .execute(&mut *conn)
                .await?;
        }
        sqlx::query(LOCK_GROUP)
            .bind(self.tenant.as_uuid())
            .bind(self.group.as_str())
            .execute(conn)
            .await?;
        Ok(true)
    }

    async fn make(
        &self,
        conn: &mut PgConnection,
        statement: &'static str,
    ) -> Result<Vec<Row>, DbError> {
        let made = sqlx::query_as(statement)
            .bind(self.tenant.as_uuid())
            .bind(self.group.as_str())
            .bind(&self.users)
            .fetch_all(conn)
            .await?;
        Ok(made)
    }

    /// A user who is in too many groups now.
    async fn full(&self, conn: &mut PgConnection) -> Result<Option<UserName>, DbError> {
        let full: Option<String> = sqlx::query_scalar(FULL)
            .bind(self.tenant.as_uuid())
            .bind(&self.users)
            .bind(GROUPS_OF_USER_MAX)
            .fetch_optional(conn)
            .await?;
        full.map(|user| user.parse().map_err(unreadable))
            .transpose()
    }

    fn changes(&self, rows: Vec<Row>, is_member: bool) -> Result<Vec<MemberChange>, DbError> {
        let change = |(user, stood, version): Row| {
            Ok(MemberChange {
                reader: Reader {
                    tenant: self.tenant,
                    user: user.parse().map_err(unreadable)?,
                },
                group: self.group.clone(),
                seq: seq(stood),
                is_member,
                version: seq(version),
            })
        };
        rows.into_iter().map(change).collect()
    }
}
