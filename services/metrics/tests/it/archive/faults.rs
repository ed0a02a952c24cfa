//! A store that loses, damages or refuses: it is found, and nothing is dropped.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::memory::InMemory;
use tradepost_metrics::adapters::objects::ObjectFiles;
use tradepost_metrics::domain::{ArchiveDay, DayState};
use tradepost_metrics::ports::{
    ArchiveError, EventFiles, FileFacts, FileStore, FileStoreError, RowsIn, RowsOut,
};

use super::support::{Depot, EVENTS, assert_swept, day_ago, quiet, small_files};

type Damage = fn(&PathBuf);

/// A folder whose files are damaged once they are written.
struct Damaging {
    inner: EventFiles,
    folder: PathBuf,
    damage: Damage,
}

#[async_trait]
impl FileStore for Damaging {
    async fn write(
        &self,
        day: &ArchiveDay,
        rows: RowsIn,
    ) -> Result<Vec<FileFacts>, FileStoreError> {
        let files = self.inner.write(day, rows).await?;
        (self.damage)(&self.folder.join(&files[1].path));
        Ok(files)
    }

    async fn read(
        &self,
        file: &FileFacts,
        out: Option<RowsOut>,
    ) -> Result<FileFacts, FileStoreError> {
        self.inner.read(file, out).await
    }

    async fn sweep(&self, prefix: &str, keep: &BTreeSet<String>) -> Result<u64, FileStoreError> {
        self.inner.sweep(prefix, keep).await
    }

    async fn probe(&self) -> Result<(), FileStoreError> {
        self.inner.probe().await
    }
}

const DAMAGES: [(&str, Damage); 5] = [
    ("missing", |path| fs::remove_file(path).unwrap()),
    ("truncated", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    }),
    ("one bit", |path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 3;
        bytes[middle] ^= 1;
        fs::write(path, bytes).unwrap();
    }),
    ("empty", |path| fs::write(path, b"").unwrap()),
    ("another file", |path| {
        let other = path
            .display()
            .to_string()
            .replace("-0001.parquet", "-0000.parquet");
        fs::copy(other, path).unwrap();
    }),
];

#[tokio::test]
async fn an_object_that_is_not_what_was_written_is_found_and_nothing_is_dropped() {
    for (what, damage) in DAMAGES {
        let depot = Depot::stocked().await;
        let damaging = Damaging {
            inner: depot.files(),
            folder: depot.folder.0.clone(),
            damage,
        };

        depot
            .archiver_of(Arc::new(damaging))
            .once(&quiet)
            .await
            .unwrap();

        for ago in [800, 731] {
            let state = depot.state(ago).await.unwrap();
            let DayState::Failed { reason } = state else {
                panic!("{what}: {state}");
            };
            assert!(
                reason.contains("part-0000-0001.parquet"),
                "{what}: {reason}"
            );
        }
        let here = "select (select count(*) from events) + (select count(*) from leaving_events)";
        assert_eq!(depot.count(here).await, EVENTS as i64, "{what}");
        depot.assert_whole().await;

        // A failed day waits for somebody.
        depot.archiver().once(&quiet).await.unwrap();
        assert_eq!(depot.state(800).await.unwrap().word(), "failed");
        for ago in [800, 731] {
            depot.archiver().retry(day_ago(ago), &quiet).await.unwrap();
        }
        assert_eq!(depot.state(800).await, Some(DayState::Dropped));
        depot.assert_whole().await;
        assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
    }
}

#[tokio::test]
async fn rollups_that_say_something_else_stop_a_day() {
    let depot = Depot::stocked().await;
    depot
        .execute("update rollup_days set n = n + 1 where start_time < now() - interval '1 day'")
        .await;

    depot.archiver().once(&quiet).await.unwrap();

    let DayState::Failed { reason } = depot.state(800).await.unwrap() else {
        panic!("it did not fail");
    };
    assert!(reason.contains("in the rollup of the day"), "{reason}");
    assert_eq!(depot.everything().await, depot.stored);
}

#[tokio::test]
async fn a_file_that_is_damaged_later_is_not_restored() {
    let depot = Depot::stocked().await;
    let archiver = depot.archiver();
    archiver.once(&quiet).await.unwrap();
    let files = depot.folder.files();
    let path = files
        .iter()
        .find(|path| path.ends_with("part-0000-0001.parquet"))
        .unwrap();
    let whole = fs::read(path).unwrap();
    DAMAGES[2].1(path);

    let restored = archiver.restore(day_ago(800), None, &quiet).await;

    let damaged = matches!(
        restored,
        Err(ArchiveError::Files(FileStoreError::Damaged { .. }))
    );
    assert!(damaged, "{restored:?}");
    assert_eq!(
        depot.state(800).await,
        Some(DayState::Restoring { until: None })
    );
    fs::write(path, &whole).unwrap();
    depot.assert_whole().await;

    // Two ways on: stay in the archive, or restore it from a copy of the file.
    archiver.retry(day_ago(800), &quiet).await.unwrap();
    assert_eq!(depot.state(800).await, Some(DayState::Dropped));
    depot.assert_whole().await;
    archiver.restore(day_ago(800), None, &quiet).await.unwrap();
    depot.assert_whole().await;
}

/// A store in which one day cannot be written.
struct Refusing(EventFiles, ArchiveDay);

#[async_trait]
impl FileStore for Refusing {
    async fn write(
        &self,
        day: &ArchiveDay,
        rows: RowsIn,
    ) -> Result<Vec<FileFacts>, FileStoreError> {
        if day.day == self.1.day {
            return Err(FileStoreError::Unwritable("a row is too long".to_owned()));
        }
        self.0.write(day, rows).await
    }

    async fn read(
        &self,
        file: &FileFacts,
        out: Option<RowsOut>,
    ) -> Result<FileFacts, FileStoreError> {
        self.0.read(file, out).await
    }

    async fn sweep(&self, prefix: &str, keep: &BTreeSet<String>) -> Result<u64, FileStoreError> {
        self.0.sweep(prefix, keep).await
    }

    async fn probe(&self) -> Result<(), FileStoreError> {
        self.0.probe().await
    }
}

#[tokio::test]
async fn a_day_that_cannot_be_written_is_told_and_holds_up_no_other() {
    for (at_fault, other) in [(800, 731), (731, 800)] {
        let depot = Depot::stocked().await;
        let day = ArchiveDay {
            day: day_ago(at_fault),
            edition: 0,
            state: DayState::Detached,
        };

        let ran = depot
            .archiver_of(Arc::new(Refusing(depot.files(), day)))
            .once(&quiet)
            .await;

        let told = matches!(ran, Err(ArchiveError::Files(FileStoreError::Unwritable(_))));
        assert!(told, "{ran:?}");
        assert_eq!(depot.state(at_fault).await, Some(DayState::Detached));
        assert_eq!(depot.state(other).await, Some(DayState::Dropped));
        depot.assert_whole().await;
    }
}

#[tokio::test]
async fn data_that_the_database_refuses_hold_up_no_other_day() {
    for (at_fault, other) in [(800, 731), (731, 800)] {
        let depot = Depot::stocked().await;
        let refuse = format!(
            "create function refuse() returns trigger language plpgsql as $$
             begin raise exception 'out of range' using errcode = '22003'; end $$;
             create trigger refuse before insert on archive_files for each row
                 when (new.day = '{}') execute function refuse()",
            day_ago(at_fault)
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(refuse))
            .execute(&mut depot.test_database.admin().await)
            .await
            .unwrap();

        let ran = depot.archiver().once(&quiet).await;

        assert!(matches!(ran, Err(ArchiveError::Unmovable(_))), "{ran:?}");
        assert_eq!(depot.state(at_fault).await, Some(DayState::Detached));
        assert_eq!(depot.state(other).await, Some(DayState::Dropped));
        depot.assert_whole().await;
    }
}

#[tokio::test]
async fn values_from_before_they_were_bounded_leave_with_their_day() {
    let depot = Depot::stocked().await;
    depot
        .execute("update events set value = 1.7e308 where event_time < now() - interval '1 day'")
        .await;
    let stored = depot.everything().await;

    depot.archiver().once(&quiet).await.unwrap();

    assert_eq!(depot.state(800).await, Some(DayState::Dropped));
    assert_eq!(depot.state(731).await, Some(DayState::Dropped));
    assert!(
        depot.everything().await == stored,
        "other events than there were"
    );
}

/// A store that fails after some bytes of the third file.
struct Failing(EventFiles);

#[async_trait]
impl FileStore for Failing {
    async fn write(
        &self,
        day: &ArchiveDay,
        rows: RowsIn,
    ) -> Result<Vec<FileFacts>, FileStoreError> {
        drop(rows);
        let path = day.path(2);
        let source = "connection reset".into();
        Err(FileStoreError::Unavailable { path, source })
    }

    async fn read(
        &self,
        file: &FileFacts,
        out: Option<RowsOut>,
    ) -> Result<FileFacts, FileStoreError> {
        self.0.read(file, out).await
    }

    async fn sweep(&self, prefix: &str, keep: &BTreeSet<String>) -> Result<u64, FileStoreError> {
        self.0.sweep(prefix, keep).await
    }

    async fn probe(&self) -> Result<(), FileStoreError> {
        self.0.probe().await
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_the_events_stay_readable() {
    let depot = Depot::stocked().await;

    let ran = depot
        .archiver_of(Arc::new(Failing(depot.files())))
        .once(&quiet)
        .await;

    let Err(ArchiveError::Files(FileStoreError::Unavailable { path, .. })) = &ran else {
        panic!("{ran:?}");
    };
    // Days go side by side, and the first that fails ends the round: the other may not have begun.
    let names = |ago: &i64| path.contains(&format!("dt={}", day_ago(*ago)));
    let failed = [800, 731].into_iter().find(names).expect(path);
    assert_eq!(depot.state(failed).await, Some(DayState::Detached));
    depot.assert_whole().await;

    depot.archiver().once(&quiet).await.unwrap();
    assert_eq!(depot.state(800).await, Some(DayState::Dropped));
    depot.assert_whole().await;
}

#[tokio::test]
async fn rows_that_end_early_leave_no_object() {
    let memory = Arc::new(InMemory::new());
    let files = ObjectFiles::new(memory.clone(), small_files());
    let day = ArchiveDay {
        day: day_ago(800),
        edition: 0,
        state: DayState::Detached,
    };
    let (out, rows) = tokio::sync::mpsc::channel(4);
    drop(out);

    let written = files.write(&day, rows).await;

    assert!(
        matches!(written, Err(FileStoreError::Interrupted)),
        "{written:?}"
    );
    let mut listed = object_store::ObjectStore::list(&*memory, None);
    assert!(futures::StreamExt::next(&mut listed).await.is_none());
}
