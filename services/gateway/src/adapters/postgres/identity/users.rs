//! Users and memberships. What one tenant does runs as its own role, so that row-level security
//! holds; what spans tenants runs as the system's.

use async_trait::async_trait;
use sqlx::{FromRow, PgConnection};
use tradepost_postgres::idempotency::Claim;
use tradepost_postgres::{DbError, retrying};
use tradepost_types::{SessionId, TenantId, UserId};
use uuid::Uuid;

use super::rows::{self, MemberRow, TenantRow, read, tenant_columns};
use super::{PgIdentity, trail};
use crate::adapters::postgres::revocation;
use crate::domain::email::Email;
use crate::domain::membership::{Member, RoleFault, may_give, may_touch};
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::rights::Role;
use crate::ports::identity::{
    Account, Author, Made, MemberError, Membership, NewMember, NewOperator, PasswordChange,
    RequestKey, RoleChange, StoreError, UserStore,
};

/// The name of the call in the idempotency keys.
const CREATE_USER: &str = "CreateUser";

#[async_trait]
impl UserStore for PgIdentity {
    async fn find_by_email(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let account = account_by_email(tx.conn(), email).await?;
        tx.rollback().await;
        Ok(account)
    }

    async fn find(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        let email: Option<String> =
            sqlx::query_scalar("select email from users where user_id = $1")
                .bind(user.as_uuid())
                .fetch_optional(tx.conn())
                .await?;
        let account = match email {
            Some(email) => account_by_email(tx.conn(), &read(user, email.parse())?).await?,
            None => None,
        };
        tx.rollback().await;
        Ok(account.filter(|account| account.user == user))
    }

    async fn add(
        &self,
        new: &NewMember,
        key: &RequestKey,
        author: &Author,
    ) -> Result<Made<Member>, MemberError> {
        retrying(|| self.add_once(new, key, author)).await
    }

    async fn member(&self, tenant: TenantId, user: UserId) -> Result<Option<Member>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let found = member(tx.conn(), tenant, user).await?;
        tx.rollback().await;
        Ok(found)
    }

    async fn members(
        &self,
        tenant: TenantId,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Vec<Member>, StoreError> {
        let mut tx = self.database.tenant_tx(tenant).await?;
        let rows: Vec<MemberRow> = sqlx::query_as(
            "select m.tenant_id, m.user_id, u.email, m.role, m.created_at
             from memberships m
             join users u on u.user_id = m.user_id
             where m.tenant_id = $1 and ($2::uuid is null or m.user_id > $2)
             order by m.user_id
             limit $3",
        )
        .bind(tenant.as_uuid())
        .bind(after.map(UserId::as_uuid))
        .bind(limit)
        .fetch_all(tx.conn())
        .await?;
        tx.rollback().await;
        let members = rows.into_iter().map(MemberRow::into_member);
        Ok(members.collect::<Result<_, _>>()?)
    }

    async fn set_role(
        &self,
        change: &RoleChange,
        author: &Author,
    ) -> Result<(Member, Option<Revocation>), MemberError> {
        retrying(|| self.set_role_once(change, author)).await
    }

    async fn remove(
        &self,
        tenant: TenantId,
        user: UserId,
        actor_role: Role,
        author: &Author,
    ) -> Result<Revocation, MemberError> {
        let ended = Ended {
            tenant,
            user,
            actor_role,
            is_removed: true,
        };
        retrying(|| self.end_once(ended, author)).await
    }

    async fn revoke_member(
        &self,
        tenant: TenantId,
        user: UserId,
        actor_role: Role,
        author: &Author,
    ) -> Result<Revocation, MemberError> {
        let ended = Ended {
            tenant,
            user,
            actor_role,
            is_removed: false,
        };
        retrying(|| self.end_once(ended, author)).await
    }

    async fn revoke_user(
        &self,
        user: UserId,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError> {
        retrying(|| self.revoke_user_once(user, author)).await
    }

    async fn set_active(
        &self,
        user: UserId,
        is_active: bool,
        author: &Author,
    ) -> Result<bool, StoreError> {
        retrying(|| self.set_active_once(user, is_active, author)).await
    }

    async fn set_password(
        &self,
        change: &PasswordChange,
        author: &Author,
    ) -> Result<Vec<Revocation>, StoreError> {
        retrying(|| self.set_password_once(change, author)).await
    }

    async fn add_operator(&self, new: &NewOperator, author: &Author) -> Result<(), MemberError> {
        let mut tx = self.database.system_tx().await?;
        insert_user(
            tx.conn(),
            new.user,
            &new.email,
            Some(&new.password_hash),
            true,
        )
        .await?;
        let entry = trail::done(author, None, "user.create")
            .on(new.user)
            .with("role", Role::Operator);
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(())
    }
}

#[derive(FromRow)]
struct UserRow {
    user_id: Uuid,
    email: String,
    password_hash: Option<String>,
    is_active: bool,
    is_operator: bool,
}

#[derive(FromRow)]
struct MembershipRow {
    role: String,
    #[sqlx(flatten)]
    tenant: TenantRow,
}

/// Two statements whether there is such a user or not: a login must not take longer for one.
async fn account_by_email(
    conn: &mut PgConnection,
    email: &Email,
) -> Result<Option<Account>, StoreError> {
    let user: Option<UserRow> = sqlx::query_as(
        "select user_id, email, password_hash, state = 'active' as is_active, is_operator
         from users where email = $1",
    )
    .bind(email.as_str())
    .fetch_optional(&mut *conn)
    .await?;
    let memberships: Vec<MembershipRow> = sqlx::query_as(concat!(
        "select m.role, ",
        tenant_columns!(),
        " from users u
          join memberships m on m.user_id = u.user_id
          join tenants t on t.tenant_id = m.tenant_id
          where u.email = $1
          order by t.tenant_id"
    ))
    .bind(email.as_str())
    .fetch_all(conn)
    .await?;
    let Some(user) = user else { return Ok(None) };
    let id = UserId::from_uuid(user.user_id);
    let memberships = memberships.into_iter().map(|row| {
        Ok(Membership {
            role: rows::role(id, &row.role)?,
            tenant: row.tenant.into_tenant()?,
        })
    });
    Ok(Some(Account {
        user: id,
        email: read(id, user.email.parse())?,
        password_hash: user.password_hash,
        is_active: user.is_active,
        is_operator: user.is_operator,
        memberships: memberships.collect::<Result<_, StoreError>>()?,
    }))
}

async fn member(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<Member>, StoreError> {
    let row: Option<MemberRow> = sqlx::query_as(
        "select m.tenant_id, m.user_id, u.email, m.role, m.created_at
         from memberships m
         join users u on u.user_id = m.user_id
         where m.tenant_id = $1 and m.user_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(conn)
    .await?;
    Ok(row.map(MemberRow::into_member).transpose()?)
}

/// Makes a user.
pub(super) async fn insert_user(
    conn: &mut PgConnection,
    user: UserId,
    email: &Email,
    password_hash: Option<&str>,
    is_operator: bool,
) -> Result<(), MemberError> {
    let inserted = sqlx::query(
        "insert into users (user_id, email, password_hash, is_operator) values ($1, $2, $3, $4)",
    )
    .bind(user.as_uuid())
    .bind(email.as_str())
    .bind(password_hash)
    .bind(is_operator)
    .execute(conn)
    .await
    .map_err(DbError::from);
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if error.constraint() == Some("users_email_unique") => {
            Err(MemberError::EmailTaken)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes a membership.
pub(super) async fn insert_member(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    role: Role,
) -> Result<(), DbError> {
    sqlx::query("insert into memberships (tenant_id, user_id, role) values ($1, $2, $3)")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(role.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// The user with that address, if they are something somewhere. One who is nothing any more is
/// deleted: whoever gets the address next must not find a password that somebody else knows.
pub(super) async fn take_address(
    conn: &mut PgConnection,
    email: &Email,
) -> Result<Option<UserId>, DbError> {
    let found: Option<(Uuid, bool)> = sqlx::query_as(
        "select u.user_id,
             u.is_operator or exists (select from memberships m where m.user_id = u.user_id)
         from users u where u.email = $1 for update",
    )
    .bind(email.as_str())
    .fetch_optional(&mut *conn)
    .await?;
    match found {
        Some((user, true)) => Ok(Some(UserId::from_uuid(user))),
        Some((user, false)) => {
            sqlx::query("delete from users where user_id = $1")
                .bind(user)
                .execute(conn)
                .await?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Ends live sessions of a user: in one tenant or in all, but for one.
async fn end_sessions(
    conn: &mut PgConnection,
    user: UserId,
    tenant: Option<TenantId>,
    kept: Option<SessionId>,
    reason: &str,
) -> Result<Vec<SessionId>, DbError> {
    let ended: Vec<Uuid> = sqlx::query_scalar(
        "update sessions set revoked_at = clock_timestamp(), revoked_reason = $4
         where user_id = $1 and ($2::uuid is null or tenant_id = $2)
           and session_id is distinct from $3 and revoked_at is null and expires_at > now()
         returning session_id",
    )
    .bind(user.as_uuid())
    .bind(tenant.map(TenantId::as_uuid))
    .bind(kept.map(SessionId::as_uuid))
    .bind(reason)
    .fetch_all(conn)
    .await?;
    Ok(ended.into_iter().map(SessionId::from_uuid).collect())
}

/// A membership, or only its sessions, to be ended.
#[derive(Debug, Clone, Copy)]
struct Ended {
    tenant: TenantId,
    user: UserId,
    actor_role: Role,
    is_removed: bool,
}

/// A member and the owners of their tenant, under lock.
struct Locked {
    role: Role,
    is_last_owner: bool,
}

/// Locks the member and all owners: who is the last of them must stay so until the end.
async fn lock_member(
    conn: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> Result<Locked, MemberError> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "select user_id, role from memberships
         where tenant_id = $1 and (user_id = $2 or role = 'owner')
         order by user_id
         for update",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_all(conn)
    .await?;
    let own = rows.iter().find(|(id, _)| *id == user.as_uuid());
    let (_, text) = own.ok_or(MemberError::NotFound)?;
    let role = rows::role(user, text).map_err(StoreError::from)?;
    let owner = Role::Owner.as_str();
    let owners = rows.iter().filter(|(_, role)| role == owner).count();
    Ok(Locked {
        role,
        is_last_owner: role == Role::Owner && owners == 1,
    })
}

impl PgIdentity {
    async fn add_once(
        &self,
        new: &NewMember,
        key: &RequestKey,
        author: &Author,
    ) -> Result<Made<Member>, MemberError> {
        let mut tx = self.database.system_tx().await?;
        let answer = new.user.as_uuid();
        let claim = super::claim(tx.conn(), new.tenant, CREATE_USER, key, answer).await?;
        let (user, is_replayed) = match claim {
            Claim::Fresh => (new.user, false),
            Claim::Mismatch => {
                tx.rollback().await;
                return Err(MemberError::KeyReused);
            }
            Claim::Replay(answer) => {
                let user = read("idempotency key", Uuid::from_slice(&answer));
                (UserId::from_uuid(user.map_err(StoreError::from)?), true)
            }
        };
        if !is_replayed {
            if take_address(tx.conn(), &new.email).await?.is_some() {
                tx.rollback().await;
                return Err(MemberError::EmailTaken);
            }
            let hash = Some(new.password_hash.as_str());
            insert_user(tx.conn(), user, &new.email, hash, false).await?;
            insert_member(tx.conn(), new.tenant, user, new.role).await?;
            let entry = trail::done(author, Some(new.tenant), "user.create")
                .on(user)
                .with("role", new.role);
            trail::append(tx.conn(), &entry).await?;
        }
        let made = member(tx.conn(), new.tenant, user).await?;
        match is_replayed {
            true => tx.rollback().await,
            false => tx.commit().await?,
        }
        // A replay of what was removed since.
        let made = made.ok_or(MemberError::NotFound)?;
        Ok(Made { made, is_replayed })
    }

    async fn set_role_once(
        &self,
        change: &RoleChange,
        author: &Author,
    ) -> Result<(Member, Option<Revocation>), MemberError> {
        let &RoleChange {
            tenant,
            user,
            role,
            actor_role,
        } = change;
        let mut tx = self.database.tenant_tx(tenant).await?;
        let locked = lock_member(tx.conn(), tenant, user).await?;
        may_give(actor_role, Some(locked.role), role)?;
        if locked.is_last_owner && role != Role::Owner {
            return Err(RoleFault::LastOwner.into());
        }
        let mut revoked = None;
        if role != locked.role {
            sqlx::query("update memberships set role = $3 where tenant_id = $1 and user_id = $2")
                .bind(tenant.as_uuid())
                .bind(user.as_uuid())
                .bind(role.as_str())
                .execute(tx.conn())
                .await?;
            let what = Revoked::Member(tenant, user);
            revoked = Some(revocation::revoke(tx.conn(), what).await?);
            let entry = trail::done(author, Some(tenant), "user.set_role")
                .on(user)
                .with("from", locked.role)
                .with("to", role);
            trail::append(tx.conn(), &entry).await?;
        }
        let changed = member(tx.conn(), tenant, user).await?;
        tx.commit().await?;
        Ok((changed.ok_or(MemberError::NotFound)?, revoked))
    }

    async fn end_once(&self, ended: Ended, author: &Author) -> Result<Revocation, MemberError> {
        let Ended {
            tenant,
            user,
            actor_role,
            is_removed,
        } = ended;
        let mut tx = self.database.tenant_tx(tenant).await?;
        let locked = lock_member(tx.conn(), tenant, user).await?;
        may_touch(actor_role, locked.role)?;
        if is_removed && locked.is_last_owner {
            return Err(RoleFault::LastOwner.into());
        }
        let reason = match is_removed {
            true => "member removed",
            false => "member revoked",
        };
        let sessions = end_sessions(tx.conn(), user, Some(tenant), None, reason).await?;
        if is_removed {
            sqlx::query("delete from memberships where tenant_id = $1 and user_id = $2")
                .bind(tenant.as_uuid())
                .bind(user.as_uuid())
                .execute(tx.conn())
                .await?;
        }
        let revoked = revocation::revoke(tx.conn(), Revoked::Member(tenant, user)).await?;
        let action = match is_removed {
            true => "user.remove",
            false => "user.revoke",
        };
        let entry = trail::done(author, Some(tenant), action)
            .on(user)
            .with("sessions", sessions.len());
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(revoked)
    }

    async fn revoke_user_once(
        &self,
        user: UserId,
        author: &Author,
    ) -> Result<Option<Revocation>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        if !lock_user(tx.conn(), user).await? {
            tx.rollback().await;
            return Ok(None);
        }
        let sessions = end_sessions(tx.conn(), user, None, None, "user revoked").await?;
        let revoked = revocation::revoke(tx.conn(), Revoked::User(user)).await?;
        let entry = trail::done(author, author.tenant, "session.revoke")
            .on(user)
            .with("sessions", sessions.len());
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(Some(revoked))
    }

    async fn set_active_once(
        &self,
        user: UserId,
        is_active: bool,
        author: &Author,
    ) -> Result<bool, StoreError> {
        let mut tx = self.database.system_tx().await?;
        if !lock_user(tx.conn(), user).await? {
            tx.rollback().await;
            return Ok(false);
        }
        sqlx::query(
            "update users set state = $2, updated_at = clock_timestamp() where user_id = $1",
        )
        .bind(user.as_uuid())
        .bind(if is_active { "active" } else { "disabled" })
        .execute(tx.conn())
        .await?;
        let action = match is_active {
            true => "user.enable",
            false => {
                end_sessions(tx.conn(), user, None, None, "user disabled").await?;
                revocation::revoke(tx.conn(), Revoked::User(user)).await?;
                "user.disable"
            }
        };
        let entry = trail::done(author, author.tenant, action).on(user);
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn set_password_once(
        &self,
        change: &PasswordChange,
        author: &Author,
    ) -> Result<Vec<Revocation>, StoreError> {
        let mut tx = self.database.system_tx().await?;
        sqlx::query(
            "update users set password_hash = $2, updated_at = clock_timestamp()
             where user_id = $1",
        )
        .bind(change.user.as_uuid())
        .bind(&change.password_hash)
        .execute(tx.conn())
        .await?;
        let reason = "password changed";
        let ended = end_sessions(tx.conn(), change.user, None, change.kept, reason).await?;
        let count = ended.len();
        let revoked = ended.into_iter().map(Revoked::Session);
        let revoked = revocation::revoke_all(tx.conn(), revoked).await?;
        let entry = trail::done(author, author.tenant, "user.set_password")
            .on(change.user)
            .with("sessions", count);
        trail::append(tx.conn(), &entry).await?;
        tx.commit().await?;
        Ok(revoked)
    }
}

/// Locks a user against logins; whether there is one.
async fn lock_user(conn: &mut PgConnection, user: UserId) -> Result<bool, DbError> {
    let found: Option<Uuid> =
        sqlx::query_scalar("select user_id from users where user_id = $1 for update")
            .bind(user.as_uuid())
            .fetch_optional(conn)
            .await?;
    Ok(found.is_some())
}
