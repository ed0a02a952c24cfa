//! What is told of orders: the inbox, what was told before, and the streams, in one transaction.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use sqlx::PgConnection;
use tradepost_messaging::{Message, inbox};
use tradepost_notifications::stream::{GroupName, NameError};
use tradepost_postgres::{Database, DbError, retrying};
use tradepost_types::{OrderId, TenantId};
use uuid::Uuid;

use super::locales;
use super::write::{ToGroup, ToUser, tell_group, tell_users};
use crate::domain::Locale;
use crate::ports::{Entry, Feed, Note, OrderTelling, StoreError, Told};

/// The name under which the inbox knows this consumer.
const CONSUMER: &str = "notification.orders";
/// The group that is told what happens to orders.
const STAFF: &str = "staff";

/// What is told of orders, on the system role.
#[derive(Debug, Clone)]
pub struct PgFeed {
    database: Database,
    staff: GroupName,
}

/// What is told once: whose order, which, what happened to it, and which time.
type Fact<'a> = (TenantId, OrderId, &'a str, i64);

impl PgFeed {
    /// On this database.
    ///
    /// # Errors
    /// Never: the group's name is one.
    pub fn new(database: Database) -> Result<Self, NameError> {
        Ok(Self {
            database,
            staff: STAFF.parse()?,
        })
    }

    async fn try_tell(&self, tellings: &[OrderTelling]) -> Result<Told, DbError> {
        let mut tx = self.database.system_tx().await?;
        let causes: Vec<&Message> = tellings.iter().map(|telling| &telling.cause).collect();
        let mut fresh = inbox::claim(tx.conn(), CONSUMER, &causes).await?;
        // A message that occurs twice in one batch is told once.
        let tellings: Vec<&OrderTelling> = tellings
            .iter()
            .filter(|telling| fresh.remove(&telling.cause.id))
            .collect();
        let mut news = claim(tx.conn(), &tellings).await?;
        let facts = tellings.len();
        // Neither is a fact that two messages of one batch bring.
        let tellings = tellings
            .into_iter()
            .filter(|telling| news.remove(&fact(telling)));
        let tellings: Vec<&OrderTelling> = tellings.collect();
        let told = Told {
            repeated: facts.saturating_sub(tellings.len()),
            entries: self.store(tx.conn(), &tellings).await?,
        };
        tradepost_crash::point("notification.feed.before_commit");
        tx.commit().await?;
        Ok(told)
    }

    /// Users come before groups in every transaction that writes to both, so that no two of them
    /// wait for each other.
    async fn store(
        &self,
        conn: &mut PgConnection,
        tellings: &[&OrderTelling],
    ) -> Result<Vec<Entry>, DbError> {
        let to_user = |telling: &&OrderTelling| {
            let (user, Note { id, content }) = telling.customer.clone()?;
            let tenant = telling.tenant;
            Some(ToUser {
                tenant,
                user,
                id,
                content,
            })
        };
        let to_staff = |telling: &&OrderTelling| {
            let Note { id, content } = telling.staff.clone()?;
            let (tenant, group) = (telling.tenant, self.staff.clone());
            Some(ToGroup {
                tenant,
                group,
                id,
                content,
            })
        };
        let to_users: Vec<ToUser> = tellings.iter().filter_map(to_user).collect();
        let to_staff: Vec<ToGroup> = tellings.iter().filter_map(to_staff).collect();
        let mut entries = tell_users(conn, &to_users).await?;
        entries.extend(tell_group(conn, &to_staff).await?);
        Ok(entries)
    }
}

#[async_trait]
impl Feed for PgFeed {
    async fn locales(&self, tenants: &[TenantId]) -> Result<HashMap<TenantId, Locale>, StoreError> {
        Ok(locales::find(&self.database, tenants).await?)
    }

    async fn tell(&self, tellings: &[OrderTelling]) -> Result<Told, StoreError> {
        Ok(retrying(|| self.try_tell(tellings)).await?)
    }
}

const fn fact(telling: &OrderTelling) -> Fact<'_> {
    (
        telling.tenant,
        telling.order,
        telling.kind,
        telling.occasion,
    )
}

/// Claims the facts and returns those that were never told. The rows are made in one order, so that
/// two consumers that have the same facts under other messages wait, and do not deadlock.
async fn claim<'a>(
    conn: &mut PgConnection,
    tellings: &[&'a OrderTelling],
) -> Result<HashSet<Fact<'a>>, DbError> {
    let facts: Vec<Fact<'a>> = tellings.iter().map(|telling| fact(telling)).collect();
    let tenants: Vec<Uuid> = facts.iter().map(|(tenant, ..)| tenant.as_uuid()).collect();
    let orders: Vec<Uuid> = facts.iter().map(|(_, order, ..)| order.as_uuid()).collect();
    let kinds: Vec<&str> = facts.iter().map(|(_, _, kind, _)| *kind).collect();
    let occasions: Vec<i64> = facts.iter().map(|(.., occasion)| *occasion).collect();
    let fresh: Vec<(Uuid, Uuid, String, i64)> = sqlx::query_as(
        "insert into told_orders (tenant_id, order_id, kind, occasion)
         select tenant_id, order_id, kind, occasion
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[])
             as u(tenant_id, order_id, kind, occasion)
         order by tenant_id, order_id, kind, occasion
         on conflict on constraint told_orders_pk do nothing
         returning tenant_id, order_id, kind, occasion",
    )
    .bind(tenants)
    .bind(orders)
    .bind(kinds)
    .bind(occasions)
    .fetch_all(conn)
    .await?;
    let fresh: HashSet<(Uuid, Uuid, String, i64)> = fresh.into_iter().collect();
    let is_fresh = |&(tenant, order, kind, occasion): &Fact<'_>| {
        fresh.contains(&(tenant.as_uuid(), order.as_uuid(), kind.to_owned(), occasion))
    };
    Ok(facts.into_iter().filter(is_fresh).collect())
}
