//! What events come to: what the service is asked, and what the caller is told.

use axum::http::Method;
use http_body_util::BodyExt;
use prost_types::Timestamp;
use serde_json::{Value, json};
use tonic::Code;
use tradepost_gateway::domain::rights::Role;
use tradepost_proto::metrics::v1 as met;
use tradepost_service::error::Failure;
use tradepost_types::TenantId;

use crate::doubles::caller;
use crate::stage::{Answer, Stage, bare};

#[expect(clippy::unnecessary_wraps, reason = "fields of messages are optional")]
const fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

/// 2026-07-01 and 2026-07-02.
const FIRST: i64 = 1_782_864_000;
const SECOND: i64 = FIRST + 86_400;

const fn range() -> Option<met::TimeRange> {
    Some(met::TimeRange {
        start_time: at(FIRST),
        end_time: at(SECOND),
    })
}

/// By the platform's operator.
async fn by_operator(stage: &Stage, path: &str) -> Answer {
    stage.doubles.knows("operator", caller(Role::Operator));
    let mut request = bare(Method::GET, path);
    let token = "Bearer operator".parse().unwrap();
    request.headers_mut().insert("authorization", token);
    stage.send(request).await
}

#[tokio::test]
async fn live_metrics_are_told_with_how_far_they_can_be_trusted() {
    let stage = Stage::new().await;
    let path = "/v1/metrics/live?minutes=15&event_type=a&event_type=b&grouping=MINUTE";

    let answer = stage.get(path).await;

    let expected = json!({
        "aggregates": [{
            "event_type": "page.viewed", "start_time": "1970-01-01T00:00:00Z",
            "duration_seconds": 300, "count": 3, "sum": 37.5, "min": 1.5, "max": 30.0,
            "mean": 12.5, "rate_per_second": 0.01, "p50": 6.0,
        }],
        "completeness": {
            "watermark": "1970-01-01T00:04:50Z", "complete": true,
            "nodes_asked": 2, "nodes_answered": 2,
        },
        "irregularities": {
            "late": 1, "overflowed": 0, "too_old": 0, "in_future": 0, "invalid": 0, "duplicate": 0,
        },
        "percentile_relative_error": 0.01,
    });
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    let asked: met::GetAggregatesRequest = stage.fake.only();
    assert_eq!((asked.tenant_id.as_str(), asked.minutes), ("", 15));
    assert_eq!(asked.event_types, ["a", "b"]);
    assert_eq!(asked.grouping(), met::Grouping::Minute);
    assert_eq!(asked.scope(), met::Scope::Cluster);
}

#[tokio::test]
async fn live_metrics_are_of_five_minutes_unless_asked_otherwise() {
    let stage = Stage::new().await;

    stage.get("/v1/metrics/live").await;

    let asked: met::GetAggregatesRequest = stage.fake.only();
    assert_eq!((asked.minutes, asked.grouping()), (5, met::Grouping::None));
}

#[tokio::test]
async fn events_are_summed_up_as_asked() {
    let stage = Stage::new().await;
    let path = "/v1/analytics/events?from=2026-07-01T00:00:00Z&to=2026-07-02T02:00:00%2B02:00\
                &bucket=HOUR&event_type=a&event_type=b&page_size=7&page_token=t";

    let answer = stage.get(path).await;

    let expected = json!({
        // The sum of squares is beyond what JSON has a number for.
        "sums": [{
            "event_type": "page.viewed", "start_time": "1970-01-01T00:00:00Z", "count": 3,
            "sum": 37.5, "min": 1.5, "max": 30.0, "mean": 12.5, "distinct_users": 2,
            "p50": 6.0, "p90": 30.0, "p99": 30.0,
        }],
        "percentile_relative_error": 0.01,
        "next_page_token": "next",
    });
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    let asked: met::QueryEventsRequest = stage.fake.only();
    let wanted = met::QueryEventsRequest {
        tenant_id: String::new(),
        range: range(),
        bucket: met::Bucket::Hour.into(),
        event_types: vec!["a".to_owned(), "b".to_owned()],
        page_size: 7,
        page_token: "t".to_owned(),
        plan: String::new(),
    };
    assert_eq!(asked, wanted);
}

#[tokio::test]
async fn the_greatest_are_told_over_whole_days() {
    let stage = Stage::new().await;
    let path = "/v1/analytics/top?from=2026-07-01&to=2026-07-02&measure=SUM&limit=5";

    let answer = stage.get(path).await;

    let expected = json!({"event_types": [{"event_type": "page.viewed", "count": 3}]});
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    let asked: met::ListTopRequest = stage.fake.only();
    assert_eq!((asked.range, asked.limit), (range(), 5));
    assert_eq!(asked.measure(), met::TopMeasure::Sum);
}

#[tokio::test]
async fn events_are_listed_one_by_one() {
    let stage = Stage::new().await;
    let path = "/v1/events?from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z&event_type=a";

    let answer = stage.get(path).await;

    let expected = json!({"events": [{
        "event_time": "1970-01-01T00:00:00Z", "event_type": "page.viewed", "value": 12.5,
    }]});
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    let asked: met::ListEventsRequest = stage.fake.only();
    assert_eq!((asked.range, asked.event_type.as_str()), (range(), "a"));
}

#[tokio::test]
async fn the_report_over_tenants_is_for_the_platform() {
    let stage = Stage::new().await;
    let path = "/v1/analytics/daily?plan=plus&since=2026-07-01&until=2026-07-02&event_type=a\
                &page_size=3";

    let answer = by_operator(&stage, path).await;

    let expected = json!({
        "lines": [{
            "tenant_id": "tenant_01jd0000000000000000000001", "day": "1970-01-02",
            "count": 3, "mean": 12.5,
        }],
        "next_page_token": "next",
    });
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    let asked: met::ReportDailyRequest = stage.fake.only();
    let wanted = met::ReportDailyRequest {
        plan: "plus".to_owned(),
        event_type: "a".to_owned(),
        since: at(FIRST),
        page_size: 3,
        page_token: String::new(),
        until: at(SECOND),
    };
    assert_eq!(asked, wanted);
    let seen = stage.seen_by("metrics");
    assert_eq!(
        (seen.tenant, &*seen.rights),
        (None, &["analytics:read_any".to_owned()][..])
    );

    let by_owner = stage.get(path).await;
    assert_eq!(by_owner.faults().1, "PERMISSION_DENIED");
    assert_eq!(stage.fake.calls(), 1);
}

#[tokio::test]
async fn sums_of_a_plan_are_for_the_platform_and_those_of_a_tenant_for_the_tenant() {
    let stage = Stage::new().await;
    let sums = "/v1/analytics/events?from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z";
    let top = "/v1/analytics/top?from=2026-07-01&to=2026-07-02";
    let denied = |parameter: &[&str]| {
        let place = |name: &&str| ("parameter".to_owned(), (*name).to_owned());
        let places: Vec<_> = parameter.iter().map(place).collect();
        (403, "PERMISSION_DENIED".to_owned(), places)
    };

    for path in [sums, top] {
        let of_plan = format!("{path}&plan=plus");
        assert_eq!(stage.get(&of_plan).await.faults(), denied(&["plan"]));
        assert_eq!(by_operator(&stage, path).await.faults(), denied(&[]));
    }
    assert_eq!(stage.fake.calls(), 0);

    for path in [sums, top] {
        let of_plan = format!("{path}&plan=plus");
        assert_eq!(by_operator(&stage, &of_plan).await.status, 200, "{path}");
        let seen = stage.seen_by("metrics");
        assert_eq!(
            (seen.tenant, &*seen.rights),
            (None, &["analytics:read_any".to_owned()][..])
        );
    }
    let asked: Vec<met::QueryEventsRequest> = stage.fake.all();
    assert_eq!((asked.len(), asked[0].plan.as_str()), (1, "plus"));
    let asked: Vec<met::ListTopRequest> = stage.fake.all();
    assert_eq!((asked.len(), asked[0].plan.as_str()), (1, "plus"));
}

#[tokio::test]
async fn whose_events_they_are_is_said_by_the_token_alone() {
    let stage = Stage::new().await;
    let other = TenantId::new();
    let days = "from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z";
    for path in [
        format!("/v1/metrics/live?tenant_id={other}"),
        format!("/v1/analytics/events?{days}&tenant_id={other}"),
        format!("/v1/analytics/top?from=2026-07-01&to=2026-07-02&tenant_id={other}"),
        format!("/v1/events?{days}&tenant_id={other}"),
    ] {
        let place = vec![("parameter".to_owned(), "tenant_id".to_owned())];
        let refusal = (400, "INVALID_QUERY".to_owned(), place);
        assert_eq!(stage.get(&path).await.faults(), refusal, "{path}");
    }
    let mut told = bare(Method::GET, "/v1/metrics/live");
    let header = other.to_string().parse().unwrap();
    told.headers_mut().insert("x-tenant-id", header);
    stage.send(told).await;
    assert_eq!(
        stage.seen_by("metrics").tenant,
        stage.doubles.owner().tenant
    );
}

#[tokio::test]
async fn a_query_that_is_not_as_it_must_be_asks_nobody() {
    let stage = Stage::new().await;
    let days = "from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z";
    for (path, parameter) in [
        ("/v1/metrics/live?minutes=-1".to_owned(), "minutes"),
        ("/v1/metrics/live?minutes=1.5".to_owned(), "minutes"),
        ("/v1/metrics/live?grouping=HOUR".to_owned(), "grouping"),
        ("/v1/analytics/events".to_owned(), "from"),
        (format!("/v1/analytics/events?{days}&bucket=WEEK"), "bucket"),
        (
            format!("/v1/analytics/events?{days}&page_size=x"),
            "page_size",
        ),
        (
            "/v1/analytics/top?from=2026-02-30&to=2026-07-02".to_owned(),
            "from",
        ),
        (
            "/v1/events?from=2026-07-01&to=2026-07-02".to_owned(),
            "from",
        ),
    ] {
        let place = vec![("parameter".to_owned(), parameter.to_owned())];
        let refusal = (400, "INVALID_QUERY".to_owned(), place);
        assert_eq!(stage.get(&path).await.faults(), refusal, "{path}");
    }
    for (path, parameter) in [
        ("/v1/analytics/daily", "since"),
        ("/v1/analytics/daily?since=2026-07-01T00:00:00Z", "since"),
        ("/v1/analytics/daily?since=2026-07-01&plan=gold", "plan"),
        ("/v1/analytics/daily?since=2026-07-01&until=soon", "until"),
        (
            "/v1/analytics/events?from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z&plan=gold",
            "plan",
        ),
        (
            "/v1/analytics/top?from=2026-07-01&to=2026-07-02&plan=",
            "plan",
        ),
    ] {
        let place = vec![("parameter".to_owned(), parameter.to_owned())];
        let refusal = (400, "INVALID_QUERY".to_owned(), place);
        assert_eq!(by_operator(&stage, path).await.faults(), refusal, "{path}");
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn a_field_that_the_service_refuses_is_named_as_it_was_given() {
    let stage = Stage::new().await;
    let code = Code::InvalidArgument;
    let failure = Failure::new(code, "RANGE_INVALID", "metrics.tradepost", "no");
    let fields = [
        "range.start_time",
        "range.end_time",
        "event_types[1]",
        "page_size",
    ];
    let failure = fields.into_iter().fold(failure, |failure, field| {
        failure.field(field, "is not good")
    });
    stage.fake.fail(failure);

    let path = "/v1/analytics/events?from=2026-07-01T00:00:01Z&to=2026-07-02T00:00:00Z";
    let answer = stage.get(path).await;

    let names = ["from", "to", "event_type", "page_size"];
    let places = names.map(|name| ("parameter".to_owned(), name.to_owned()));
    let refusal = (400, "RANGE_INVALID".to_owned(), places.to_vec());
    assert_eq!(answer.faults(), refusal);
}

#[test]
fn the_description_has_examples_of_every_form() {
    let document = serde_json::to_value(tradepost_gateway::http::openapi()).unwrap();
    let body = &document["paths"]["/v1/events"]["post"]["requestBody"]["content"];
    let examples = body["application/json"]["examples"].as_object().unwrap();
    let names: Vec<_> = examples.keys().map(String::as_str).collect();
    assert_eq!(names, ["batch", "one"]);
    let in_lines = body["application/x-ndjson"]["example"].as_str().unwrap();
    for line in in_lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["event_time"].is_string(), "{line}");
    }
    assert_eq!(in_lines.lines().count(), 2);
}

#[tokio::test]
async fn a_file_is_streamed_with_its_name_and_type() {
    let stage = Stage::new().await;
    let range = "from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z";

    let events = stage
        .get(&format!(
            "/v1/analytics/export?content=events&{range}&event_type=a"
        ))
        .await;
    let sums = stage
        .get(&format!(
            "/v1/analytics/export?content=sums&format=parquet&bucket=HOUR&{range}&event_type=a&event_type=b"
        ))
        .await;

    assert_eq!((events.status.as_u16(), sums.status.as_u16()), (200, 200));
    assert_eq!(events.bytes, "event_time,user_id\r\nnow,ada\r\n");
    let media_type = "text/csv; charset=utf-8; header=present";
    assert_eq!(events.header("content-type"), Some(media_type));
    let name = "attachment; filename=\"events_2026-07-01_2026-07-02.csv\"";
    assert_eq!(events.header("content-disposition"), Some(name));
    // How long it will be is not known: only its end says that it is whole.
    assert_eq!(events.header("content-length"), None);
    let media_type = "application/vnd.apache.parquet";
    assert_eq!(sums.header("content-type"), Some(media_type));
    let name = "attachment; filename=\"sums_2026-07-01_2026-07-02.parquet\"";
    assert_eq!(sums.header("content-disposition"), Some(name));
    let asked: Vec<met::ExportEventsRequest> = stage.fake.all();
    assert_eq!(asked.len(), 2);
    let content = met::EventsContent {
        event_type: "a".to_owned(),
    };
    let wanted = met::ExportEventsRequest {
        tenant_id: String::new(),
        range: self::range(),
        content: Some(met::export_events_request::Content::Events(content)),
        format: met::ExportFormat::Csv.into(),
    };
    assert_eq!(asked[0], wanted);
    let content = met::SumsContent {
        bucket: met::Bucket::Hour.into(),
        event_types: vec!["a".to_owned(), "b".to_owned()],
    };
    let wanted = met::ExportEventsRequest {
        content: Some(met::export_events_request::Content::Sums(content)),
        format: met::ExportFormat::Parquet.into(),
        ..wanted
    };
    assert_eq!(asked[1], wanted);
}

#[tokio::test]
async fn what_is_no_file_is_refused_before_anybody_is_asked() {
    let stage = Stage::new().await;
    let range = "from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z";
    for query in [
        range.to_owned(),
        format!("content=all&{range}"),
        format!("content=events&format=xlsx&{range}"),
        format!("content=events&bucket=DAY&{range}"),
        format!("content=sums&bucket=WHOLE&{range}"),
        format!("content=events&event_type=a&event_type=b&{range}"),
        format!("content=events&page_size=1&{range}"),
        "content=events&from=2026-07-01".to_owned(),
    ] {
        let answer = stage.get(&format!("/v1/analytics/export?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json()["reason"], "INVALID_QUERY", "{query}");
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn a_file_that_cannot_begin_is_a_problem_and_one_that_breaks_off_never_ends_well() {
    let stage = Stage::new().await;
    let path =
        "/v1/analytics/export?content=events&from=2026-07-01T00:00:00Z&to=2026-07-02T00:00:00Z";
    let failure = |code, reason| Failure::new(code, reason, "metrics.tradepost", "no");

    for (code, reason, status) in [
        (Code::FailedPrecondition, "EXPORT_TOO_LARGE", 409),
        (Code::ResourceExhausted, "OVERLOADED", 429),
    ] {
        stage.fake.fail_times(1, failure(code, reason));
        let answer = stage.get(path).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.json()["reason"], reason);
    }
    let broken = failure(Code::Unavailable, "ARCHIVE_UNAVAILABLE").into();
    *stage.fake.break_exports.lock().unwrap() = Some(broken);
    let answer = stage.answering(bare(Method::GET, path)).await;

    // The head may be here or not by the time the connection breaks.
    let is_whole = match answer {
        Ok(answer) => answer.into_body().collect().await.is_ok(),
        Err(_broken) => false,
    };
    assert!(!is_whole);
}
