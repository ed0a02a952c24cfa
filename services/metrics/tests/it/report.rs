//! The report over tenants: every page is right, and reads what is on it.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use time::{Date, Duration};
use tradepost_metrics::domain::{EventType, Range};
use tradepost_metrics::ports::{DailyQuestion, EventStore, Measure, ReportStore, Whose};
use tradepost_proto::metrics::v1 as pb;
use tradepost_types::TenantId;
use uuid::Uuid;

use crate::support::{DAY_MS, Desk, batch, reason, timestamp, today, today_ms};

const TENANTS: i32 = 200;
const DAYS: i32 = 60;
/// Lines of a page, and one to know whether there is another.
const PAGE: i64 = 51;
/// Blocks that a line may take: its tenant, down the index to its types, their rows.
const BLOCKS_A_LINE: i64 = 8;
/// Blocks that a statement may take besides.
const BLOCKS_BESIDES: i64 = 40;

/// Two hundred tenants with three types on sixty days, with sketches as large as those of a busy day;
/// every tenth is on the small plan, and three are on the idle one and were last seen long ago.
async fn seeded() -> Desk {
    let desk = Desk::open().await;
    let mut admin = desk.test_database.admin().await;
    let seed = format!(
        "insert into tenants (tenant_id, plan, plan_version)
         select ('00000000-0000-7000-8000-' || lpad(to_hex(i * 7919 % 65536), 12, '0'))::uuid,
             case when i % 10 = 0 then 'small' when i % 10 = 1 and i < 30 then 'idle'
                  else 'large' end, 1
         from generate_series(1, {TENANTS}) i;
         insert into event_types (tenant_id, type_id, name)
         select tenant_id, t, 'type.' || t from tenants, generate_series(1, 3) t;
         insert into rollup_days
         select tenant_id, date_trunc('day', now() at time zone 'UTC') at time zone 'UTC'
                 - make_interval(days => d), t, 10 + d + t, d * t, 1, 0, 1, '\\x00',
             decode(repeat('ab', case when d < 3 or plan = 'idle' then 2500 else 300 end), 'hex')
         from generate_series(0, {DAYS} - 1) d, tenants, generate_series(1, 3) t
         where (plan <> 'idle' or d > {DAYS} - 3) and (t < 3 or d % 2 = 0)
         order by d desc, tenant_id, t;
         analyze"
    );
    admin.execute(AssertSqlSafe(seed)).await.unwrap();
    desk
}

/// What all pages must come to, straight from the rows.
async fn wanted(
    conn: &mut PgConnection,
    plan: Option<&str>,
    name: Option<&str>,
    since: Date,
) -> Vec<(Date, Uuid, i64, f64)> {
    sqlx::query_as(
        "select (r.start_time at time zone 'UTC')::date, r.tenant_id, sum(r.n)::bigint, sum(r.sum)
         from rollup_days r
         join tenants p using (tenant_id)
         join event_types t on t.tenant_id = r.tenant_id and t.type_id = r.type_id
         where ($1::text is null or p.plan = $1) and ($2::text is null or t.name = $2)
           and r.start_time >= $3::date::timestamp at time zone 'UTC'
         group by 1, 2 order by 1 desc, 2",
    )
    .bind(plan)
    .bind(name)
    .bind(since)
    .fetch_all(conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn pages_of_any_size_hold_every_line_once_in_order() {
    let desk = seeded().await;
    let mut admin = desk.test_database.admin().await;
    let today = today();
    for (plan, name, days, size) in [
        (None, None, 3, 70),
        (Some("large"), None, 4, 501),
        (Some("small"), Some("type.3"), 59, 7),
        (Some("small"), None, 59, 33),
        (Some("idle"), None, 59, 2),
        (Some("idle"), Some("type.1"), 59, 51),
        (Some("idle"), None, 5, 51),
        (Some("none"), None, 59, 51),
        (None, Some("never"), 59, 51),
    ] {
        let since = today - Duration::days(days);
        let wanted = wanted(&mut admin, plan, name, since).await;
        let mut question = DailyQuestion {
            plan: plan.map(str::to_owned),
            event_type: name.map(|name| EventType::try_from(name).unwrap()),
            since,
            until: today + Duration::DAY,
            after: None,
            limit: size,
        };
        let mut lines = Vec::new();
        loop {
            let page = desk.store.daily(&question).await.unwrap();
            assert!(page.len() <= usize::try_from(size).unwrap());
            let Some(last) = page.last() else { break };
            question.after = Some((last.day, last.tenant));
            lines.extend(page.iter().map(|line| {
                let n = i64::try_from(line.n).unwrap();
                (line.day, line.tenant.as_uuid(), n, line.sum)
            }));
        }

        assert_eq!(lines, wanted, "{plan:?} {name:?} {days} {size}");
    }
}

/// How many blocks a statement touches, and how many rows it gives.
async fn touched(conn: &mut PgConnection, statement: &str, arguments: &str) -> (i64, i64) {
    let prepare =
        format!("set local plan_cache_mode = force_custom_plan; prepare p as {statement}");
    conn.execute(AssertSqlSafe(prepare)).await.unwrap();
    let explain =
        format!("explain (analyze, buffers, timing off, format json) execute p ({arguments})");
    let mut plan = Value::Null;
    // The first time the session learns of the tables.
    for _ in 0..2 {
        plan = sqlx::query_scalar(AssertSqlSafe(explain.clone()))
            .persistent(false)
            .fetch_one(&mut *conn)
            .await
            .unwrap();
    }
    conn.execute("deallocate p").await.unwrap();
    let of = |name: &str| plan[0]["Plan"][name].as_i64().unwrap();
    let blocks = of("Shared Hit Blocks") + of("Shared Read Blocks");
    (blocks, of("Actual Rows"))
}

#[tokio::test]
async fn a_page_touches_the_rows_of_its_lines_and_no_sketch() {
    let desk = seeded().await;
    let mut tx = desk.database.system_tx().await.unwrap();
    let day = include_str!("../../src/adapters/postgres/daily.sql");
    let span = include_str!("../../src/adapters/postgres/daily_span.sql");
    let at = |days: i32| {
        format!(
            "date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '{days} days'"
        )
    };
    let middle: Uuid = sqlx::query_scalar("select tenant_id from tenants order by 1 offset 100")
        .fetch_one(tx.conn())
        .await
        .unwrap();
    let first_step = format!("null, null, {}, null, {PAGE}", at(0));
    let deep = format!("null, null, {}, '{middle}', {PAGE}", at(2));
    let of_type = format!("'large', 'type.1', {}, '{middle}', {PAGE}", at(2));
    let of_few = format!("'small', 'type.1', {}, {}, {PAGE}", at(4), at(1));

    for (statement, arguments, lines) in [
        (day, first_step, PAGE),
        (day, deep, PAGE),
        (day, of_type, PAGE),
        (span, of_few, PAGE),
    ] {
        let (blocks, rows) = touched(tx.conn(), statement, &arguments).await;
        assert_eq!(rows, lines, "{arguments}");
        let allowed = lines * BLOCKS_A_LINE + BLOCKS_BESIDES;
        assert!(blocks <= allowed, "{blocks} blocks for {arguments}");
    }
    // The measure catches what reads sketches, or days whole.
    let sketches = "select tenant_id, sum(length(sketch) + get_byte(sketch, 2400)) from rollup_days
        where start_time = $1 group by 1 order by 1 limit $2";
    let (blocks, _) = touched(tx.conn(), sketches, &format!("{}, {PAGE}", at(2))).await;
    assert!(blocks > PAGE * BLOCKS_A_LINE + BLOCKS_BESIDES, "{blocks}");
}

#[tokio::test]
async fn the_day_to_begin_with_is_found_without_a_look_at_its_rows() {
    let desk = seeded().await;
    let mut tx = desk.database.system_tx().await.unwrap();
    let newest =
        "select max(start_time) from rollup_days where start_time >= $1 and start_time < $2";

    let (blocks, _) = touched(tx.conn(), newest, "now() - interval '50 days', now()").await;

    assert!(blocks <= 10, "{blocks}");
    let idle = DailyQuestion {
        plan: Some("idle".to_owned()),
        event_type: None,
        since: today() - Duration::days(70),
        until: today(),
        after: Some((today(), TenantId::new())),
        limit: PAGE,
    };
    assert_eq!(desk.store.daily(&idle).await.unwrap().len(), 6);
}

#[tokio::test]
async fn the_report_ends_where_it_is_asked_to() {
    let desk = Desk::open().await;
    let today = today_ms();
    let events = [0, 1, 2, 5, 9].map(|ago| (today - ago * DAY_MS, "a", "", 1.0));
    desk.store
        .store(&[batch(desk.tenant, 1, &events)])
        .await
        .unwrap();
    let mut client = desk.client(desk.tenant, &["analytics:read_any"]);
    let question = |since: i64, until: i64| pb::ReportDailyRequest {
        since: Some(timestamp(today - since * DAY_MS)),
        until: Some(timestamp(today - until * DAY_MS)),
        page_size: 2,
        ..pb::ReportDailyRequest::default()
    };

    let mut request = question(9, 1);
    let first = client.report_daily(request.clone()).await.unwrap();
    let first = first.into_inner();
    request.page_token.clone_from(&first.next_page_token);
    let second = client.report_daily(request.clone()).await.unwrap();
    let ahead = client.report_daily(question(0, -30)).await.unwrap();
    request.until = None;
    let other = client.report_daily(request).await.unwrap_err();

    let lines = first.lines.iter().chain(&second.get_ref().lines);
    let days: Vec<i64> = lines
        .map(|line| (today / 1_000 - line.day.unwrap().seconds) / 86_400)
        .collect();
    assert_eq!(days, [2, 5, 9]);
    assert_eq!(second.get_ref().next_page_token, "");
    assert_eq!(ahead.get_ref().lines.len(), 1);
    assert_eq!(reason(&other), "PAGE_TOKEN_INVALID");
    let mut noon = question(9, 1);
    noon.until = Some(timestamp(today + DAY_MS / 2));
    for refused in [noon, question(1, 1), question(1, 2), question(4_000, 1)] {
        let refused = client.report_daily(refused).await.unwrap_err();
        assert_eq!(reason(&refused), "RANGE_INVALID");
    }
    let mut never = question(9, 1);
    never.until = Some(timestamp(i64::MAX / 2));
    let refused = client.report_daily(never).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
}

#[tokio::test]
async fn values_from_before_they_were_bounded_take_no_report_away() {
    let desk = Desk::open().await;
    let mut admin = desk.test_database.admin().await;
    let tenant = format!(
        "insert into tenants (tenant_id, plan, plan_version) values ('{}', 'small', 1)
         on conflict do nothing",
        desk.tenant.as_uuid()
    );
    admin.execute(AssertSqlSafe(tenant)).await.unwrap();
    let events: Vec<_> = [0, 1, 2]
        .into_iter()
        .flat_map(|ago| ["a", "b"].map(|of| (today_ms() - ago * DAY_MS, of, "", 1.7e308)))
        .collect();
    let events = batch(desk.tenant, 1, &events);
    desk.store.store(&[events]).await.unwrap();
    let today = today();
    let question = DailyQuestion {
        plan: None,
        event_type: None,
        since: today - Duration::days(9),
        until: today,
        after: None,
        limit: PAGE,
    };
    let range = Range::new(today_ms() - 2 * DAY_MS, today_ms() + DAY_MS, 9).unwrap();

    let whose = Whose::Tenant(desk.tenant);

    let daily = desk.store.daily(&question).await.unwrap();
    let top = desk.store.top(&whose, range, Measure::Sum, 5).await;

    let daily: Vec<_> = daily.iter().map(|line| (line.n, line.sum)).collect();
    assert_eq!(daily, [(2, 2e290); 3]);
    let top: Vec<_> = top.unwrap().iter().map(|line| (line.n, line.sum)).collect();
    assert_eq!(top, [(3, 1e290 + 1e290 + 1e290); 2]);
}
