//! Sums over the tenants of a plan: what a plain fold of their events comes to, in pages of bounded work.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tonic::Code;
use tradepost_aggregation::{Distinct, Sketch};
use tradepost_metrics::domain::{EventType, Grain, Range};
use tradepost_metrics::ports::{
    EventStore, Measure, PlanQuestion, PlanWholeQuestion, ReportStore, Sum, Whose,
};
use tradepost_metrics::rollup::{Folding, Key, Rollup};
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::error::ErrorDetails;
use tradepost_types::TenantId;

use crate::support::{Client, DAY_MS, Desk, Written, batch, reason, timestamp, today_ms};

const MINUTE_MS: i64 = 60_000;
const TYPES: [&str; 4] = ["a", "b", "c", "d"];
const USERS: [&str; 4] = ["", "ada", "bob", "eve"];

fn range(start_ms: i64, end_ms: i64) -> Option<pb::TimeRange> {
    Some(pb::TimeRange {
        start_time: Some(timestamp(start_ms)),
        end_time: Some(timestamp(end_ms)),
    })
}

/// Of the last two days and today.
fn question(plan: &str, grain: Grain) -> PlanQuestion {
    PlanQuestion {
        plan: plan.to_owned(),
        grain,
        range: Range::new(today_ms() - 2 * DAY_MS, today_ms() + DAY_MS, 3).unwrap(),
        types: Vec::new(),
        after: None,
        limit: 501,
        rollups_max: 20_000,
    }
}

fn sums_of(plan: &str) -> pb::QueryEventsRequest {
    pb::QueryEventsRequest {
        plan: plan.to_owned(),
        range: range(today_ms() - DAY_MS, today_ms() + DAY_MS),
        ..pb::QueryEventsRequest::default()
    }
}

fn whole_of(plan: &str, days: i64) -> pb::QueryEventsRequest {
    pb::QueryEventsRequest {
        bucket: pb::Bucket::Whole.into(),
        range: range(today_ms() - (days - 1) * DAY_MS, today_ms() + DAY_MS),
        ..sums_of(plan)
    }
}

fn top_of(plan: &str, days: i64) -> pb::ListTopRequest {
    pb::ListTopRequest {
        plan: plan.to_owned(),
        range: range(today_ms() - (days - 1) * DAY_MS, today_ms() + DAY_MS),
        ..pb::ListTopRequest::default()
    }
}

fn platform(desk: &Desk) -> Client {
    desk.client(desk.tenant, &["analytics:read_any", "tenants:write"])
}

async fn stored(desk: &Desk, tenant: TenantId, events: &[Written<'_>]) {
    desk.store.store(&[batch(tenant, 1, events)]).await.unwrap();
}

/// An event before it has a moment: minutes before the end of today, type, user, value.
type Drawn = (i64, usize, usize, i32);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    // Near to each other, so that tenants meet in one minute, and over three days.
    let minute = prop_oneof![0_i64..20, 0_i64..3 * 1_440];
    let event = (minute, 0..TYPES.len(), 0..USERS.len(), -50_i32..1_000);
    prop::collection::vec(event, 1..60)
}

fn written(events: &[Drawn]) -> Vec<Written<'static>> {
    let end_ms = today_ms() + DAY_MS;
    let write = |&(minutes, name, user, value): &Drawn| {
        let at_ms = end_ms - (minutes + 1) * MINUTE_MS;
        (at_ms, TYPES[name], USERS[user], f64::from(value))
    };
    events.iter().map(write).collect()
}

/// What all these events come to, as if they were of one tenant.
fn folded(events: &[Written<'_>], grain: Grain) -> Vec<Sum> {
    let (tenant, mut folding) = (TenantId::new(), Folding::default());
    for &(at_ms, name, user, value) in events {
        let type_id = TYPES.iter().position(|known| *known == name).unwrap();
        let user = (!user.is_empty()).then(|| Distinct::hash(user.as_bytes()));
        folding.add(
            tenant,
            i16::try_from(type_id).unwrap(),
            at_ms,
            (value, user),
        );
    }
    let rollups = folding.finish();
    let line = |(key, rollup): &(Key, Rollup)| Sum {
        event_type: TYPES[usize::try_from(key.type_id).unwrap()].to_owned(),
        start_ms: key.start_ms,
        rollup: rollup.clone(),
    };
    let mut sums: Vec<Sum> = rollups.of(grain).iter().map(line).collect();
    sums.sort_by_key(|sum| (Reverse(sum.start_ms), sum.event_type.clone()));
    sums
}

/// All pages, each of so many lines, and ended after so many rollups.
async fn all(
    desk: &Desk,
    mut question: PlanQuestion,
    (limit, rollups_max): (i64, i64),
) -> Vec<Sum> {
    let mut sums: Vec<Sum> = Vec::new();
    (question.limit, question.rollups_max) = (limit, rollups_max);
    loop {
        let page = desk.store.plan_sums(&question).await.unwrap();
        assert!(page.sums.len() <= usize::try_from(limit).unwrap());
        let Some(last) = page.sums.last() else {
            assert!(!page.is_cut, "a page that is cut has a line");
            return sums;
        };
        question.after = Some((last.start_ms, last.event_type.clone()));
        sums.extend(page.sums);
    }
}

/// What all these events of a range come to, by event type.
fn folded_whole(events: &[Written<'_>], range: Range) -> Vec<Sum> {
    let of_range = |event: &&Written<'_>| (range.start_ms..range.end_ms).contains(&event.0);
    let events: Vec<Written<'_>> = events.iter().filter(of_range).copied().collect();
    let mut by_name: BTreeMap<String, Rollup> = BTreeMap::new();
    for minute in folded(&events, Grain::Minute) {
        match by_name.get_mut(&minute.event_type) {
            Some(whole) => whole.merge(&minute.rollup),
            None => {
                by_name.insert(minute.event_type, minute.rollup);
            }
        }
    }
    let sum = |(event_type, rollup)| Sum {
        event_type,
        start_ms: range.start_ms,
        rollup,
    };
    by_name.into_iter().map(sum).collect()
}

/// The same of a plan, of all pages, each of so many event types, and ended after so many rollups.
async fn all_whole(
    desk: &Desk,
    (plan, range, types): (&str, Range, &[&str]),
    (types_max, rollups_max): (i64, u64),
) -> Vec<Sum> {
    let mut question = PlanWholeQuestion {
        plan: plan.to_owned(),
        pieces: range.pieces(),
        types: types
            .iter()
            .map(|name| EventType::try_from(*name).unwrap())
            .collect(),
        after: None,
        types_max,
        rollups_max,
    };
    let mut sums: Vec<Sum> = Vec::new();
    loop {
        let page = desk.store.plan_whole(&question).await.unwrap();
        assert!(page.sums.len() <= usize::try_from(types_max).unwrap());
        sums.extend(page.sums);
        let Some(last) = page.last else {
            return sums;
        };
        question.after = Some(last);
    }
}

/// What the greatest are, from the days.
fn greatest(days: &[Sum]) -> Vec<(String, u64, f64)> {
    let mut by_name: BTreeMap<&str, (u64, f64)> = BTreeMap::new();
    for day in days {
        let line = by_name.entry(&day.event_type).or_default();
        *line = (line.0 + day.rollup.n, line.1 + day.rollup.sum);
    }
    let mut lines: Vec<_> = by_name
        .into_iter()
        .map(|(name, (n, sum))| (name.to_owned(), n, sum))
        .collect();
    lines.sort_by(|one, other| other.1.cmp(&one.1).then(other.2.total_cmp(&one.2)));
    lines
}

/// Five tenants: three on the large plan, one of them moved there; one on the small; one on none.
async fn five_tenants(desk: &Desk, events: &[Vec<Drawn>; 5]) {
    for (number, events) in events.iter().enumerate() {
        let tenant = TenantId::new();
        stored(desk, tenant, &written(events)).await;
        let plans = [
            &["large"][..],
            &["large"],
            &["small", "large"],
            &["small"],
            &[],
        ];
        for (plan, version) in plans[number].iter().zip(1..) {
            desk.store.put_tenant(tenant, plan, version).await.unwrap();
        }
    }
}

#[tokio::test]
async fn sums_of_a_plan_are_a_plain_fold_of_its_tenants_events_however_pages_are_cut() {
    let mut runner = TestRunner::deterministic();
    let draw = [drawn(), drawn(), drawn(), drawn(), drawn()];
    for _ in 0..3 {
        let events = draw.new_tree(&mut runner).unwrap().current();
        let desk = Desk::open().await;
        five_tenants(&desk, &events).await;
        let of = |numbers: &[usize]| {
            let events = numbers.iter().flat_map(|&number| written(&events[number]));
            events.collect::<Vec<_>>()
        };

        for (plan, tenants) in [("large", &[0, 1, 2][..]), ("small", &[3]), ("none", &[])] {
            let events = of(tenants);
            for grain in Grain::COARSEST_FIRST {
                let wanted = folded(&events, grain);
                for cut in [(501, 20_000), (2, 20_000), (501, 1)] {
                    let found = all(&desk, question(plan, grain), cut).await;
                    assert_eq!(found, wanted, "{plan} {grain:?} {cut:?}");
                }
                let mut some = question(plan, grain);
                some.types = ["b", "d", "never"]
                    .map(|name| EventType::try_from(name).unwrap())
                    .into();
                let wanted = wanted
                    .into_iter()
                    .filter(|sum| "bd".contains(&*sum.event_type));
                assert_eq!(all(&desk, some, (3, 4)).await, wanted.collect::<Vec<_>>());
            }
            let range = question(plan, Grain::Day).range;
            for (from, to) in [(0, 0), (1, 61), (90, 1_500)] {
                let range = Range {
                    start_ms: range.start_ms + from * MINUTE_MS,
                    end_ms: range.end_ms - to * MINUTE_MS,
                };
                let wanted = folded_whole(&events, range);
                for cut in [(500, 20_000), (1, 20_000), (500, 1)] {
                    let found = all_whole(&desk, (plan, range, &[]), cut).await;
                    assert_eq!(found, wanted, "{plan} {range:?} {cut:?}");
                }
                let wanted = wanted
                    .into_iter()
                    .filter(|sum| "bd".contains(&*sum.event_type));
                let found = all_whole(&desk, (plan, range, &["b", "d", "never"]), (2, 3)).await;
                assert_eq!(found, wanted.collect::<Vec<_>>());
            }
            let plan = Whose::Plan(plan.to_owned());
            let top = desk.store.top(&plan, range, Measure::Count, 3).await;
            let top = top.unwrap().into_iter();
            let top: Vec<_> = top
                .map(|line| (line.event_type, line.n, line.sum))
                .collect();
            let wanted = greatest(&folded(&events, Grain::Day));
            assert_eq!(top, wanted[..wanted.len().min(3)]);
        }
    }
}

#[tokio::test]
async fn percentiles_of_a_plan_are_within_the_error_and_users_are_told_apart_by_id_alone() {
    let desk = Desk::open().await;
    let mut expected: Vec<f64> = Vec::new();
    for number in 0..3_i32 {
        let tenant = TenantId::new();
        let values: Vec<f64> = (1..=200)
            .map(|value| f64::from(value * (number + 1)))
            .collect();
        let users = ["ada", ["bob", "eve", ""][usize::try_from(number).unwrap()]];
        let events: Vec<Written<'_>> = values
            .iter()
            .zip(users.iter().cycle())
            .map(|(&value, user)| (today_ms(), "a", *user, value))
            .collect();
        stored(&desk, tenant, &events).await;
        desk.store.put_tenant(tenant, "large", 1).await.unwrap();
        expected.extend(values);
    }
    expected.sort_by(f64::total_cmp);

    let answer = platform(&desk).query_events(sums_of("large")).await;

    let answer = answer.unwrap().into_inner();
    let error = answer.percentile_relative_error;
    assert_eq!(error, Sketch::RELATIVE_ERROR);
    let [sum] = &answer.sums[..] else {
        panic!("one type on one day: {:?}", answer.sums)
    };
    assert_eq!((sum.count, sum.min, sum.max), (600, 1.0, 600.0));
    for (found, rank) in [(sum.p50, 300), (sum.p90, 540), (sum.p99, 594)] {
        let exact = expected[rank - 1];
        assert!(
            (found - exact).abs() <= exact * error,
            "{found} for {exact}"
        );
    }
    // Three of the name of ada are one.
    assert_eq!(sum.distinct_users, 3);
}

#[tokio::test]
async fn a_plan_that_nobody_is_on_has_no_lines() {
    let desk = Desk::open().await;
    stored(&desk, desk.tenant, &[(today_ms(), "a", "", 1.0)]).await;
    let mut client = platform(&desk);

    let sums = client
        .query_events(sums_of("never"))
        .await
        .unwrap()
        .into_inner();
    let top = client
        .list_top(top_of("never", 2))
        .await
        .unwrap()
        .into_inner();

    assert_eq!((sums.sums.len(), sums.next_page_token.as_str()), (0, ""));
    assert_eq!(top.lines, []);
}

#[tokio::test]
async fn what_is_no_question_about_a_plan_is_refused() {
    let desk = Desk::open().await;
    let mut client = platform(&desk);
    let both = pb::QueryEventsRequest {
        tenant_id: desk.tenant.to_string(),
        ..sums_of("large")
    };
    for (request, field) in [
        (both, "tenant_id"),
        (sums_of(&"x".repeat(65)), "plan"),
        (sums_of("a\0b"), "plan"),
    ] {
        let refused = client.query_events(request).await.unwrap_err();
        let details = ErrorDetails::from_status(&refused);
        assert_eq!(details.reason, "INVALID_FIELD");
        assert_eq!(details.fields.len(), 1);
        assert_eq!(details.fields[0].field, field);
    }
    let both = pb::ListTopRequest {
        tenant_id: desk.tenant.to_string(),
        ..top_of("large", 2)
    };
    let refused = client.list_top(both).await.unwrap_err();
    assert_eq!(reason(&refused), "INVALID_FIELD");
    let refused = client.list_top(top_of("large", 94)).await.unwrap_err();
    assert_eq!(reason(&refused), "RANGE_INVALID");
    assert!(client.list_top(top_of("large", 93)).await.is_ok());
    let refused = client
        .query_events(whole_of("large", 94))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "RANGE_INVALID");
    assert!(client.query_events(whole_of("large", 93)).await.is_ok());
}

#[tokio::test]
async fn a_whole_range_of_a_plan_comes_in_pages_of_event_types() {
    let desk = Desk::open().await;
    let long_ago = today_ms() - 5 * DAY_MS;
    for number in 0..2 {
        let tenant = TenantId::new();
        let value = f64::from(number);
        let mut events = vec![(long_ago, "b", "", 1.0)];
        for day in [today_ms() - DAY_MS, today_ms()] {
            events.extend(["a", "c"].map(|name| (day, name, "", value)));
        }
        stored(&desk, tenant, &events).await;
        desk.store.put_tenant(tenant, "large", 1).await.unwrap();
    }
    let mut client = platform(&desk);
    let mut request = pb::QueryEventsRequest {
        page_size: 1,
        ..whole_of("large", 3)
    };

    let mut pages = Vec::new();
    loop {
        let page = client.query_events(request.clone()).await;
        let page = page.unwrap().into_inner();
        let line = |sum: &pb::Sum| (sum.event_type.clone(), sum.count, sum.sum, sum.start_time);
        pages.push(page.sums.iter().map(line).collect::<Vec<_>>());
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }

    let line = |name: &str| {
        let start = request.range.unwrap().start_time;
        vec![(name.to_owned(), 4, 2.0, start)]
    };
    // In three days there is none of the type in the middle.
    assert_eq!(pages, [line("a"), vec![], line("c")]);
    request.event_types.push("a".to_owned());
    let refused = client.query_events(request).await.unwrap_err();
    assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn a_plan_takes_the_right_to_all_and_a_tenant_the_right_to_read() {
    let desk = Desk::open().await;
    stored(&desk, desk.tenant, &[(today_ms(), "a", "", 1.0)]).await;
    desk.store
        .put_tenant(desk.tenant, "large", 1)
        .await
        .unwrap();
    let mut own = desk.client(desk.tenant, &["analytics:read"]);
    let mut any = desk.client(desk.tenant, &["analytics:read_any"]);

    for (client, allowed, denied) in [(&mut own, "", "large"), (&mut any, "large", "")] {
        let sums = client.query_events(sums_of(allowed)).await.unwrap();
        let top = client.list_top(top_of(allowed, 2)).await.unwrap();
        assert_eq!(
            (sums.into_inner().sums.len(), top.into_inner().lines.len()),
            (1, 1)
        );
        let refused = [
            client.query_events(sums_of(denied)).await.unwrap_err(),
            client.list_top(top_of(denied, 2)).await.unwrap_err(),
        ];
        for status in refused {
            let wanted = (Code::PermissionDenied, "TENANT_FORBIDDEN".to_owned());
            assert_eq!((status.code(), reason(&status)), wanted);
        }
    }
}

/// Sixty tenants with an event in each of six hundred minutes: a full page of lines has half as many
/// again as may be taken apart.
async fn crowd(desk: &Desk) {
    let event = [(today_ms(), "a", "ada", 2.0)];
    stored(desk, desk.tenant, &event).await;
    desk.store
        .put_tenant(desk.tenant, "large", 1)
        .await
        .unwrap();
    let mut admin = desk.test_database.admin().await;
    sqlx::raw_sql(
        "insert into tenants (tenant_id, plan)
         select gen_random_uuid(), 'large' from generate_series(1, 59);
         insert into event_types (tenant_id, type_id, name)
         select tenant_id, 7, 'a' from tenants on conflict do nothing;
         insert into rollup_minutes
         select t.tenant_id, r.start_time - make_interval(mins => m), t.type_id, r.n, r.sum,
             r.sum_of_squares, r.min, r.max, r.users, r.sketch
         from rollup_minutes r, event_types t, generate_series(1, 600) m
         where t.name = 'a'",
    )
    .execute(&mut admin)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_page_that_has_taken_enough_apart_is_short_and_the_next_goes_on() {
    let desk = Desk::open().await;
    crowd(&desk).await;
    let mut client = platform(&desk);
    let mut request = pb::QueryEventsRequest {
        bucket: pb::Bucket::Minute.into(),
        page_size: 500,
        ..sums_of("large")
    };

    let mut pages = Vec::new();
    let mut starts = Vec::new();
    loop {
        let page = client
            .query_events(request.clone())
            .await
            .unwrap()
            .into_inner();
        pages.push(page.sums.len());
        starts.extend(page.sums.iter().map(|sum| {
            assert!(sum.count == 60 || starts_today(sum), "{sum:?}");
            sum.start_time.unwrap().seconds
        }));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }

    // One line of one tenant, and of the others up to the one that has the 20,000th rollup.
    assert_eq!(pages, [335, 266]);
    let minutes: Vec<i64> = (0..=600)
        .map(|minute| today_ms() / 1_000 - minute * 60)
        .collect();
    assert_eq!(starts, minutes);
}

fn starts_today(sum: &pb::Sum) -> bool {
    sum.start_time.unwrap().seconds * 1_000 == today_ms()
}
