//! The plan of every question, over many days and tenants: sums never read single events, and single
//! events are looked for in the days of their range only.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use tradepost_metrics::ports::EventStore;
use tradepost_types::TenantId;

use crate::support::{DAY_MS, Desk, Written, batch, today_ms};

const DAYS: i64 = 30;
const TENANTS: usize = 60;
const TYPES: [&str; 4] = ["order.placed", "order.processed", "page.viewed", "search"];

/// A table that a plan has, how it is read, whether it was, and how many rows were looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Read {
    table: String,
    how: String,
    executed: bool,
    rows: u64,
}

/// Sixty tenants with events on each of thirty days.
async fn seeded() -> Desk {
    let desk = Desk::open().await;
    let today = today_ms();
    let events: Vec<Written<'_>> = (0..DAYS)
        .flat_map(|day| {
            let of_day = move |number: i64| {
                let name = TYPES[usize::try_from(number % 4).unwrap()];
                (today - day * DAY_MS + number * 600_000, name, "ada", 1.0)
            };
            (0..12).map(of_day)
        })
        .collect();
    let mut group = vec![batch(desk.tenant, 1, &events)];
    group.extend((1..TENANTS).map(|_| batch(TenantId::new(), 1, &events)));
    desk.store.store(&group).await.unwrap();
    let mut admin = desk.test_database.admin().await;
    admin.execute("analyze").await.unwrap();
    desk
}

/// What a statement reads, as it is planned for these arguments (SQL literals).
async fn reads(conn: &mut PgConnection, statement: &str, arguments: &str) -> Vec<Read> {
    let prepare =
        format!("set local plan_cache_mode = force_custom_plan; prepare p as {statement}");
    conn.execute(AssertSqlSafe(prepare)).await.unwrap();
    let explain = format!("explain (analyze, timing off, format json) execute p ({arguments})");
    let plan: Value = sqlx::query_scalar(AssertSqlSafe(explain))
        .persistent(false)
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    conn.execute("deallocate p").await.unwrap();
    let mut reads = Vec::new();
    collect(&plan[0]["Plan"], &mut reads);
    reads.sort();
    reads.dedup();
    reads
}

fn collect(node: &Value, reads: &mut Vec<Read>) {
    if let Some(table) = node["Relation Name"].as_str() {
        reads.push(Read {
            table: table.to_owned(),
            how: node["Node Type"].as_str().unwrap().to_owned(),
            executed: node["Actual Loops"].as_f64().unwrap() > 0.0,
            rows: looked_at(node),
        });
    }
    for inner in node["Plans"].as_array().into_iter().flatten() {
        collect(inner, reads);
    }
}

/// Rows that a node found and kept or threw away, over all its loops.
fn looked_at(node: &Value) -> u64 {
    let a_loop = |name: &str| node[name].as_f64().unwrap_or_default();
    let rows = [
        "Actual Rows",
        "Rows Removed by Filter",
        "Rows Removed by Index Recheck",
    ];
    let rows: f64 = rows.into_iter().map(a_loop).sum();
    format!("{:.0}", rows * a_loop("Actual Loops"))
        .parse()
        .unwrap()
}

fn tables(reads: &[Read]) -> BTreeSet<&str> {
    reads.iter().map(|read| read.table.as_str()).collect()
}

fn of_table<'a>(reads: &'a [Read], table: &str) -> impl Iterator<Item = &'a Read> {
    reads.iter().filter(move |read| read.table == table)
}

/// Why a question for sums may not be answered that way.
fn faults(reads: &[Read], rollups: &str) -> Vec<String> {
    let allowed = ["event_types", "tenants", rollups];
    let fault = |read: &Read| {
        let whole = read.table == rollups && read.how == "Seq Scan";
        (whole || !allowed.contains(&read.table.as_str())).then(|| format!("{read:?}"))
    };
    reads.iter().filter_map(fault).collect()
}

fn text(at_ms: i64) -> String {
    format!("to_timestamp({})", at_ms / 1_000)
}

#[tokio::test]
async fn sums_are_read_from_the_rollups_of_their_grain_by_index() {
    let desk = seeded().await;
    let (from, to) = (text(today_ms() - 6 * DAY_MS), text(today_ms() + DAY_MS));
    let tenant = desk.tenant.as_uuid();
    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();

    for table in ["rollup_minutes", "rollup_hours", "rollup_days"] {
        let sums = include_str!("../../src/adapters/postgres/sums.sql").replace("{table}", table);
        let whole = include_str!("../../src/adapters/postgres/whole.sql").replace("{table}", table);
        for (statement, arguments) in [
            (
                &sums,
                format!("'{tenant}', {from}, {to}, null, null, null, 51"),
            ),
            (
                &sums,
                format!("'{tenant}', {from}, {to}, '{{search}}', {to}, 'order', 51"),
            ),
            (&whole, format!("'{tenant}', {from}, {to}, '{{1,2}}'")),
        ] {
            let reads = reads(tx.conn(), statement, &arguments).await;
            assert!(tables(&reads).contains(table));
            assert_eq!(faults(&reads, table), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn the_greatest_are_read_from_days_by_index() {
    let desk = seeded().await;
    let (from, to) = (text(today_ms() - 6 * DAY_MS), text(today_ms() + DAY_MS));
    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();

    let top = include_str!("../../src/adapters/postgres/top.sql");
    let arguments = format!("'{}', {from}, {to}, true, 10", desk.tenant.as_uuid());
    let reads = reads(tx.conn(), top, &arguments).await;

    assert_eq!(faults(&reads, "rollup_days"), Vec::<String>::new());
}

/// A statement over the tenants of a plan and one table of their rollups.
fn of_plan(statement: &str, table: &str) -> String {
    let tenants = include_str!("../../src/adapters/postgres/plan_tenants.sql").trim_end();
    statement
        .replace("{tenants}", tenants)
        .replace("{table}", table)
}

/// Puts so many of the tenants on the large plan.
async fn put_on_plan(desk: &Desk, tenants: i64) {
    let mut admin = desk.test_database.admin().await;
    let put = format!(
        "update tenants set plan = 'large'
         where tenant_id in (select tenant_id from tenants order by 1 limit {tenants});
         vacuum analyze tenants"
    );
    for statement in put.split(';') {
        admin.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

#[tokio::test]
async fn sums_of_a_plan_are_read_from_the_rollups_of_its_tenants_and_taken_apart_on_the_page_only()
{
    let desk = seeded().await;
    put_on_plan(&desk, 5).await;
    let (from, to, after) = (
        text(today_ms() - 6 * DAY_MS),
        text(today_ms() + DAY_MS),
        text(today_ms() - 2 * DAY_MS),
    );
    let mut tx = desk.database.system_tx().await.unwrap();

    // Of the twelve events of a day each has a minute of its own; they lie in two hours, with all four
    // types in each.
    for (table, of_tenant) in [
        ("rollup_minutes", 84),
        ("rollup_hours", 56),
        ("rollup_days", 28),
    ] {
        let sums = include_str!("../../src/adapters/postgres/plan_sums.sql");
        let sums = of_plan(sums, table);
        for (types_and_after, lines, rollups, page) in [
            ("null, null, null", 501, 20_000, 5 * of_tenant),
            // Three lines, of five tenants each.
            ("null, null, null", 3, 20_000, 15),
            // Up to the line that has the seventh rollup.
            ("null, null, null", 501, 7, 10),
            (&*format!("null, {after}, 'order'"), 2, 20_000, 10),
            ("'{search}', null, null", 501, 20_000, 5 * of_tenant / 4),
            ("'{never}', null, null", 501, 20_000, 0),
        ] {
            let arguments = format!("'large', {from}, {to}, {types_and_after}, {lines}, {rollups}");
            let reads = reads(tx.conn(), &sums, &arguments).await;
            assert_eq!(faults(&reads, table), Vec::<String>::new(), "{arguments}");
            // Keys by the index alone, of the plan's tenants; then what is on the page.
            let (keys, whole): (Vec<&Read>, Vec<&Read>) =
                of_table(&reads, table).partition(|read| read.how == "Index Only Scan");
            assert!(
                keys.iter().all(|read| read.rows <= 5 * of_tenant),
                "{reads:?}"
            );
            let whole: Vec<u64> = whole.iter().map(|read| read.rows).collect();
            assert_eq!(whole, [page], "{arguments}: {reads:?}");
        }
        let newest = include_str!("../../src/adapters/postgres/plan_newest.sql");
        let newest = newest.replace("{table}", table);
        let reads = reads(tx.conn(), &newest, &format!("'large', {from}, {to}")).await;
        assert_eq!(faults(&reads, table), Vec::<String>::new());
        assert_eq!(
            of_table(&reads, table).map(|read| read.rows).sum::<u64>(),
            5
        );
    }
}

#[tokio::test]
async fn a_whole_range_of_a_plan_is_counted_by_keys_and_read_from_the_rollups_of_its_tenants() {
    let desk = seeded().await;
    put_on_plan(&desk, 5).await;
    let (from, to) = (text(today_ms() - 6 * DAY_MS), text(today_ms() + DAY_MS));
    let mut tx = desk.database.system_tx().await.unwrap();

    let names = include_str!("../../src/adapters/postgres/plan_types.sql");
    let named = reads(tx.conn(), names, "'large', null, 'order', 501").await;
    assert_eq!(faults(&named, "no rollups"), Vec::<String>::new());
    let counts = include_str!("../../src/adapters/postgres/plan_whole_counts.sql");
    let whole = include_str!("../../src/adapters/postgres/plan_whole.sql");
    for (table, of_tenant) in [
        ("rollup_minutes", 84),
        ("rollup_hours", 56),
        ("rollup_days", 28),
    ] {
        for (types, wanted) in [("'{search}'", 5 * of_tenant / 4), ("'{never}'", 0)] {
            let arguments = format!("'large', {from}, {to}, {types}");
            for (statement, wanted) in [(counts, vec![]), (whole, vec![wanted])] {
                let statement = of_plan(statement, table);
                let reads = reads(tx.conn(), &statement, &arguments).await;
                assert_eq!(faults(&reads, table), Vec::<String>::new(), "{arguments}");
                let (keys, whole): (Vec<&Read>, Vec<&Read>) =
                    of_table(&reads, table).partition(|read| read.how == "Index Only Scan");
                let keys: Vec<u64> = keys.iter().map(|read| read.rows).collect();
                assert!(keys.len() == 1 && keys[0] <= 5 * of_tenant, "{reads:?}");
                let whole: Vec<u64> = whole.iter().map(|read| read.rows).collect();
                assert_eq!(whole, wanted, "{arguments}: {reads:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_greatest_of_a_plan_are_read_from_the_days_of_its_tenants_by_index() {
    let desk = seeded().await;
    put_on_plan(&desk, 5).await;
    let (from, to) = (text(today_ms() - 6 * DAY_MS), text(today_ms() + DAY_MS));
    let mut tx = desk.database.system_tx().await.unwrap();

    let top = include_str!("../../src/adapters/postgres/plan_top.sql");
    let reads = reads(tx.conn(), top, &format!("'large', {from}, {to}, true, 10")).await;

    assert_eq!(faults(&reads, "rollup_days"), Vec::<String>::new());
    let rows: u64 = of_table(&reads, "rollup_days").map(|read| read.rows).sum();
    assert_eq!(rows, 5 * 7 * 4);
}

#[tokio::test]
async fn the_report_over_tenants_is_read_from_days_by_index() {
    let desk = seeded().await;
    let mut admin = desk.test_database.admin().await;
    admin
        .execute("update tenants set plan = 'large' where tenant_id in (select tenant_id from tenants limit 20)")
        .await
        .unwrap();
    let mut tx = desk.database.system_tx().await.unwrap();
    let day = include_str!("../../src/adapters/postgres/daily.sql");
    let span = include_str!("../../src/adapters/postgres/daily_span.sql");
    let (from, to) = (text(today_ms() - DAY_MS), text(today_ms()));
    let tenant = desk.tenant.as_uuid();

    for (statement, arguments) in [
        (day, format!("'large', 'order.processed', {to}, null, 101")),
        (day, format!("null, 'order.processed', {to}, null, 101")),
        (day, format!("null, null, {to}, '{tenant}', 101")),
        (
            span,
            format!("'large', 'order.processed', {from}, {to}, 101"),
        ),
        (span, format!("null, null, {from}, {to}, 101")),
    ] {
        let reads = reads(tx.conn(), statement, &arguments).await;
        assert_eq!(
            faults(&reads, "rollup_days"),
            Vec::<String>::new(),
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn where_the_report_goes_on_is_one_look_at_the_days() {
    let desk = seeded().await;
    let (from, to) = (text(today_ms() - 20 * DAY_MS), text(today_ms()));
    let mut tx = desk.database.system_tx().await.unwrap();

    let newest = include_str!("../../src/adapters/postgres/newest_day.sql");
    let reads = reads(tx.conn(), newest, &format!("{from}, {to}")).await;

    assert_eq!(faults(&reads, "rollup_days"), Vec::<String>::new());
    assert_eq!(
        reads.iter().map(|read| read.rows).sum::<u64>(),
        1,
        "{reads:?}"
    );
}

#[tokio::test]
async fn a_page_of_event_types_is_read_by_index_and_no_further() {
    let desk = seeded().await;
    let mut admin = desk.test_database.admin().await;
    admin
        .execute(
            "insert into event_types (tenant_id, type_id, name)
             select tenant_id, 1000 + number, 'more.' || number
             from tenants, generate_series(1, 300) number;
             analyze event_types",
        )
        .await
        .unwrap();
    let tenant = desk.tenant.as_uuid();
    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();
    let types = include_str!("../../src/adapters/postgres/types.sql");

    for (arguments, most) in [
        (format!("'{tenant}', null, null, 11"), 11),
        (format!("'{tenant}', null, 'more.7', 11"), 11),
        (format!("'{tenant}', '{{search,more.9}}', null, 11"), 2),
    ] {
        let reads = reads(tx.conn(), types, &arguments).await;
        assert_eq!(tables(&reads), BTreeSet::from(["event_types"]));
        assert!(reads.iter().all(|read| read.how != "Seq Scan"), "{reads:?}");
        assert!(reads.iter().all(|read| read.rows <= most), "{reads:?}");
    }
}

#[tokio::test]
async fn which_files_answer_is_read_by_index_from_the_days_of_the_range() {
    let desk = seeded().await;
    let mut admin = desk.test_database.admin().await;
    admin
        .execute(
            "insert into archive_files (day, edition, part, path, format, rows, bytes, sha256,
                                        min_time, max_time, value_sum, verified_at, answers)
             select current_date - number, 1, part, format('file %s of %s', part, number), 1, 60,
                    1000, decode(repeat('00', 32), 'hex'), current_date - number,
                    current_date - number + interval '23 hours', 60, now(), true
             from generate_series(1, 1000) number, generate_series(1, 20) part;
             insert into archive_file_tenants (tenant_id, day, edition, part, rows, content)
             select tenant_id, current_date - number, 1, 1, 1, decode(repeat('00', 32), 'hex')
             from tenants, generate_series(1, 1000) number;
             analyze archive_files, archive_file_tenants",
        )
        .await
        .unwrap();
    let tenant = desk.tenant.as_uuid();
    let (from, to) = (
        text(today_ms() - 110 * DAY_MS),
        text(today_ms() - 100 * DAY_MS),
    );
    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();

    let files = include_str!("../../src/adapters/postgres/archived_files.sql");
    let arguments = format!("'{tenant}', {from}, {to}, 65");
    let reads = reads(tx.conn(), files, &arguments).await;

    let wanted = BTreeSet::from(["archive_file_tenants", "archive_files"]);
    assert_eq!(tables(&reads), wanted);
    assert!(reads.iter().all(|read| read.how != "Seq Scan"), "{reads:?}");
    // The eleven days that the range touches, of one tenant.
    assert!(
        reads.iter().all(|read| (10..=11).contains(&read.rows)),
        "{reads:?}"
    );
}

#[tokio::test]
async fn versions_are_read_by_index_and_without_any_figures() {
    let desk = seeded().await;
    let tenant = desk.tenant.as_uuid();
    let (from, to) = ("current_date - 6", "current_date");
    let of_tenant = include_str!("../../src/adapters/postgres/tenant_version.sql");
    let of_all = include_str!("../../src/adapters/postgres/platform_version.sql");
    let allowed = |table| BTreeSet::from(["answer_history", table]);

    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();
    let arguments = format!("'{tenant}', {from}, {to}");
    let own = reads(tx.conn(), of_tenant, &arguments).await;
    tx.rollback().await;
    let mut tx = desk.database.system_tx().await.unwrap();
    let all = reads(tx.conn(), of_all, &format!("{from}, {to}")).await;

    assert_eq!(tables(&own), allowed("tenant_day_versions"));
    assert_eq!(faults_of_versions(&own), Vec::<&Read>::new());
    // A day of all tenants has a handful of rows; here all of them fit on one page.
    assert_eq!(tables(&all), allowed("day_versions"));
}

/// Reads of versions without an index.
fn faults_of_versions(reads: &[Read]) -> Vec<&Read> {
    let whole = |read: &&Read| read.table != "answer_history" && read.how == "Seq Scan";
    reads.iter().filter(whole).collect()
}

#[tokio::test]
async fn single_events_are_looked_for_in_the_days_of_their_range_and_no_further_than_a_page() {
    let desk = seeded().await;
    let today = today_ms();
    let tenant = desk.tenant.as_uuid();
    let list = include_str!("../../src/adapters/postgres/list_events.sql");
    let list = &list.replace("{table}", "events");
    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();
    let partitions = |reads: &[Read], executed_only: bool| {
        let events = reads
            .iter()
            .filter(|read| read.table.starts_with("events_"));
        assert!(
            events.clone().all(|read| read.how.contains("Index")),
            "{reads:?}"
        );
        events
            .filter(|read| read.executed || !executed_only)
            .count()
    };

    for (days, event_type) in [(1, "null"), (3, "'search'"), (10, "null")] {
        let (from, to) = (text(today - days * DAY_MS), text(today));
        let arguments = format!("'{tenant}', {from}, {to}, {event_type}, null, null, 500");
        let reads = reads(tx.conn(), list, &arguments).await;
        assert_eq!(
            partitions(&reads, false),
            usize::try_from(days).unwrap(),
            "{reads:?}"
        );
    }
    // Behind a token, only what is older is left.
    let (from, to, after) = (
        text(today - 10 * DAY_MS),
        text(today),
        text(today - 8 * DAY_MS),
    );
    let arguments = format!("'{tenant}', {from}, {to}, null, {after}, 0, 500");
    let rest = reads(tx.conn(), list, &arguments).await;
    assert!(partitions(&rest, false) <= 3, "{rest:?}");
    // A page that the newest day fills opens no other.
    let arguments = format!("'{tenant}', {from}, {to}, null, null, null, 5");
    let page = reads(tx.conn(), list, &arguments).await;
    assert!(partitions(&page, true) <= 1, "{page:?}");
}

#[tokio::test]
async fn a_file_of_events_is_read_from_the_days_of_its_range_and_counted_by_sums() {
    let desk = seeded().await;
    let today = today_ms();
    let tenant = desk.tenant.as_uuid();
    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();
    let (from, to, after) = (
        text(today - 10 * DAY_MS),
        text(today),
        text(today - 2 * DAY_MS),
    );

    let export = include_str!("../../src/adapters/postgres/export_events.sql");
    for (after, days) in [("null, null".to_owned(), 10), (format!("{after}, 0"), 2)] {
        for (place, wanted) in [
            ("events", days),
            ("quarantined_events", 0),
            ("leaving_events", 0),
        ] {
            let export = export.replace("{table}", place);
            let arguments = format!("'{tenant}', {from}, {to}, null, {after}, 4096");
            let reads = reads(tx.conn(), &export, &arguments).await;
            let days: Vec<_> = reads
                .iter()
                .filter(|read| read.table.starts_with("events_"))
                .collect();
            assert_eq!(days.len(), wanted, "{reads:?}");
            assert!(
                days.iter().all(|read| read.how.contains("Index")),
                "{reads:?}"
            );
        }
    }
    let count = include_str!("../../src/adapters/postgres/count_events.sql");
    let arguments = format!("'{tenant}', {from}, {to}, 'search'");
    let reads = reads(tx.conn(), count, &arguments).await;
    assert_eq!(faults(&reads, "rollup_days"), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_of_sums_is_read_and_counted_from_the_rollups_of_their_grain_by_index() {
    let desk = seeded().await;
    let (from, to) = (text(today_ms() - 6 * DAY_MS), text(today_ms() + DAY_MS));
    let tenant = desk.tenant.as_uuid();
    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();

    for table in ["rollup_minutes", "rollup_hours", "rollup_days"] {
        let sums = include_str!("../../src/adapters/postgres/export_sums.sql");
        let count = include_str!("../../src/adapters/postgres/count_sums.sql");
        for (statement, arguments) in [
            (
                sums,
                format!("'{tenant}', {from}, {to}, null, null, null, 4096"),
            ),
            (
                sums,
                format!("'{tenant}', {from}, {to}, '{{search}}', {from}, 'order', 4096"),
            ),
            (
                count,
                format!("'{tenant}', {from}, {to}, '{{search}}', 1000"),
            ),
        ] {
            let statement = statement.replace("{table}", table);
            let reads = reads(tx.conn(), &statement, &arguments).await;
            assert!(tables(&reads).contains(table));
            assert_eq!(faults(&reads, table), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_question_that_reads_single_events_or_all_days_is_caught() {
    let desk = seeded().await;
    let mut tx = desk.database.tenant_tx(desk.tenant).await.unwrap();

    let raw = "select count(*) from events where tenant_id = $1";
    let raw = reads(tx.conn(), raw, &format!("'{}'", desk.tenant.as_uuid())).await;
    tx.rollback().await;
    let mut tx = desk.database.system_tx().await.unwrap();
    let whole = "select sum(n) from rollup_days where n > $1";
    let whole = reads(tx.conn(), whole, "0").await;

    assert!(faults(&raw, "rollup_days").len() >= usize::try_from(DAYS).unwrap());
    assert_eq!(faults(&whole, "rollup_days").len(), 1);
}
