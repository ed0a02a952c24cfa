//! Lists and files over the database and the archive together: each event once, in one order.

use std::path::Path;
use std::sync::Arc;

use object_store::local::LocalFileSystem;
use sqlx::{AssertSqlSafe, Executor};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tradepost_metrics::adapters::archived::ArchivedFiles;
use tradepost_metrics::adapters::parquet::{EventWriter, FileEvent};
use tradepost_metrics::adapters::sheets::FileSheets;
use tradepost_metrics::application::{
    Content, ExportOrder, Exports, Listing, NotExported, NotRead,
};
use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::domain::{EventType, Range};
use tradepost_metrics::metrics::ExportMetrics;
use tradepost_metrics::ports::{Archived, EventStore, EventsQuestion, SheetKind, StoredEvent};
use tradepost_proto::metrics::v1 as pb;
use tradepost_service::Tasks;
use tradepost_service::error::ErrorDetails;
use tradepost_telemetry::Registry;
use tradepost_types::TenantId;

use crate::support::{DAY_MS, Desk, batch, reason, timestamp, today_ms};

/// A folder that goes with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("archived-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn archive(&self) -> Archived {
        let store = LocalFileSystem::new_with_prefix(&self.0).unwrap();
        Arc::new(ArchivedFiles::new(Arc::new(store)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _left_behind = std::fs::remove_dir_all(&self.0);
    }
}

/// What a test archives: of whom, when, which number.
type Line = (TenantId, i64, i64);

/// Writes a file of a day and enters it into the manifest, as the archiver does.
async fn archive(desk: &Desk, folder: &Path, (day_ms, edition): (i64, i32), lines: &[Line]) {
    let mut lines = lines.to_vec();
    lines.sort_unstable();
    let mut writer = EventWriter::new(Vec::new()).unwrap();
    for &(tenant, at_ms, id) in &lines {
        let event = FileEvent {
            tenant,
            at_ms,
            id,
            event_type: if id % 2 == 0 { "even" } else { "odd" },
            user: "ada",
            value: 1.0,
        };
        writer.push(&event).unwrap();
    }
    let (bytes, facts) = writer.finish().unwrap();
    let path = format!("{day_ms}-{edition}.parquet");
    std::fs::write(folder.join(&path), &bytes).unwrap();
    let time = |ms: i64| format!("to_timestamp({}::numeric / 1000)", ms);
    let (first, last) = facts.times.unwrap();
    let day = format!("({} at time zone 'UTC')::date", time(day_ms));
    let mut statements = vec![format!(
        "insert into archive_files (day, edition, part, path, format, rows, bytes, sha256, min_time,
            max_time, value_sum, verified_at, answers)
         values ({day}, {edition}, 0, '{path}', 1, {}, {}, decode(repeat('00', 32), 'hex'), {}, {},
            {}, now(), true)",
        facts.rows,
        facts.bytes,
        time(first),
        time(last),
        facts.rows
    )];
    for (tenant, rows) in &facts.tenants {
        statements.push(format!(
            "insert into archive_file_tenants (tenant_id, day, edition, part, rows, content)
             values ('{}', {day}, {edition}, 0, {rows}, '')",
            tenant.as_uuid()
        ));
    }
    let mut admin = desk.test_database.admin().await;
    for statement in statements {
        admin.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

fn question(tenant: TenantId, start_ms: i64, end_ms: i64) -> EventsQuestion {
    EventsQuestion {
        tenant,
        range: Range { start_ms, end_ms },
        event_type: None,
        after: None,
        limit: 7,
    }
}

/// All pages, newest first.
async fn listed(
    listing: &Listing,
    mut question: EventsQuestion,
) -> Result<Vec<(i64, i64)>, NotRead> {
    let mut found = Vec::new();
    loop {
        let page = listing.page(&question).await?;
        let keys = page
            .iter()
            .map(|event: &StoredEvent| (event.at_ms, event.id));
        found.extend(keys);
        if page.len() < 7 {
            return Ok(found);
        }
        question.after = found.last().copied();
    }
}

async fn exported(
    desk: &Desk,
    archive: Option<Archived>,
    question: &EventsQuestion,
) -> Result<Vec<(i64, i64)>, NotExported> {
    let metrics = ExportMetrics::default();
    taken(&exports(desk, archive, u64::MAX, metrics), question).await
}

fn exports(
    desk: &Desk,
    archive: Option<Archived>,
    rows_max: u64,
    metrics: ExportMetrics,
) -> Exports {
    let shutdown = CancellationToken::new();
    let mut limits = AnalyticsConfig::default().exports();
    limits.rows_max = limits.rows_max.min(rows_max);
    Exports::new(
        (desk.store.clone(), archive),
        Arc::new(FileSheets),
        limits,
        metrics,
        (Tasks::new(shutdown.clone()), shutdown),
    )
}

async fn taken(
    exports: &Exports,
    question: &EventsQuestion,
) -> Result<Vec<(i64, i64)>, NotExported> {
    let order = ExportOrder {
        tenant: question.tenant,
        range: question.range,
        content: Content::Events {
            event_type: question.event_type.clone(),
        },
        kind: SheetKind::Csv,
    };
    let mut export = exports.begin(order).await?;
    let mut file = Vec::new();
    while let Some(piece) = export.next().await? {
        file.extend_from_slice(&piece);
    }
    let format = time::format_description::well_known::Rfc3339;
    let key = |record: csv::StringRecord| {
        let at = time::OffsetDateTime::parse(&record[0], &format).unwrap();
        let at_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap();
        (at_ms, record[1].parse().unwrap())
    };
    let records = csv::Reader::from_reader(&file[..]).into_records();
    Ok(records.map(|record| key(record.unwrap())).collect())
}

/// A tenant whose events of two archived days lie in files of several editions, in quarantine
/// beside them, and in a partition of today; another tenant has events of the same moments.
async fn spread() -> (Desk, Folder, i64, Vec<(i64, i64)>) {
    let (desk, folder) = (Desk::open().await, Folder::new());
    let first = today_ms() - 20 * DAY_MS;
    let other = TenantId::new();
    let both = |keys: &[(i64, i64)]| -> Vec<Line> {
        let of = |tenant| keys.iter().map(move |&(at_ms, id)| (tenant, at_ms, id));
        of(desk.tenant).chain(of(other)).collect()
    };
    let whole: Vec<_> = (0..20).map(|at| (first + at * 60_000, at)).collect();
    // Some of the same moments as those before.
    let late: Vec<_> = (0..9).map(|at| (first + at * 120_000, 100 + at)).collect();
    let next: Vec<_> = (0..5).map(|at| (first + DAY_MS + at, 200 + at)).collect();
    archive(&desk, &folder.0, (first, 0), &both(&whole)).await;
    archive(&desk, &folder.0, (first, 1), &both(&late)).await;
    archive(&desk, &folder.0, (first + DAY_MS, 0), &both(&next)).await;
    let mut admin = desk.test_database.admin().await;
    let mut all = [whole, late, next].concat();
    for (place, at_ms, id) in [
        ("quarantined_events", first + 180_000, 50),
        ("quarantined_events", first + DAY_MS + 2, 1),
        ("events", today_ms(), 300),
        ("events", today_ms() + 1, 301),
    ] {
        let statement = format!(
            "insert into {place} (tenant_id, event_time, event_id, value, type_id, user_id)
             values ('{}', to_timestamp({at_ms}::numeric / 1000), {id}, 1, 1, 'ada')",
            desk.tenant.as_uuid()
        );
        admin.execute(AssertSqlSafe(statement)).await.unwrap();
        all.push((at_ms, id));
    }
    let names = format!(
        "insert into event_types (tenant_id, type_id, name) values ('{0}', 1, 'odd'), ('{0}', 2, 'even')",
        desk.tenant.as_uuid()
    );
    admin.execute(AssertSqlSafe(names)).await.unwrap();
    all.sort_unstable();
    (desk, folder, first, all)
}

#[tokio::test]
async fn pages_and_files_have_each_event_once_in_one_order() {
    let (desk, folder, first, all) = spread().await;
    let listing = Listing::new(desk.store.clone(), Some(folder.archive()));
    let end = first + 31 * DAY_MS;

    for (start_ms, end_ms) in [
        (first, end),
        (first + 180_000, first + DAY_MS + 3),
        (first + DAY_MS, end),
        (first + 1, first + 120_000),
    ] {
        let wanted: Vec<_> = all
            .iter()
            .filter(|(at_ms, _)| (start_ms..end_ms).contains(at_ms))
            .copied()
            .collect();
        let question = question(desk.tenant, start_ms, end_ms);

        let up = exported(&desk, Some(folder.archive()), &question)
            .await
            .unwrap();
        let mut down = listed(&listing, question).await.unwrap();

        assert_eq!(up, wanted);
        down.reverse();
        assert_eq!(down, wanted);
    }
}

#[tokio::test]
async fn one_event_type_is_found_in_all_places() {
    let (desk, folder, first, all) = spread().await;
    let listing = Listing::new(desk.store.clone(), Some(folder.archive()));
    let mut question = question(desk.tenant, first, first + 2 * DAY_MS);
    question.event_type = Some(EventType::try_from("odd").unwrap());
    // What waits in quarantine was put there as odd.
    let is_odd =
        |&&(at_ms, id): &&(i64, i64)| at_ms < first + 2 * DAY_MS && (id % 2 == 1 || id == 50);
    let wanted: Vec<_> = all.iter().filter(is_odd).copied().collect();

    let up = exported(&desk, Some(folder.archive()), &question)
        .await
        .unwrap();
    let mut down = listed(&listing, question).await.unwrap();

    down.reverse();
    assert_eq!((up, down), (wanted.clone(), wanted));
}

#[tokio::test]
async fn only_files_that_are_needed_are_opened_and_a_missing_one_is_no_shorter_answer() {
    let (desk, folder, first, all) = spread().await;
    let listing = Listing::new(desk.store.clone(), Some(folder.archive()));
    std::fs::remove_file(folder.0.join(format!("{first}-0.parquet"))).unwrap();

    // The newest page, another day, and another tenant do without it.
    let mut page = question(desk.tenant, first, first + 31 * DAY_MS);
    page.limit = 3;
    let newest: Vec<_> = listing.page(&page).await.unwrap();
    assert_eq!(newest.len(), 3);
    assert_eq!(newest[0].at_ms, all.last().unwrap().0);
    let next_day = question(desk.tenant, first + DAY_MS, first + 2 * DAY_MS);
    assert_eq!(listed(&listing, next_day.clone()).await.unwrap().len(), 6);
    assert_eq!(
        exported(&desk, Some(folder.archive()), &next_day)
            .await
            .unwrap()
            .len(),
        6
    );
    let nobody = question(TenantId::new(), first, first + DAY_MS);
    assert!(listed(&listing, nobody).await.unwrap().is_empty());

    let needed = question(desk.tenant, first, first + DAY_MS);
    let refused = listed(&listing, needed.clone()).await.unwrap_err();
    assert!(matches!(refused, NotRead::Archive(_)), "{refused:?}");
    let refused = exported(&desk, Some(folder.archive()), &needed)
        .await
        .unwrap_err();
    let is_archive = matches!(refused, NotExported::NotRead(NotRead::Archive(_)));
    assert!(is_archive, "{refused:?}");
}

#[tokio::test]
async fn without_an_archive_a_range_that_reaches_into_it_is_refused_and_others_are_not() {
    let (desk, _folder, first, _) = spread().await;
    let one = [(today_ms() - DAY_MS, "odd", "ada", 1.0)];
    desk.store
        .store(&[batch(desk.tenant, 1, &one)])
        .await
        .unwrap();
    let mut client = desk.client(desk.tenant, &["analytics:read"]);
    let request = |start_ms, end_ms| pb::ListEventsRequest {
        range: Some(pb::TimeRange {
            start_time: Some(timestamp(start_ms)),
            end_time: Some(timestamp(end_ms)),
        }),
        ..pb::ListEventsRequest::default()
    };

    let refused = client
        .list_events(request(first, first + DAY_MS))
        .await
        .unwrap_err();
    let hot = client
        .list_events(request(today_ms() - DAY_MS, today_ms()))
        .await
        .unwrap();

    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(reason(&refused), "ARCHIVE_UNAVAILABLE");
    assert!(ErrorDetails::from_status(&refused).retry_after.is_some());
    assert_eq!(hot.into_inner().events.len(), 1);
}

#[tokio::test]
async fn exports_are_counted_with_their_rows_and_their_ends() {
    let (desk, folder, first, all) = spread().await;
    let registry = Registry::new("metrics");
    let metrics = ExportMetrics::register(&registry);
    let question = question(desk.tenant, first, first + 31 * DAY_MS);
    let few = exports(&desk, Some(folder.archive()), 3, metrics.clone());
    let enough = exports(&desk, Some(folder.archive()), 100, metrics.clone());
    let away = exports(&desk, None, 100, metrics);

    let whole = taken(&enough, &question).await.unwrap();
    let refused = taken(&few, &question).await;
    let failed = taken(&away, &question).await;

    assert_eq!(whole.len(), all.len());
    assert!(matches!(refused, Err(NotExported::TooLarge { .. })));
    let is_away = matches!(failed, Err(NotExported::NotRead(NotRead::ArchiveAway)));
    assert!(is_away, "{failed:?}");
    let text = registry.render().unwrap();
    for (outcome, count) in [("whole", 1), ("refused", 1), ("failed", 1)] {
        let line = format!("tradepost_exports_total{{outcome=\"{outcome}\"}} {count}");
        assert!(text.contains(&line), "{line}: {text}");
    }
    let rows = format!("tradepost_export_rows_total {}", all.len());
    assert!(text.contains(&rows), "{rows}: {text}");
}
