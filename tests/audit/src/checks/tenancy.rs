//! Group 7: no row of one tenant is visible to another.

use sqlx::{AssertSqlSafe, Executor, PgConnection};
use uuid::Uuid;

use crate::audit::CannotAudit;
use crate::check::{Check, EVERYWHERE, Service, Sql, Test};
use crate::findings::{Found, Offender, Subject};
use crate::snapshot::Databases;

pub(super) const CHECKS: &[Check] = &[
    Check {
        group: 7,
        invariant: "tenancy.is_forced",
        says: "row-level security is on and forced for every table with a tenant",
        test: Test::Sql(Sql {
            on: EVERYWHERE,
            subject: Subject::Text,
            checked: TABLES,
            offenders: UNFORCED,
        }),
    },
    Check {
        group: 7,
        invariant: "tenancy.hides_others",
        says: "a request sees no row without a tenant, and with one only that tenant's",
        test: Test::RequestRole,
    },
];

const TABLES: &str = "
select count(*) from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relkind in ('r', 'p') and c.relpersistence <> 't'";

const UNFORCED: &str = "
select null::uuid, c.oid::regclass::text,
       case when c.relrowsecurity then 'row-level security does not bind its owner'
            else 'row-level security is off' end
from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relkind in ('r', 'p') and c.relpersistence <> 't'
  and not (c.relrowsecurity and c.relforcerowsecurity)";

/// The tables that requests may read, quoted as they are to be written.
const READABLE: &str = "
select c.oid::regclass::text from pg_class c
join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relkind in ('r', 'p', 'v', 'm') and c.relpersistence <> 't'
  and has_schema_privilege('tradepost_app', c.relnamespace, 'usage')
  and has_table_privilege('tradepost_app', c.oid, 'select')
order by 1";

/// Looks as the role that serves requests does, at every table it may read.
pub(crate) async fn seen_by_requests(databases: &mut Databases) -> Result<Found, CannotAudit> {
    let mut found = Found::default();
    for service in databases.services() {
        let seen = look(databases.get(service)?, service).await;
        found.join(seen.map_err(|source| CannotAudit::Database { service, source })?);
    }
    Ok(found)
}

async fn look(conn: &mut PgConnection, service: Service) -> Result<Found, sqlx::Error> {
    let mut found = Found::default();
    let tables: Vec<String> = sqlx::query_scalar(READABLE).fetch_all(&mut *conn).await?;
    for table in tables {
        let one = format!("select tenant_id from {table} limit 1");
        let tenant: Option<Uuid> = sqlx::query_scalar(AssertSqlSafe(one))
            .fetch_optional(&mut *conn)
            .await?;
        let leaks = [
            (None, format!("select exists (select from {table})")),
            (
                tenant,
                format!(
                    "select exists (select from {table} where tenant_id
                     <> nullif(current_setting('app.tenant_id'), '')::uuid)"
                ),
            ),
        ];
        found.checked += 1;
        for (as_tenant, leaks) in leaks {
            if asked_as(conn, as_tenant, leaks).await? {
                let whose = as_tenant.map_or("no tenant", |_| "one tenant");
                found.note(Offender {
                    service: Some(service),
                    tenant: None,
                    subject: table.clone(),
                    detail: format!("a request of {whose} sees rows of others"),
                });
            }
        }
    }
    Ok(found)
}

async fn asked_as(
    conn: &mut PgConnection,
    tenant: Option<Uuid>,
    query: String,
) -> Result<bool, sqlx::Error> {
    let setting = tenant.map(|tenant| tenant.to_string()).unwrap_or_default();
    sqlx::query("select set_config('app.tenant_id', $1, true)")
        .bind(setting)
        .execute(&mut *conn)
        .await?;
    conn.execute("set local role tradepost_app").await?;
    // The name of the table comes quoted from the catalogue.
    let answer = sqlx::query_scalar(AssertSqlSafe(query))
        .fetch_one(&mut *conn)
        .await?;
    conn.execute("reset role").await?;
    Ok(answer)
}
