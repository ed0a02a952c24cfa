//! How PostgreSQL would carry out a statement, for tests that an index serves it.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

/// The plan of a statement for any arguments, a node or condition a line without indents and costs.
/// Reading a table whole is ruled out where an index can do it instead, because the tables of a
/// test are small. Call it in a transaction: the settings end with it.
///
/// The arguments are SQL literals, separated by commas, or nothing; their values do not matter.
///
/// # Panics
/// If the statement cannot be planned.
pub async fn plan(conn: &mut PgConnection, statement: &str, arguments: &str) -> String {
    match explain(conn, statement, arguments).await {
        Ok(lines) => {
            let bare = |line: &String| line.trim_start_matches([' ', '-', '>']).to_owned();
            lines.iter().map(bare).collect::<Vec<_>>().join("\n")
        }
        Err(error) => panic!("no plan for \"{statement}\": {error}"),
    }
}

async fn explain(
    conn: &mut PgConnection,
    statement: &str,
    arguments: &str,
) -> Result<Vec<String>, sqlx::Error> {
    let prepare = format!(
        "set local enable_seqscan = off;
         set local enable_bitmapscan = off;
         set local plan_cache_mode = force_generic_plan;
         prepare explained as {statement}"
    );
    conn.execute(AssertSqlSafe(prepare)).await?;
    let arguments = match arguments {
        "" => String::new(),
        some => format!("({some})"),
    };
    let explain = format!("explain (costs off) execute explained {arguments}");
    let lines = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_all(&mut *conn)
        .await?;
    conn.execute("deallocate explained").await?;
    Ok(lines)
}
