//! The catalogue test of every service: no table, key, policy, view or role opens a way from one
//! tenant to another's rows.

mod checks;

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use crate::TestDatabase;

/// Asserts that the schema keeps tenants apart; see [`tenancy_violations`].
///
/// # Panics
/// With all violations, one a line.
pub async fn assert_tenancy(database: &TestDatabase, allow_list: &[&str]) {
    let violations = tenancy_violations(&mut database.admin().await, allow_list).await;
    assert!(
        violations.is_empty(),
        "tenants are not kept apart:\n  {}",
        violations.join("\n  ")
    );
}

/// What is wrong with the schema that a superuser's connection shows, one sentence each. A
/// transaction that the connection is in counts, so that a test may try a sabotage and undo it.
///
/// The allow-list names, as `schema.name` (or `name` in `public`), tables that have no `tenant_id`
/// because they belong to nobody or whose keys do not begin with it, indexes that serve the system
/// role across tenants, and other objects known to be harmless. It never excuses row-level security
/// that is off on a table with a `tenant_id`, nor a role that has too much power.
///
/// # Panics
/// If the catalogue cannot be read.
pub async fn tenancy_violations(conn: &mut PgConnection, allow_list: &[&str]) -> Vec<String> {
    if let Err(error) = conn.execute(checks::VIEW_OF_TABLES).await {
        panic!("cannot look at the catalogue: {error}");
    }
    let mut violations = Vec::new();
    for check in checks::CHECKS {
        // Each check answers with (object, table it belongs to).
        let found: Vec<(String, String)> = match sqlx::query_as(AssertSqlSafe(check.sql))
            .fetch_all(&mut *conn)
            .await
        {
            Ok(found) => found,
            Err(error) => panic!("the check \"{}\" failed: {error}", check.problem),
        };
        for (object, table) in found {
            let allowed =
                check.excusable && (names(allow_list, &object) || names(allow_list, &table));
            if !allowed {
                violations.push(format!("{object}: {}", check.problem));
            }
        }
    }
    violations
}

fn names(allow_list: &[&str], object: &str) -> bool {
    let bare = object.strip_prefix("public.").unwrap_or(object);
    allow_list
        .iter()
        .any(|allowed| *allowed == object || *allowed == bare)
}
