//! A database with old days, a folder for their files, and all events wherever they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Executor, PgConnection};
use time::{Date, OffsetDateTime};
use tradepost_metrics::adapters::objects::{FileLimits, ObjectFiles};
use tradepost_metrics::adapters::parquet::{EventReader, Wanted};
use tradepost_metrics::adapters::postgres::PgAnalytics;
use tradepost_metrics::application::{ArchiveLimits, ArchiveParts, Archiver, Progress};
use tradepost_metrics::config::AnalyticsConfig;
use tradepost_metrics::domain::{BatchName, DayState};
use tradepost_metrics::metrics::ArchiveMetrics;
use tradepost_metrics::ports::{ArchiveStore, EventFiles, EventStore, UpkeepStore};
use tradepost_postgres::Database;
use tradepost_service::Clock;
use tradepost_testkit::TestDatabase;
use tradepost_types::TenantId;

use crate::support::{DAY_MS, Written, batch, fresh_database, numbered, today_ms};

/// Rows of a file in these tests: a day takes several.
pub(super) const FILE_ROWS: i64 = 100;
/// Days past their age that have events.
pub(super) const OLD_DAYS: [i64; 2] = [800, 731];
/// Events of each old day: of three tenants.
pub(super) const EVENTS_A_DAY: usize = 360;
/// Events of today.
pub(super) const EVENTS_TODAY: usize = 30;
pub(super) const EVENTS: usize = 2 * EVENTS_A_DAY + EVENTS_TODAY;

/// A folder that goes with the test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("archive-{}", TenantId::new()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn url(&self) -> String {
        format!("file://{}", self.0.display())
    }

    /// All files in it, with those that are not finished.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        gather(&self.0, &mut found);
        found.sort();
        found
    }
}

/// All files below a folder.
pub(super) fn gather(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, found);
        } else {
            found.push(path);
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An event, wherever it is: tenant, time, number, type, user, bits of the value.
pub(super) type Anywhere = (uuid::Uuid, i64, i64, String, String, u64);

/// The archive without a process.
pub(super) struct Depot {
    pub(super) test_database: TestDatabase,
    pub(super) database: Database,
    pub(super) store: Arc<PgAnalytics>,
    pub(super) folder: Folder,
    pub(super) tenants: [TenantId; 3],
    /// All events as they were stored.
    pub(super) stored: Vec<Anywhere>,
}

impl Depot {
    /// With two days past their age and today.
    pub(super) async fn stocked() -> Self {
        let test_database = fresh_database().await;
        let database = Database::connect_lazy(&test_database.config(), "archive-test").unwrap();
        let config = AnalyticsConfig::default();
        let mut depot = Self {
            store: Arc::new(PgAnalytics::new(database.clone(), config.store())),
            test_database,
            database,
            folder: Folder::new(),
            tenants: [(); 3].map(|()| TenantId::new()),
            stored: Vec::new(),
        };
        depot.stock().await;
        depot
    }

    async fn stock(&mut self) {
        for ago in [800, 731, 0] {
            let day = day_ago(ago);
            self.store.prepare(day, day).await.unwrap();
            let of_each = if ago == 0 { EVENTS_TODAY } else { EVENTS_A_DAY } / 3;
            for (number, tenant) in self.tenants.into_iter().enumerate() {
                let events: Vec<Written<'_>> = (0..of_each)
                    .map(|event| written(ago, event * 7 + number))
                    .collect();
                let name = numbered("old", ago + 1);
                let mut batch = Arc::unwrap_or_clone(batch(tenant, 1, &events));
                batch.name = name;
                self.store.store(&[Arc::new(batch)]).await.unwrap();
            }
        }
        self.stored = self.everything().await;
        assert_eq!(self.stored.len(), EVENTS);
    }

    /// Stores some events of a day; their batch has that number.
    pub(super) async fn store_late(&mut self, ago: i64, number: i64, events: usize) {
        let events: Vec<Written<'_>> = (0..events).map(|event| written(ago, event)).collect();
        let mut batch = Arc::unwrap_or_clone(batch(self.tenants[1], number, &events));
        batch.name = BatchName::Numbered {
            producer: "late".try_into().unwrap(),
            sequence: number,
        };
        self.store.store(&[Arc::new(batch)]).await.unwrap();
    }

    pub(super) fn files(&self) -> EventFiles {
        Arc::new(ObjectFiles::open(&self.folder.url(), small_files()).unwrap())
    }

    pub(super) fn archiver(&self) -> Archiver {
        self.archiver_of(self.files())
    }

    pub(super) fn archiver_of(&self, files: EventFiles) -> Archiver {
        let parts = ArchiveParts {
            store: self.store.clone(),
            returns: self.store.clone(),
            files,
        };
        let limits = ArchiveLimits {
            keep_days: 730,
            restore_days: 30,
            late_hours: 0,
            poll: Duration::from_secs(3_600),
        };
        Archiver::new(parts, limits, ArchiveMetrics::default(), Clock::system())
    }

    pub(super) async fn state(&self, ago: i64) -> Option<DayState> {
        let found = self.store.find(day_ago(ago)).await.unwrap();
        found.map(|found| found.state)
    }

    /// All events wherever they are, each as often as it is there.
    pub(super) async fn everything(&self) -> Vec<Anywhere> {
        everything(&mut self.test_database.admin().await, &self.folder).await
    }

    /// Fails unless all events that were stored are there once, and the sums by the day say so.
    pub(super) async fn assert_whole(&self) {
        assert_whole(&self.test_database, &self.folder, &self.stored).await;
    }

    pub(super) async fn count(&self, of: &'static str) -> i64 {
        count(&mut self.test_database.admin().await, of).await
    }

    pub(super) async fn execute(&self, statement: &'static str) {
        self.test_database
            .admin()
            .await
            .execute(statement)
            .await
            .unwrap();
    }
}

pub(super) fn small_files() -> FileLimits {
    FileLimits::of_rows(FILE_ROWS)
}

/// An event of a day, different from all others of the day.
fn written(ago: i64, number: usize) -> Written<'static> {
    let types = ["order.placed", "page", "payment.refused"];
    let users = ["ada", "bob", "", "zoë"];
    let at = i64::try_from(number).unwrap();
    (
        today_ms() - ago * DAY_MS + at * 61_007 % DAY_MS,
        types[number % 3],
        users[number % 4],
        f64::from(u32::try_from(number).unwrap()) * 0.5 - 20.0,
    )
}

pub(super) fn day_ago(ago: i64) -> Date {
    OffsetDateTime::from_unix_timestamp(today_ms() / 1_000 - ago * 86_400)
        .unwrap()
        .date()
}

pub(super) fn quiet(_: &Progress) {}

pub(super) async fn count(conn: &mut PgConnection, of: &'static str) -> i64 {
    sqlx::query_scalar(of).fetch_one(conn).await.unwrap()
}

/// See [`Depot::everything`].
pub(super) async fn everything(conn: &mut PgConnection, folder: &Folder) -> Vec<Anywhere> {
    let rows: Vec<(uuid::Uuid, OffsetDateTime, i64, String, String, f64)> = sqlx::query_as(
        "select r.tenant_id, r.event_time, r.event_id, t.name, r.user_id, r.value
         from (select * from events union all select * from quarantined_events
               union all select * from leaving_events) r
         join event_types t on t.tenant_id = r.tenant_id and t.type_id = r.type_id",
    )
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    let mut all: Vec<Anywhere> = rows
        .into_iter()
        .map(|(tenant, at, id, event_type, user, value)| {
            let at_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap();
            (tenant, at_ms, id, event_type, user, value.to_bits())
        })
        .collect();
    let paths: Vec<String> = sqlx::query_scalar("select path from archive_files where answers")
        .fetch_all(conn)
        .await
        .unwrap();
    for path in paths {
        let bytes = std::fs::read(folder.0.join(path)).unwrap();
        let reader = EventReader::open(bytes.into()).unwrap();
        for block in reader.scan(Wanted::All).unwrap() {
            for event in block.unwrap().events() {
                let event = event.unwrap();
                all.push((
                    event.tenant.as_uuid(),
                    event.at_ms,
                    event.id,
                    event.event_type.to_owned(),
                    event.user.to_owned(),
                    event.value.to_bits(),
                ));
            }
        }
    }
    all.sort();
    all
}

/// See [`Depot::assert_whole`].
pub(super) async fn assert_whole(database: &TestDatabase, folder: &Folder, stored: &[Anywhere]) {
    let mut admin = database.admin().await;
    let all = everything(&mut admin, folder).await;
    assert_eq!(all.len(), stored.len());
    assert!(all == stored, "other events than were stored");
    let rolled = count(
        &mut admin,
        "select coalesce(sum(n), 0)::bigint from rollup_days",
    )
    .await;
    assert_eq!(rolled, i64::try_from(stored.len()).unwrap());
}

/// Fails unless the folder has exactly the files of the manifest.
pub(super) async fn assert_swept(conn: &mut PgConnection, folder: &Folder) {
    let mut paths: Vec<String> = sqlx::query_scalar("select path from archive_files")
        .fetch_all(conn)
        .await
        .unwrap();
    paths.sort();
    let files = folder.files();
    let files: Vec<String> = files
        .iter()
        .map(|file| file.strip_prefix(&folder.0).unwrap().display().to_string())
        .filter(|path| !path.contains(".probe"))
        .collect();
    assert_eq!(files, paths);
}
