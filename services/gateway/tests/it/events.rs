//! Events sent: in every form, named once, taken one by one.

use std::fmt::Write as _;

use axum::body::Bytes;
use axum::http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tonic::{Code, Status};
use tradepost_gateway::domain::audit::Outcome;
use tradepost_gateway::domain::rights::Role;
use tradepost_proto::metrics::v1 as met;
use tradepost_proto::metrics::v1::ingest_events_request::Batch;
use tradepost_service::error::Failure;
use tradepost_testkit::eventually;

use crate::doubles::caller;
use crate::stage::{Answer, SOON, Stage, keyed};

const PATH: &str = "/v1/events";

fn event(at: &str, value: f64) -> Value {
    json!({"event_time": at, "user_id": "u-1", "event_type": "page.viewed", "value": value})
}

fn an_event() -> Value {
    event("2026-11-21T11:59:59.250Z", 12.5)
}

fn by_producer(sequence: u64) -> Value {
    json!({"producer_id": "till-1", "sequence": sequence, "events": [an_event(), an_event()]})
}

/// Without a key.
fn keyless(body: &Value) -> Request<Full<Bytes>> {
    let mut request = keyed(Method::POST, PATH, body.to_string());
    request.headers_mut().remove("idempotency-key");
    request
}

fn lines(key: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = keyed(Method::POST, PATH, body);
    let headers = request.headers_mut();
    headers.insert("content-type", "application/x-ndjson".parse().unwrap());
    headers.insert("idempotency-key", key.parse().unwrap());
    request
}

/// The only batch that the service was sent.
fn batch(stage: &Stage) -> met::EventBatch {
    let sent: met::IngestEventsRequest = stage.fake.only();
    match sent.batch {
        Some(Batch::Events(batch)) => batch,
        other => panic!("{other:?}"),
    }
}

fn receipt(accepted: u32) -> Value {
    json!({"duplicate": false, "accepted": accepted, "rejected": 0, "rejections": []})
}

fn again() -> Value {
    json!({"duplicate": true, "accepted": 0, "rejected": 0, "rejections": []})
}

#[tokio::test]
async fn one_event_is_sent_as_it_was_written_under_its_key() {
    let stage = Stage::new().await;

    let answer = stage.post(PATH, &an_event()).await;

    assert_eq!((answer.status.as_u16(), answer.json()), (200, receipt(1)));
    assert_eq!(answer.header("idempotent-replayed"), None);
    let sent = batch(&stage);
    let name = (
        sent.producer_id.as_str(),
        sent.sequence,
        sent.batch_key.as_str(),
    );
    assert_eq!(name, ("", 0, "key-1"));
    let time = prost_types::Timestamp {
        seconds: 1_795_262_399,
        nanos: 250_000_000,
    };
    let wanted = met::Event {
        event_time: Some(time),
        user_id: "u-1".to_owned(),
        event_type: "page.viewed".to_owned(),
        value: 12.5,
    };
    assert_eq!(sent.events, [wanted]);
    let owner = stage.doubles.owner();
    let seen = stage.seen_by("metrics");
    assert_eq!((seen.tenant, seen.customer), (owner.tenant, false));
    assert_eq!(
        seen.rights,
        ["events:write", "metrics:read", "analytics:read"]
    );
}

#[tokio::test]
async fn a_batch_is_known_by_its_producer_and_sequence() {
    let stage = Stage::new().await;

    let first = stage.send(keyless(&by_producer(7))).await;
    let next = stage.send(keyless(&by_producer(8))).await;
    let repeated = stage.send(keyless(&by_producer(7))).await;

    assert_eq!((first.json(), next.json()), (receipt(2), receipt(2)));
    assert_eq!((repeated.status.as_u16(), repeated.json()), (200, again()));
    assert_eq!(repeated.header("idempotent-replayed"), Some("true"));
    assert_eq!(stage.fake.stored(), 4);
}

#[tokio::test]
async fn a_repeated_key_counts_once_on_whatever_gateway() {
    let stage = Stage::new().await;
    let url = stage.url.clone();
    let there = Stage::with(|config| {
        config.upstreams.metrics_url = Some(url.parse().unwrap());
    })
    .await;
    // Of the same tenant, which is what counts.
    let body = json!({"events": [an_event(), an_event()]});

    let first = stage.post(PATH, &body).await;
    let repeated = stage.post(PATH, &body).await;
    let elsewhere = there.post(PATH, &body).await;
    let other = stage.post(PATH, &an_event()).await;

    assert_eq!(first.json(), receipt(2));
    assert_eq!((repeated.json(), elsewhere.json()), (again(), again()));
    assert_eq!(stage.fake.stored(), 2);
    let place = vec![("header".to_owned(), "Idempotency-Key".to_owned())];
    let refusal = (422, "REQUEST_ID_REUSED".to_owned(), place);
    assert_eq!(other.faults(), refusal, "the key is of another batch");
}

#[tokio::test]
async fn keys_of_two_tenants_are_two_keys() {
    let stage = Stage::new().await;
    let elsewhere = tradepost_gateway::domain::caller::Caller {
        tenant: Some(tradepost_types::TenantId::new()),
        ..caller(Role::Service)
    };
    stage.doubles.knows("theirs", elsewhere);
    let mut theirs = keyed(Method::POST, PATH, an_event().to_string());
    let token = "Bearer theirs".parse().unwrap();
    theirs.headers_mut().insert("authorization", token);

    let ours = stage.post(PATH, &an_event()).await;
    let theirs = stage.send(theirs).await;

    assert_eq!((ours.json(), theirs.json()), (receipt(1), receipt(1)));
    assert_eq!(stage.fake.stored(), 2);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_counts_once() {
    let stage = Stage::new().await;
    let unavailable = Failure::new(
        Code::Unavailable,
        "STORE_UNAVAILABLE",
        "metrics.tradepost",
        "no",
    );
    stage.fake.fail_times(1, unavailable);

    let answer = stage.post(PATH, &an_event()).await;

    assert_eq!((answer.status.as_u16(), stage.fake.calls()), (200, 2));
    assert_eq!(stage.fake.stored(), 1);
}

#[tokio::test]
async fn a_batch_has_one_name() {
    let stage = Stage::new().await;
    let header = "Idempotency-Key";
    let at = |kind: &str, place: &str| vec![(kind.to_owned(), place.to_owned())];
    let mut unsequenced = by_producer(1);
    unsequenced.as_object_mut().unwrap().remove("sequence");
    let mut unproduced = by_producer(1);
    unproduced.as_object_mut().unwrap().remove("producer_id");

    for (request, reason, place) in [
        (
            keyless(&an_event()),
            "IDEMPOTENCY_KEY_MISSING",
            at("header", header),
        ),
        (
            keyless(&json!({"events": [an_event()]})),
            "IDEMPOTENCY_KEY_MISSING",
            at("header", header),
        ),
        (
            keyed(Method::POST, PATH, by_producer(1).to_string()),
            "IDEMPOTENCY_KEY_INVALID",
            at("header", header),
        ),
        (
            keyless(&unsequenced),
            "INVALID_FIELD",
            at("pointer", "/sequence"),
        ),
        (
            keyless(&unproduced),
            "INVALID_FIELD",
            at("pointer", "/producer_id"),
        ),
    ] {
        let answer = stage.send(request).await;
        assert_eq!(answer.faults(), (400, reason.to_owned(), place));
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn json_that_is_not_as_it_must_be_is_refused_whole() {
    let stage = Stage::new().await;
    let with = |from: &str, to: &str| {
        let body = json!({"events": [an_event(), an_event()]}).to_string();
        let at = body.rfind(from).unwrap();
        format!("{}{to}{}", &body[..at], &body[at + from.len()..])
    };
    for (body, reason, pointer) in [
        (with("12.5", "NaN"), "INVALID_JSON", "/events/1/value"),
        (with("12.5", "1e999"), "INVALID_JSON", "/events/1/value"),
        (with("12.5", "\"NaN\""), "INVALID_FIELD", "/events/1/value"),
        (with("12.5", "null"), "INVALID_FIELD", "/events/1/value"),
        (with("\"u-1\"", "7"), "INVALID_FIELD", "/events/1/user_id"),
        (
            with("2026-11-21T", "yesterday"),
            "INVALID_FIELD",
            "/events/1/event_time",
        ),
        (
            with("\"user_id\"", "\"tenant_id\":\"t\",\"user_id\""),
            "INVALID_FIELD",
            "/events/1/tenant_id",
        ),
        (
            with("{\"events\"", "{\"tenant_id\":\"t\",\"events\""),
            "INVALID_FIELD",
            "/tenant_id",
        ),
        ("{\"events\":[]}".to_owned(), "INVALID_FIELD", "/events"),
        ("{\"events\":{}}".to_owned(), "INVALID_FIELD", "/events"),
        ("[]".to_owned(), "INVALID_FIELD", ""),
        ("{\"value\":1}".to_owned(), "INVALID_FIELD", "/event_time"),
    ] {
        let answer = stage.post_raw(PATH, body.clone()).await;
        let place = vec![("pointer".to_owned(), pointer.to_owned())];
        assert_eq!(answer.faults(), (400, reason.to_owned(), place), "{body}");
    }
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn an_event_that_the_service_refuses_is_named_and_the_others_are_stored() {
    let stage = Stage::new().await;
    let mut odd = an_event();
    odd["event_type"] = json!("Page Viewed");
    let events =
        json!({"events": [an_event(), odd, event("1999-12-31T23:59:59Z", 1.0), an_event()]});

    let answer = stage.post(PATH, &events).await;

    let wanted = json!({
        "duplicate": false, "accepted": 2, "rejected": 2, "rejections": [
            {"index": 1, "reason": "EVENT_TYPE_INVALID"},
            {"index": 2, "reason": "TOO_OLD"},
        ],
    });
    assert_eq!((answer.status.as_u16(), answer.json()), (200, wanted));
    assert_eq!(stage.fake.stored(), 2);
}

#[tokio::test]
async fn broken_lines_are_named_by_their_numbers_and_the_good_ones_are_stored() {
    let stage = Stage::new().await;
    let (good, old) = (an_event(), event("1999-12-31T23:59:59Z", 1.0));
    let mut wrong = an_event();
    wrong["value"] = json!("12");
    let body = format!("{good}\r\n\n{{\"event_time\":\n  \n{old}\n{wrong}\n{good}");

    let answer = stage.send(lines("k", body.clone())).await;
    let repeated = stage.send(lines("k", body)).await;

    let json = answer.json();
    assert_eq!(
        (&json["accepted"], &json["rejected"]),
        (&json!(2), &json!(3))
    );
    let rejections = json["rejections"].as_array().unwrap();
    let places: Vec<_> = rejections
        .iter()
        .map(|one| {
            (
                one["index"].as_u64(),
                one["line"].as_u64(),
                one["reason"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (Some(1), Some(3), Some("INVALID_JSON")),
            (Some(2), Some(5), Some("TOO_OLD")),
            (Some(3), Some(6), Some("INVALID_FIELD")),
        ]
    );
    assert_eq!(
        rejections[2]["detail"],
        "/value must be a number, not a string"
    );
    assert_eq!(repeated.json(), again());
    assert_eq!(stage.fake.stored(), 2);
}

#[tokio::test]
async fn lines_of_which_none_is_an_event_are_refused() {
    let stage = Stage::new().await;
    let at_body = vec![("pointer".to_owned(), String::new())];
    for body in [
        "",
        "\n\n",
        "time,type,value\n1,2,3\n",
        "{}",
        "\u{feff}{}",
        "[1]",
    ] {
        let answer = stage.send(lines("k", body)).await;
        let refusal = (400, "INVALID_JSON".to_owned(), at_body.clone());
        assert_eq!(answer.faults(), refusal, "{body:?}");
    }
    let latin = stage.send(lines("k", &b"{\"user_id\":\"\xFF\"}"[..])).await;
    assert_eq!(latin.faults().0, 400);
    assert_eq!(stage.fake.calls(), 0);
}

fn too_large(answer: &Answer, reason: &str) {
    assert_eq!(answer.status, 413);
    let problem = answer.problem();
    assert_eq!(problem["reason"], reason);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("send the events in several requests"),
        "{detail}"
    );
}

#[tokio::test]
async fn ten_thousand_events_are_taken_and_one_more_is_not() {
    let stage = Stage::new().await;
    let text = an_event().to_string();
    let many = |count: usize, between: &str| vec![text.as_str(); count].join(between);
    let batch = |count| format!("{{\"events\":[{}]}}", many(count, ","));

    let full = stage.post_raw(PATH, batch(10_000)).await;
    let over = stage.post_raw(PATH, batch(10_001)).await;
    let full_of_lines = stage.send(lines("k", many(10_000, "\n"))).await;
    let over_by_a_line = stage.send(lines("l", many(10_001, "\n"))).await;

    assert_eq!((full.status.as_u16(), full.json()), (200, receipt(10_000)));
    assert_eq!(full_of_lines.json(), receipt(10_000));
    too_large(&over, "BATCH_TOO_LARGE");
    too_large(&over_by_a_line, "BATCH_TOO_LARGE");
    assert_eq!(stage.fake.calls(), 2);
}

#[tokio::test]
async fn what_is_beyond_the_bytes_of_a_body_is_told_what_to_do() {
    let stage = Stage::new().await;
    let spaces = " ".repeat(2 * 1024 * 1024 + 1);

    let json = stage.post_raw(PATH, spaces.clone()).await;
    let in_lines = stage.send(lines("k", spaces)).await;

    too_large(&json, "BODY_TOO_LARGE");
    too_large(&in_lines, "BODY_TOO_LARGE");
}

#[tokio::test]
async fn only_the_first_hundred_that_are_refused_are_named() {
    let stage = Stage::new().await;
    let mut body = String::new();
    for number in 0..300 {
        let line = match number % 3 {
            0 => "{".to_owned(),
            1 => event("1999-12-31T23:59:59Z", 1.0).to_string(),
            _ => an_event().to_string(),
        };
        writeln!(body, "{line}").unwrap();
    }

    let json = stage.send(lines("k", body)).await.json();

    assert_eq!(
        (&json["accepted"], &json["rejected"]),
        (&json!(100), &json!(200))
    );
    let named = json["rejections"].as_array().unwrap();
    let indices: Vec<_> = named
        .iter()
        .map(|one| one["index"].as_u64().unwrap())
        .collect();
    let wanted: Vec<_> = (0..300)
        .filter(|number| number % 3 != 2)
        .take(100)
        .collect();
    assert_eq!(indices, wanted);
}

#[tokio::test]
async fn another_form_is_refused() {
    let stage = Stage::new().await;
    for form in [
        "text/csv",
        "application/x-protobuf",
        "application/x-ndjson; charset=latin1",
    ] {
        let mut request = lines("k", an_event().to_string());
        let form = form.parse().unwrap();
        request.headers_mut().insert("content-type", form);
        assert_eq!(stage.send(request).await.faults().0, 415);
    }
    let mut packed = lines("k", an_event().to_string());
    let gzip = "gzip".parse().unwrap();
    packed.headers_mut().insert("content-encoding", gzip);
    assert_eq!(stage.send(packed).await.faults().0, 415);
    let queried = keyed(
        Method::POST,
        "/v1/events?tenant_id=t",
        an_event().to_string(),
    );
    assert_eq!(stage.send(queried).await.faults().1, "INVALID_QUERY");
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn what_the_service_refuses_is_told_in_the_terms_of_http() {
    for (code, reason, status) in [
        (Code::InvalidArgument, "PRODUCER_INVALID", 400),
        (Code::PermissionDenied, "TENANT_FORBIDDEN", 403),
        (Code::ResourceExhausted, "TENANT_BUSY", 429),
        (Code::Unavailable, "STORE_UNAVAILABLE", 503),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED", 504),
    ] {
        let stage = Stage::new().await;
        stage
            .fake
            .fail(Failure::new(code, reason, "metrics.tradepost", "no"));

        let answer = stage.post(PATH, &an_event()).await;

        assert_eq!(answer.faults(), (status, reason.to_owned(), Vec::new()));
    }
}

#[tokio::test]
async fn without_the_service_it_is_said_which_one_is_missing() {
    let apart = Stage::with(|config| config.upstreams.metrics_url = None).await;
    let down = Stage::with(|config| {
        config.upstreams.metrics_url = Some("http://127.0.0.1:1".parse().unwrap());
    })
    .await;

    for (stage, reason) in [
        (&apart, "UPSTREAM_NOT_CONFIGURED"),
        (&down, "UPSTREAM_UNAVAILABLE"),
    ] {
        let sent = stage.post(PATH, &an_event()).await;
        assert_eq!(sent.faults(), (503, reason.to_owned(), Vec::new()));
        let read = stage.get("/v1/metrics/live").await;
        assert_eq!(read.faults(), (503, reason.to_owned(), Vec::new()));
        assert!(
            read.problem()["detail"]
                .as_str()
                .unwrap()
                .contains("metrics")
        );
    }
    let note =
        async |stage: &Stage| stage.health.readiness().await.notes["breaker.metrics"].clone();
    assert_eq!(note(&apart).await, "not configured");
    assert_eq!(note(&down).await, "closed");
    assert_eq!(apart.get("/v1/orders/o").await.status, 200);
}

/// A fault of the stream that bears no reason is none of the caller's.
#[tokio::test]
async fn a_stream_that_breaks_is_no_receipt() {
    let stage = Stage::new().await;
    stage.fake.fail(Status::internal("select * from events"));

    let answer = stage.post(PATH, &an_event()).await;

    assert_eq!(answer.status, 500);
    assert_eq!(answer.problem()["detail"], "internal error");
    assert_eq!(stage.fake.stored(), 0);
}

fn outcomes(stage: &Stage) -> Vec<Outcome> {
    let entries = stage.doubles.entries();
    entries.iter().map(|entry| entry.outcome()).collect()
}

#[tokio::test]
async fn the_first_batch_of_a_caller_in_an_hour_is_in_the_trail_and_the_others_are_not() {
    let stage = Stage::new().await;
    stage.doubles.knows("till", caller(Role::Service));
    let by_till = |sequence| {
        let mut request = keyless(&by_producer(sequence));
        let token = "Bearer till".parse().unwrap();
        request.headers_mut().insert("authorization", token);
        request
    };
    let trail_has = async |count: usize| {
        eventually("the trail has it", SOON, async || {
            (outcomes(&stage).len() == count).then_some(())
        })
        .await;
    };

    for sequence in 1..=20 {
        assert_eq!(
            stage.send(keyless(&by_producer(sequence))).await.status,
            200
        );
    }
    trail_has(2).await;
    assert_eq!(outcomes(&stage), [Outcome::Attempted, Outcome::Succeeded]);
    assert_eq!(stage.doubles.entries()[0].action(), "ingest_events");

    stage.send(by_till(21)).await;
    trail_has(4).await;
    stage
        .doubles
        .clock
        .advance(std::time::Duration::from_secs(3_599));
    stage.send(by_till(22)).await;
    stage
        .doubles
        .clock
        .advance(std::time::Duration::from_secs(1));
    stage.send(by_till(23)).await;
    trail_has(6).await;
}

#[tokio::test]
async fn without_the_trail_no_stream_of_events_begins_but_one_that_runs_goes_on() {
    let (fresh, running) = (Stage::new().await, Stage::new().await);
    running.send(keyless(&by_producer(1))).await;
    fresh.doubles.break_trail();
    running.doubles.break_trail();

    let refused = fresh.send(keyless(&by_producer(2))).await;
    let taken = running.send(keyless(&by_producer(2))).await;

    assert_eq!(refused.faults().1, "AUDIT_UNAVAILABLE");
    assert_eq!((fresh.fake.calls(), taken.status.as_u16()), (0, 200));
}

#[tokio::test]
async fn who_may_not_send_events_is_in_the_trail_each_time() {
    let stage = Stage::new().await;
    stage.doubles.knows("support", caller(Role::Support));
    for _ in 0..3 {
        let mut request = keyless(&by_producer(1));
        let token = "Bearer support".parse().unwrap();
        request.headers_mut().insert("authorization", token);
        assert_eq!(stage.send(request).await.status, 403);
    }
    assert_eq!(outcomes(&stage), [Outcome::Denied; 3]);
    assert_eq!(stage.fake.calls(), 0);
}
