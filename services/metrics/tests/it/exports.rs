//! Files to take away, and what ends them.

use sqlx::Executor;
use tonic::{Code, Status, Streaming};
use tradepost_metrics::adapters::parquet::{EventReader, Wanted};
use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::ports::EventStore;
use tradepost_proto::metrics::v1 as pb;
use tradepost_proto::metrics::v1::export_events_request::Content;
use tradepost_service::error::ErrorDetails;
use tradepost_testkit::eventually;
use tradepost_types::TenantId;

use crate::support::{Client, DAY_MS, Desk, SOON, Written, batch, reason, timestamp, today_ms};

/// More events than fit into what is under way between a writer and its reader.
const MANY: i64 = 400_000;

fn reader(desk: &Desk) -> Client {
    desk.client(desk.tenant, &["analytics:read"])
}

fn range(start_ms: i64, end_ms: i64) -> Option<pb::TimeRange> {
    Some(pb::TimeRange {
        start_time: Some(timestamp(start_ms)),
        end_time: Some(timestamp(end_ms)),
    })
}

fn events(start_ms: i64, end_ms: i64, format: pb::ExportFormat) -> pb::ExportEventsRequest {
    pb::ExportEventsRequest {
        range: range(start_ms, end_ms),
        content: Some(Content::Events(pb::EventsContent::default())),
        format: format.into(),
        ..pb::ExportEventsRequest::default()
    }
}

fn sums(bucket: pb::Bucket, start_ms: i64, end_ms: i64) -> pb::ExportEventsRequest {
    let sums = pb::SumsContent {
        bucket: bucket.into(),
        event_types: Vec::new(),
    };
    pb::ExportEventsRequest {
        content: Some(Content::Sums(sums)),
        ..events(start_ms, end_ms, pb::ExportFormat::Csv)
    }
}

async fn rest(mut pieces: Streaming<pb::ExportEventsResponse>) -> Result<Vec<u8>, Status> {
    let mut file = Vec::new();
    while let Some(piece) = pieces.message().await? {
        assert!((1..=256 << 10).contains(&piece.data.len()));
        file.extend_from_slice(&piece.data);
    }
    Ok(file)
}

async fn file(mut client: Client, request: pb::ExportEventsRequest) -> Result<Vec<u8>, Status> {
    rest(client.export_events(request).await?.into_inner()).await
}

/// Records of a CSV file, without the header.
fn records(file: &[u8]) -> Vec<Vec<String>> {
    let records = csv::Reader::from_reader(file).into_records();
    let cells = |record: csv::StringRecord| record.iter().map(str::to_owned).collect();
    records.map(|record| cells(record.unwrap())).collect()
}

/// Everything that `ListEvents` has of a range, oldest first: time, type, user, value.
async fn listed(desk: &Desk, start_ms: i64, end_ms: i64) -> Vec<(i64, String, String, f64)> {
    let mut client = reader(desk);
    let mut request = pb::ListEventsRequest {
        range: range(start_ms, end_ms),
        page_size: 7,
        ..pb::ListEventsRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = client
            .list_events(request.clone())
            .await
            .unwrap()
            .into_inner();
        found.extend(page.events.into_iter().map(|event| {
            let at = event.event_time.unwrap();
            let at_ms = at.seconds * 1_000 + i64::from(at.nanos) / 1_000_000;
            (at_ms, event.event_type, event.user_id, event.value)
        }));
        if page.next_page_token.is_empty() {
            found.reverse();
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

fn millis(text: &str) -> i64 {
    let format = time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::parse(text, &format).unwrap();
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap()
}

/// A tenant with events of days with and without a partition, beside another tenant.
async fn stocked() -> (Desk, i64, i64) {
    let desk = Desk::open().await;
    let (today, old) = (today_ms(), today_ms() - 40 * DAY_MS);
    let users = ["ada", "", "=cmd()", "a,\"b\"\nc", "'", "élan"];
    let mut written: Vec<Written<'_>> = (0..40)
        .map(|number| {
            let day = if number % 3 == 0 { old } else { today - DAY_MS };
            let user = users[usize::try_from(number).unwrap() % users.len()];
            let event_type = if number % 2 == 0 { "a" } else { "b" };
            (
                day + number * 60_000,
                event_type,
                user,
                number as f64 / 4.0 - 3.0,
            )
        })
        .collect();
    // Two of one moment.
    written.push(written[4]);
    for (tenant, sequence) in [(desk.tenant, 1), (TenantId::new(), 1)] {
        desk.store
            .store(&[batch(tenant, sequence, &written)])
            .await
            .unwrap();
    }
    (desk, old, today)
}

#[tokio::test]
async fn events_as_csv_are_what_is_listed_those_in_quarantine_too() {
    let (desk, old, today) = stocked().await;
    let mut all = listed(&desk, old, old + DAY_MS).await;
    assert_eq!(all.len(), 14);
    all.extend(listed(&desk, today - DAY_MS, today).await);
    assert_eq!(all.len(), 41);

    let file = file(reader(&desk), events(old, today, pb::ExportFormat::Csv))
        .await
        .unwrap();

    assert!(file.starts_with(b"event_time,event_id,event_type,user_id,value\r\n"));
    let found: Vec<_> = records(&file)
        .into_iter()
        .map(|cells| {
            let user = cells[3].strip_prefix('\'').unwrap_or(&cells[3]);
            (
                millis(&cells[0]),
                cells[2].clone(),
                user.to_owned(),
                cells[4].parse().unwrap(),
            )
        })
        .collect();
    assert_eq!(found, all);
}

#[tokio::test]
async fn events_as_parquet_are_what_is_listed_of_one_type_or_all() {
    let (desk, old, today) = stocked().await;
    let all = {
        let mut all = listed(&desk, old, old + DAY_MS).await;
        all.extend(listed(&desk, today - DAY_MS, today).await);
        all
    };

    for wanted in ["", "b"] {
        let content = pb::EventsContent {
            event_type: wanted.to_owned(),
        };
        let request = pb::ExportEventsRequest {
            content: Some(Content::Events(content)),
            ..events(old, today, pb::ExportFormat::Parquet)
        };
        let file = file(reader(&desk), request).await.unwrap();

        let mut found = Vec::new();
        for block in EventReader::open(file.into())
            .unwrap()
            .scan(Wanted::All)
            .unwrap()
        {
            for event in block.unwrap().events() {
                let event = event.unwrap();
                assert_eq!(event.tenant, desk.tenant);
                let texts = (event.event_type.to_owned(), event.user.to_owned());
                found.push((event.at_ms, texts.0, texts.1, event.value));
            }
        }
        let all = all
            .iter()
            .filter(|event| wanted.is_empty() || event.1 == wanted);
        assert_eq!(found, all.cloned().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn sums_as_csv_are_what_is_asked_for_page_by_page() {
    let (desk, _, today) = stocked().await;
    let mut client = reader(&desk);
    for bucket in [pb::Bucket::Minute, pb::Bucket::Hour, pb::Bucket::Day] {
        let question = pb::QueryEventsRequest {
            range: range(today - DAY_MS, today),
            bucket: bucket.into(),
            page_size: 500,
            ..pb::QueryEventsRequest::default()
        };
        let mut answer = client
            .query_events(question)
            .await
            .unwrap()
            .into_inner()
            .sums;
        answer.sort_by_key(|sum| (sum.start_time.unwrap().seconds, sum.event_type.clone()));

        let file = file(reader(&desk), sums(bucket, today - DAY_MS, today))
            .await
            .unwrap();

        let found = records(&file);
        assert_eq!(found.len(), answer.len());
        for (cells, sum) in found.iter().zip(&answer) {
            assert_eq!(millis(&cells[0]), sum.start_time.unwrap().seconds * 1_000);
            assert_eq!(cells[1], sum.event_type);
            let numbers: Vec<f64> = cells[2..]
                .iter()
                .map(|cell| cell.parse().unwrap())
                .collect();
            let wanted = [
                sum.count as f64,
                sum.sum,
                sum.sum_of_squares,
                sum.min,
                sum.max,
                sum.mean,
                sum.distinct_users as f64,
                sum.p50,
                sum.p90,
                sum.p99,
            ];
            assert_eq!(numbers, wanted);
        }
    }
}

#[tokio::test]
async fn what_is_no_file_to_ask_for_is_refused() {
    let desk = Desk::open().await;
    let today = today_ms();
    let csv = pb::ExportFormat::Csv;
    let none = pb::ExportEventsRequest {
        content: None,
        ..events(today - DAY_MS, today, csv)
    };
    for (request, wanted) in [
        (none, "INVALID_FIELD"),
        (
            sums(pb::Bucket::Whole, today - DAY_MS, today),
            "INVALID_FIELD",
        ),
        (
            sums(pb::Bucket::Day, today - DAY_MS, today - 1),
            "RANGE_INVALID",
        ),
        (
            sums(pb::Bucket::Minute, today - 20 * DAY_MS, today),
            "RANGE_INVALID",
        ),
        (events(today - 367 * DAY_MS, today, csv), "RANGE_INVALID"),
        (events(today, today, csv), "RANGE_INVALID"),
    ] {
        let refused = file(reader(&desk), request).await.unwrap_err();
        assert_eq!(reason(&refused), wanted);
    }
    let foreign = pb::ExportEventsRequest {
        tenant_id: TenantId::new().to_string(),
        ..events(today - DAY_MS, today, csv)
    };
    let refused = file(reader(&desk), foreign).await.unwrap_err();
    assert_eq!(reason(&refused), "TENANT_FORBIDDEN");
    let nobody = desk.client(desk.tenant, &["metrics:read"]);
    let refused = file(nobody, events(today - DAY_MS, today, csv))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn too_many_rows_are_refused_before_the_first_byte_where_sums_know_and_else_amid() {
    let config = AnalyticsConfig {
        export_rows_max: 5,
        ..AnalyticsConfig::default()
    };
    let desk = Desk::with(config).await;
    let day = today_ms() - DAY_MS;
    let written: Vec<Written<'_>> = (0..6).map(|at| (day + at * 60_000, "a", "", 1.0)).collect();
    desk.store
        .store(&[batch(desk.tenant, 1, &written)])
        .await
        .unwrap();
    let csv = pb::ExportFormat::Csv;

    for known in [
        events(day, day + DAY_MS, csv),
        sums(pb::Bucket::Minute, day, day + DAY_MS),
    ] {
        let refused = reader(&desk).export_events(known).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "EXPORT_TOO_LARGE");
    }
    let amid = reader(&desk)
        .export_events(events(day, day + DAY_MS - 1, csv))
        .await;
    let refused = rest(amid.unwrap().into_inner()).await.unwrap_err();
    assert_eq!(reason(&refused), "EXPORT_TOO_LARGE");
    let fits = file(reader(&desk), events(day, day + 4 * 60_000 + 1, csv))
        .await
        .unwrap();
    assert_eq!(records(&fits).len(), 5);
}

/// A tenant with more events than fit under way, on one day.
async fn laden(config: AnalyticsConfig) -> (Desk, pb::ExportEventsRequest) {
    let desk = Desk::with(config).await;
    let day = today_ms() - DAY_MS;
    let one = [(day, "a", "", 1.0)];
    desk.store
        .store(&[batch(desk.tenant, 1, &one)])
        .await
        .unwrap();
    let statement = format!(
        "insert into events (tenant_id, event_time, event_id, value, type_id, user_id)
         select '{}', to_timestamp({}) + n * interval '100 milliseconds', n, n, 1,
                'a user of some length ' || n
         from generate_series(1, {}) n",
        desk.tenant.as_uuid(),
        day / 1_000,
        MANY - 1
    );
    let mut admin = desk.test_database.admin().await;
    admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    (desk, events(day, day + DAY_MS, pb::ExportFormat::Csv))
}

async fn begun(
    desk: &Desk,
    request: &pb::ExportEventsRequest,
) -> Streaming<pb::ExportEventsResponse> {
    let mut pieces = reader(desk)
        .export_events(request.clone())
        .await
        .unwrap()
        .into_inner();
    pieces.message().await.unwrap().unwrap();
    pieces
}

#[tokio::test]
async fn so_many_at_once_and_a_reader_that_goes_frees_its_place() {
    let config = AnalyticsConfig {
        exports_max: 1,
        ..AnalyticsConfig::default()
    };
    let (desk, request) = laden(config).await;

    let first = begun(&desk, &request).await;
    let refused = reader(&desk)
        .export_events(request.clone())
        .await
        .unwrap_err();
    drop(first);
    let whole = eventually("a place", SOON, async || {
        file(reader(&desk), request.clone()).await.ok()
    })
    .await;

    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refused), "OVERLOADED");
    assert!(ErrorDetails::from_status(&refused).retry_after.is_some());
    assert_eq!(records(&whole).len(), usize::try_from(MANY).unwrap());
}

#[tokio::test]
async fn half_of_the_exports_are_left_to_others_than_one_tenant() {
    let (desk, request) = laden(AnalyticsConfig::default()).await;

    let first = begun(&desk, &request).await;
    let refused = reader(&desk)
        .export_events(request.clone())
        .await
        .unwrap_err();
    let mut other = desk.client(TenantId::new(), &["analytics:read"]);
    let beside = other.export_events(request).await;

    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refused), "TENANT_BUSY");
    assert!(ErrorDetails::from_status(&refused).retry_after.is_some());
    assert!(beside.is_ok());
    drop(first);
}

#[tokio::test]
async fn a_file_is_of_the_moment_it_was_asked_for() {
    let (desk, request) = laden(AnalyticsConfig::default()).await;

    let pieces = begun(&desk, &request).await;
    let mut admin = desk.test_database.admin().await;
    let late = "update events set user_id = 'late'";
    admin.execute(late).await.unwrap();
    let rest = rest(pieces).await.unwrap();

    assert!(!String::from_utf8(rest).unwrap().contains("late"));
}

#[tokio::test]
async fn a_database_that_goes_amid_ends_the_file_with_an_error() {
    let (desk, request) = laden(AnalyticsConfig::default()).await;

    let pieces = begun(&desk, &request).await;
    let mut admin = desk.test_database.admin().await;
    admin
        .execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()")
        .await
        .unwrap();
    let broken = rest(pieces).await.unwrap_err();

    assert_eq!(broken.code(), Code::Unavailable, "{broken:?}");
    assert_eq!(reason(&broken), "STORE_UNAVAILABLE");
}

#[tokio::test]
async fn a_process_that_ends_and_a_time_that_is_up_end_the_file_with_their_reason() {
    let (desk, request) = laden(AnalyticsConfig::default()).await;
    let pieces = begun(&desk, &request).await;
    desk.shutdown.cancel();
    assert_eq!(reason(&rest(pieces).await.unwrap_err()), "DRAINING");

    let config = AnalyticsConfig {
        export_seconds_max: 1,
        ..AnalyticsConfig::default()
    };
    let (desk, request) = laden(config).await;
    let pieces = begun(&desk, &request).await;
    // The reader takes nothing until the writer has given up, and left its place.
    eventually("nothing that is written", SOON, async || {
        let mut admin = desk.test_database.admin().await;
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and state = 'idle in transaction'",
        )
        .fetch_one(&mut admin)
        .await
        .unwrap();
        (open == 0).then_some(())
    })
    .await;
    assert_eq!(reason(&rest(pieces).await.unwrap_err()), "EXPORT_TIMED_OUT");
}
