//! Archivers beside writers, and beside each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Barrier;
use tradepost_metrics::domain::{ArchiveDay, DayState};
use tradepost_metrics::ports::{
    ArchiveStore, EventFiles, EventStore, FileFacts, FileStore, FileStoreError, RowsIn, RowsOut,
    UpkeepStore,
};

use super::support::{Depot, EVENTS, OLD_DAYS, assert_swept, day_ago, quiet};
use crate::support::{DAY_MS, SOON, batch, today_ms};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_beside_an_archiver_is_neither_lost_nor_doubled() {
    let mut depot = Depot::stocked().await;
    let store = Arc::clone(&depot.store);
    let tenant = depot.tenants[0];
    let (old, today) = (today_ms() - 800 * DAY_MS, today_ms());

    let storing = tokio::spawn(async move {
        for number in 1..=120 {
            let events = [(old + number, "a", "ada", 1.0), (today, "b", "bob", 2.0)];
            store
                .store(&[batch(tenant, number, &events)])
                .await
                .unwrap();
        }
    });
    let upkeep = Arc::clone(&depot.store);
    let tidying = tokio::spawn(async move {
        for _ in 0..20 {
            upkeep.prepare(day_ago(801), day_ago(799)).await.unwrap();
            upkeep.release(1_000).await.unwrap();
        }
    });
    let archiver = depot.archiver();
    for _ in 0..6 {
        archiver.once(&quiet).await.unwrap();
    }
    storing.await.unwrap();
    tidying.await.unwrap();
    archiver.once(&quiet).await.unwrap();

    let all = depot.everything().await;
    assert_eq!(all.len(), EVENTS + 240);
    assert!(
        depot
            .stored
            .iter()
            .all(|event| all.binary_search(event).is_ok())
    );
    depot.stored = all;
    depot.assert_whole().await;
    assert_eq!(depot.state(800).await, Some(DayState::Dropped));
    assert_eq!(
        depot.count("select count(*) from quarantined_events").await,
        0
    );
    assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_archivers_one_has_the_turn() {
    let depot = Depot::stocked().await;
    let turn = depot.store.turn().await.unwrap();
    assert!(turn.is_some());

    assert!(!depot.archiver().once(&quiet).await.unwrap());
    assert!(
        depot
            .archiver()
            .run_day(day_ago(800), &quiet)
            .await
            .is_err()
    );
    assert_eq!(depot.state(800).await, None);
    drop(turn);

    let (one, other) = (depot.archiver(), depot.archiver());
    let (one, other) = tokio::join!(one.once(&quiet), other.once(&quiet));
    // The turn may be given back while the other one asks.
    while !depot.archiver().once(&quiet).await.unwrap() {}
    one.unwrap();
    other.unwrap();
    for ago in OLD_DAYS {
        assert_eq!(depot.state(ago).await, Some(DayState::Dropped));
    }
    depot.assert_whole().await;
    assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archiver_that_lost_its_connection_has_lost_its_turn() {
    let depot = Depot::stocked().await;
    let mut turn = depot.store.turn().await.unwrap().unwrap();
    turn.still().await.unwrap();

    depot
        .execute(
            "select pg_terminate_backend(pid) from pg_locks
             where locktype = 'advisory' and database = (
                 select oid from pg_database where datname = current_database())",
        )
        .await;

    assert!(turn.still().await.is_err());
    assert!(depot.archiver().once(&quiet).await.unwrap());
    depot.assert_whole().await;
}

/// A store in which a day is written, and read back, only beside another one.
struct Meeting {
    inner: EventFiles,
    writers: Barrier,
    readers: Barrier,
}

impl Meeting {
    async fn met(barrier: &Barrier) -> Result<(), FileStoreError> {
        let met = tokio::time::timeout(SOON, barrier.wait()).await;
        met.map_err(|_alone| FileStoreError::Unwritable("it stays alone".to_owned()))?;
        Ok(())
    }
}

#[async_trait]
impl FileStore for Meeting {
    async fn write(
        &self,
        day: &ArchiveDay,
        rows: RowsIn,
    ) -> Result<Vec<FileFacts>, FileStoreError> {
        Self::met(&self.writers).await?;
        self.inner.write(day, rows).await
    }

    async fn read(
        &self,
        file: &FileFacts,
        out: Option<RowsOut>,
    ) -> Result<FileFacts, FileStoreError> {
        Self::met(&self.readers).await?;
        self.inner.read(file, out).await
    }

    async fn sweep(&self, prefix: &str, keep: &BTreeSet<String>) -> Result<u64, FileStoreError> {
        self.inner.sweep(prefix, keep).await
    }

    async fn probe(&self) -> Result<(), FileStoreError> {
        self.inner.probe().await
    }
}

#[tokio::test]
async fn two_days_are_written_and_read_back_side_by_side() {
    let depot = Depot::stocked().await;
    let meeting = Meeting {
        inner: depot.files(),
        writers: Barrier::new(OLD_DAYS.len()),
        // Of all files two are read at a time, and they are even.
        readers: Barrier::new(OLD_DAYS.len()),
    };

    let archiver = depot.archiver_of(Arc::new(meeting));
    archiver.once(&quiet).await.unwrap();

    for ago in OLD_DAYS {
        assert_eq!(depot.state(ago).await, Some(DayState::Dropped));
    }
    depot.assert_whole().await;
}
