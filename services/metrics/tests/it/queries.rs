//! Questions and their answers.

use sqlx::Executor;
use tonic::{Code, Status};
use tradepost_aggregation::Sketch;
use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::ports::EventStore;
use tradepost_postgres::DatabaseConfig;
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::ErrorDetails;
use tradepost_types::TenantId;

use crate::support::{
    Client, DAY_MS, Desk, Written, batch, fresh_database, reason, timestamp, today_ms,
};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

fn range(start_ms: i64, end_ms: i64) -> Option<pb::TimeRange> {
    Some(pb::TimeRange {
        start_time: Some(timestamp(start_ms)),
        end_time: Some(timestamp(end_ms)),
    })
}

fn query(bucket: pb::Bucket, start_ms: i64, end_ms: i64) -> pb::QueryEventsRequest {
    pb::QueryEventsRequest {
        range: range(start_ms, end_ms),
        bucket: bucket.into(),
        ..pb::QueryEventsRequest::default()
    }
}

/// What a person would note of a sum: when (in minutes after `from_ms`), what, how many, how much.
fn noted(from_ms: i64, sums: &[pb::Sum]) -> Vec<(i64, &str, u64, f64)> {
    let note = |sum: &'_ pb::Sum| {
        let minutes = (sum.start_time.unwrap().seconds * 1_000 - from_ms) / MINUTE_MS;
        (minutes, sum.count, sum.sum)
    };
    let noted = sums.iter();
    noted
        .map(|sum| {
            let (minutes, count, total) = note(sum);
            (minutes, sum.event_type.as_str(), count, total)
        })
        .collect()
}

async fn stored(desk: &Desk, tenant: TenantId, sequence: i64, events: &[Written<'_>]) {
    desk.store
        .store(&[batch(tenant, sequence, events)])
        .await
        .unwrap();
}

fn reader(desk: &Desk) -> Client {
    desk.client(desk.tenant, &["analytics:read"])
}

fn platform(desk: &Desk) -> Client {
    desk.client(desk.tenant, &["analytics:read_any", "tenants:write"])
}

fn refusal<T>(answer: Result<T, Status>) -> String {
    reason(&answer.err().expect("it is refused"))
}

#[tokio::test]
async fn sums_come_by_bucket_newest_first_and_of_the_own_tenant_only() {
    let desk = Desk::open().await;
    let from = today_ms() - 2 * DAY_MS;
    let events = [
        (from, "a", "ada", 1.0),
        (from + 30_000, "a", "bob", 3.0),
        (from + MINUTE_MS, "a", "ada", 5.0),
        (from + HOUR_MS, "b", "ada", 7.0),
        (from + DAY_MS, "a", "", 9.0),
    ];
    stored(&desk, desk.tenant, 1, &events).await;
    stored(&desk, TenantId::new(), 1, &events).await;
    let mut client = reader(&desk);

    let mut ask = async |bucket| {
        let question = query(bucket, from, from + 2 * DAY_MS);
        client.query_events(question).await.unwrap().into_inner()
    };
    let minutes = ask(pb::Bucket::Minute).await;
    let hours = ask(pb::Bucket::Hour).await;
    let days = ask(pb::Bucket::Unspecified).await;
    let whole = ask(pb::Bucket::Whole).await;

    let wanted = [
        (1440, "a", 1, 9.0),
        (60, "b", 1, 7.0),
        (1, "a", 1, 5.0),
        (0, "a", 2, 4.0),
    ];
    assert_eq!(noted(from, &minutes.sums), wanted);
    let wanted = [(1440, "a", 1, 9.0), (60, "b", 1, 7.0), (0, "a", 3, 9.0)];
    assert_eq!(noted(from, &hours.sums), wanted);
    let wanted = [(1440, "a", 1, 9.0), (0, "a", 3, 9.0), (0, "b", 1, 7.0)];
    assert_eq!(noted(from, &days.sums), wanted);
    assert_eq!(
        noted(from, &whole.sums),
        [(0, "a", 4, 18.0), (0, "b", 1, 7.0)]
    );
    let first = &whole.sums[0];
    assert_eq!((first.min, first.max, first.mean), (1.0, 9.0, 4.5));
    assert_eq!((first.sum_of_squares, first.distinct_users), (116.0, 2));
    assert!(
        (first.p50 - 3.0).abs() <= 3.0 * Sketch::RELATIVE_ERROR,
        "{}",
        first.p50
    );
    assert_eq!(first.p99, 9.0);
    assert_eq!(whole.percentile_relative_error, Sketch::RELATIVE_ERROR);
}

#[tokio::test]
async fn a_whole_range_is_stitched_of_days_hours_and_minutes() {
    let desk = Desk::open().await;
    let from = today_ms() - 3 * DAY_MS;
    let every_ten_minutes: Vec<Written<'_>> = (0..3 * 144_i64)
        .map(|number| (from + number * 10 * MINUTE_MS, "a", "", 1.0))
        .collect();
    stored(&desk, desk.tenant, 1, &every_ten_minutes).await;
    let mut client = reader(&desk);

    for (start, end, wanted) in [
        (0, 3 * DAY_MS, 432),
        (MINUTE_MS, 3 * DAY_MS, 431),
        (10 * MINUTE_MS, 20 * MINUTE_MS, 1),
        (HOUR_MS + MINUTE_MS, 2 * DAY_MS + HOUR_MS + MINUTE_MS, 288),
        (HOUR_MS, HOUR_MS + MINUTE_MS, 1),
    ] {
        let question = query(pb::Bucket::Whole, from + start, from + end);
        let answer = client.query_events(question).await.unwrap().into_inner();
        assert_eq!(answer.sums[0].count, wanted, "{start} to {end}");
    }
}

#[tokio::test]
async fn pages_of_sums_hold_each_once_and_a_token_fits_its_question_only() {
    let desk = Desk::open().await;
    let from = today_ms() - DAY_MS;
    let types = ["a", "b", "c", "d", "e"];
    let events: Vec<Written<'_>> = (0..3)
        .flat_map(|hour| types.map(|name| (from + hour * HOUR_MS, name, "", 1.0)))
        .collect();
    stored(&desk, desk.tenant, 1, &events).await;
    let mut client = reader(&desk);

    for (bucket, wanted) in [(pb::Bucket::Hour, 12), (pb::Bucket::Whole, 4)] {
        let mut question = query(bucket, from, from + DAY_MS);
        question.page_size = 4;
        question.event_types = ["a", "b", "c", "e", "never"].map(str::to_owned).to_vec();
        let mut seen = Vec::new();
        loop {
            let page = client
                .query_events(question.clone())
                .await
                .unwrap()
                .into_inner();
            assert!(page.sums.len() <= 4);
            seen.extend(page.sums.iter().map(|sum| {
                (
                    std::cmp::Reverse(sum.start_time.unwrap().seconds),
                    sum.event_type.clone(),
                )
            }));
            if page.next_page_token.is_empty() {
                break;
            }
            question.page_token = page.next_page_token;
            let mut other = question.clone();
            other.event_types.pop();
            let refused = client.query_events(other).await;
            assert_eq!(refusal(refused), "PAGE_TOKEN_INVALID");
        }
        assert_eq!(seen.len(), wanted);
        assert!(seen.is_sorted());
        seen.dedup();
        assert_eq!(seen.len(), wanted);
    }
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_told_to_ask_for_less() {
    let test_database = fresh_database().await;
    let hasty = DatabaseConfig {
        statement_timeout_ms: 3_000,
        ..test_database.config()
    };
    let desk = Desk::over(test_database, &hasty, AnalyticsConfig::default()).await;
    let event = [(today_ms(), "a", "", 1.0)];
    stored(&desk, desk.tenant, 1, &event).await;
    let mut admin = desk.test_database.admin().await;
    let slow = "create policy slow on rollup_days as restrictive using (pg_sleep(60) is not null)";
    admin.execute(slow).await.unwrap();
    let mut client = reader(&desk);
    let question = query(pb::Bucket::Day, today_ms(), today_ms() + DAY_MS);

    let refused = client.query_events(question.clone()).await.unwrap_err();
    admin
        .execute("drop policy slow on rollup_days")
        .await
        .unwrap();
    let answered = client.query_events(question).await.unwrap().into_inner();

    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert_eq!(reason(&refused), "QUERY_TIMED_OUT");
    assert_eq!(answered.sums.len(), 1);
}

#[tokio::test]
async fn ranges_that_are_none_are_refused() {
    let desk = Desk::open().await;
    let mut client = reader(&desk);
    let today = today_ms();
    let long_ago = today - 20 * DAY_MS;
    for (bucket, start_ms, end_ms) in [
        (pb::Bucket::Day, today, today),
        (pb::Bucket::Day, today, today - DAY_MS),
        (pb::Bucket::Day, today + 1, today + DAY_MS),
        (pb::Bucket::Hour, today, today + MINUTE_MS),
        (pb::Bucket::Day, today - 3_700 * DAY_MS, today),
        (pb::Bucket::Minute, long_ago, today),
        (pb::Bucket::Hour, today - 100 * DAY_MS, today),
        (pb::Bucket::Whole, long_ago + MINUTE_MS, today),
        (pb::Bucket::Whole, today + 1, today + DAY_MS),
    ] {
        let refused = client.query_events(query(bucket, start_ms, end_ms)).await;
        assert_eq!(
            refusal(refused),
            "RANGE_INVALID",
            "{bucket:?} {start_ms} {end_ms}"
        );
    }
    let whole = query(pb::Bucket::Whole, long_ago + HOUR_MS, today);
    assert!(
        client.query_events(whole).await.is_ok(),
        "hours are still kept"
    );
    let nothing = pb::QueryEventsRequest::default();
    let refused = client.query_events(nothing).await.unwrap_err();
    let fields = ErrorDetails::from_status(&refused).fields;
    assert_eq!(fields.len(), 2);
    let too_long = pb::ListEventsRequest {
        range: range(today - 32 * DAY_MS, today),
        ..pb::ListEventsRequest::default()
    };
    assert_eq!(refusal(client.list_events(too_long).await), "RANGE_INVALID");
}

/// Five tenants, of which one is on the small plan and one on none, with events on four days.
async fn five_tenants(desk: &Desk, today: i64) -> Vec<TenantId> {
    let mut tenants: Vec<TenantId> = (0..5).map(|_| TenantId::new()).collect();
    tenants.sort_unstable();
    let mut client = platform(desk);
    for (number, &tenant) in tenants.iter().enumerate() {
        if number < 4 {
            let plan = if number == 1 { "small" } else { "large" };
            let request = pb::PutTenantRequest {
                tenant_id: tenant.to_string(),
                plan: plan.to_owned(),
                plan_version: 1,
            };
            client.put_tenant(request).await.unwrap();
        }
        let events: Vec<Written<'_>> = [0, 1, 5, 20]
            .into_iter()
            .flat_map(|days| {
                let at_ms = today - days * DAY_MS;
                [
                    (at_ms, "order.processed", "", 10.0),
                    (at_ms, "order.processed", "", 20.0),
                    (at_ms, "other", "", 90.0),
                ]
            })
            .collect();
        stored(desk, tenant, 1, &events).await;
    }
    tenants
}

/// All pages of a report.
async fn all_lines(client: &mut Client, mut request: pb::ReportDailyRequest) -> Vec<pb::DailyLine> {
    let mut lines = Vec::new();
    loop {
        let page = client
            .report_daily(request.clone())
            .await
            .unwrap()
            .into_inner();
        lines.extend(page.lines);
        if page.next_page_token.is_empty() {
            return lines;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn the_report_lists_tenants_of_a_plan_by_day_newest_first_in_pages() {
    let desk = Desk::open().await;
    let today = today_ms();
    let tenants = five_tenants(&desk, today).await;
    let mut client = platform(&desk);
    let request = pb::ReportDailyRequest {
        plan: "large".to_owned(),
        event_type: "order.processed".to_owned(),
        since: Some(timestamp(today - 5 * DAY_MS)),
        page_size: 2,
        ..pb::ReportDailyRequest::default()
    };
    let large = all_lines(&mut client, request.clone()).await;
    let small = pb::ReportDailyRequest {
        plan: "small".to_owned(),
        since: Some(timestamp(today - 400 * DAY_MS)),
        ..request.clone()
    };
    let small = all_lines(&mut client, small).await;
    let any = pb::ReportDailyRequest {
        plan: String::new(),
        event_type: String::new(),
        ..request
    };
    let any = all_lines(&mut client, any).await;

    let noted: Vec<_> = large
        .iter()
        .map(|line| {
            let days = (today / 1_000 - line.day.unwrap().seconds) / 86_400;
            (days, line.tenant_id.clone(), line.count, line.mean)
        })
        .collect();
    let wanted: Vec<_> = [0, 1, 5]
        .into_iter()
        .flat_map(|days| [0, 2, 3].map(|number| (days, tenants[number].to_string(), 2, 15.0)))
        .collect();
    assert_eq!(noted, wanted);
    assert_eq!(small.len(), 4);
    assert_eq!(any.len(), 3 * 5);
    assert!(any.iter().all(|line| (line.count, line.mean) == (3, 40.0)));
}

#[tokio::test]
async fn the_greatest_come_first_by_count_or_sum() {
    let desk = Desk::open().await;
    let today = today_ms();
    let mut events = vec![(today - DAY_MS, "rare", "", 1_000.0)];
    events.extend([(today - DAY_MS, "often", "", 1.0); 5]);
    events.extend([(today, "some", "", 2.0); 3]);
    events.push((today - 5 * DAY_MS, "before", "", 1.0));
    stored(&desk, desk.tenant, 1, &events).await;
    let mut client = reader(&desk);
    let mut ask = async |measure: pb::TopMeasure, limit| {
        let request = pb::ListTopRequest {
            tenant_id: String::new(),
            range: range(today - DAY_MS, today + DAY_MS),
            measure: measure.into(),
            limit,
            plan: String::new(),
        };
        client.list_top(request).await.map(|answer| {
            let lines = answer.into_inner().lines;
            lines
                .into_iter()
                .map(|line| (line.event_type, line.count, line.sum))
                .collect::<Vec<_>>()
        })
    };

    let line = |name: &str, count, sum| (name.to_owned(), count, sum);
    let by_count = ask(pb::TopMeasure::Unspecified, 0).await.unwrap();
    let by_sum = ask(pb::TopMeasure::Sum, 2).await.unwrap();

    assert_eq!(
        by_count,
        [
            line("often", 5, 5.0),
            line("some", 3, 6.0),
            line("rare", 1, 1_000.0)
        ]
    );
    assert_eq!(by_sum, [line("rare", 1, 1_000.0), line("some", 3, 6.0)]);
    assert_eq!(refusal(ask(pb::TopMeasure::Sum, -1).await), "INVALID_FIELD");
}

#[tokio::test]
async fn single_events_come_newest_first_in_pages_and_of_the_own_tenant_only() {
    let desk = Desk::open().await;
    let today = today_ms();
    // Many at one moment, over several days, in two batches.
    let moment = today - DAY_MS;
    let mut events: Vec<Written<'_>> = vec![(moment, "a", "ada", 1.0); 9];
    events.extend((0..20).map(|number| (today - number * HOUR_MS * 7, "b", "", 2.0)));
    stored(&desk, desk.tenant, 1, &events).await;
    stored(&desk, desk.tenant, 2, &events).await;
    stored(&desk, TenantId::new(), 1, &events).await;
    let mut client = reader(&desk);
    let mut all = async |event_type: &str| {
        let mut request = pb::ListEventsRequest {
            range: range(today - 30 * DAY_MS, today + DAY_MS),
            event_type: event_type.to_owned(),
            page_size: 4,
            ..pb::ListEventsRequest::default()
        };
        let mut found = Vec::new();
        loop {
            let page = client
                .list_events(request.clone())
                .await
                .unwrap()
                .into_inner();
            assert!(page.events.len() <= 4);
            found.extend(page.events);
            if page.next_page_token.is_empty() {
                return found;
            }
            request.page_token = page.next_page_token;
        }
    };

    let both = all("").await;
    let of_a = all("a").await;
    let never = all("never").await;

    assert_eq!((both.len(), of_a.len(), never.len()), (58, 18, 0));
    assert!(both.is_sorted_by_key(|event| std::cmp::Reverse(event.event_time.unwrap().seconds)));
    let ada = of_a.iter().all(|event| {
        (
            event.event_type.as_str(),
            event.user_id.as_str(),
            event.value,
        ) == ("a", "ada", 1.0)
    });
    assert!(ada);
}

#[tokio::test]
async fn another_tenants_figures_take_the_right_to_all() {
    let desk = Desk::open().await;
    let today = today_ms();
    let other = TenantId::new();
    stored(&desk, other, 1, &[(today, "a", "", 1.0)]).await;
    let mut question = query(pb::Bucket::Day, today, today + DAY_MS);
    question.tenant_id = other.to_string();
    let events = pb::ListEventsRequest {
        tenant_id: other.to_string(),
        range: range(today, today + DAY_MS),
        ..pb::ListEventsRequest::default()
    };
    let top = pb::ListTopRequest {
        tenant_id: other.to_string(),
        range: range(today, today + DAY_MS),
        ..pb::ListTopRequest::default()
    };

    let (mut own, mut any) = (
        reader(&desk),
        desk.client(desk.tenant, &["analytics:read", "analytics:read_any"]),
    );

    let refused = own.query_events(question.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::PermissionDenied, "TENANT_FORBIDDEN")
    );
    assert_eq!(
        refusal(own.list_events(events.clone()).await),
        "TENANT_FORBIDDEN"
    );
    assert_eq!(refusal(own.list_top(top.clone()).await), "TENANT_FORBIDDEN");
    assert_eq!(
        any.query_events(question)
            .await
            .unwrap()
            .into_inner()
            .sums
            .len(),
        1
    );
    assert_eq!(
        any.list_events(events)
            .await
            .unwrap()
            .into_inner()
            .events
            .len(),
        1
    );
    assert_eq!(any.list_top(top).await.unwrap().into_inner().lines.len(), 1);
}
