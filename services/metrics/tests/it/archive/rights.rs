//! What the database itself refuses, whoever asks.

use std::sync::Arc;

use sqlx::Executor;
use time::Date;
use tokio::sync::mpsc;
use tradepost_metrics::ports::{ArchiveError, ArchiveStore};
use tradepost_testkit::eventually;

use super::support::{Depot, EVENTS_A_DAY, day_ago, quiet};
use crate::support::SOON;

/// Runs a statement as the role of the archiver; the code of the refusal.
async fn refused(depot: &Depot, statement: String) -> String {
    let mut tx = depot.database.system_tx().await.unwrap();
    let error = tx
        .conn()
        .execute(sqlx::AssertSqlSafe(statement))
        .await
        .unwrap_err();
    error
        .as_database_error()
        .unwrap()
        .code()
        .unwrap()
        .into_owned()
}

#[tokio::test]
async fn no_day_is_moved_or_dropped_but_the_one_whose_turn_it_is() {
    let depot = Depot::stocked().await;
    let old = day_ago(800);
    for of in [
        "archive_promise",
        "archive_detach",
        "archive_drop",
        "archive_return_begin",
        "archive_return_abandon",
    ] {
        let code = refused(&depot, format!("select {of}('{old}')")).await;
        assert_eq!(code, "55000", "{of}");
    }
    for of in ["archive_give_back", "archive_return_finish"] {
        let code = refused(&depot, format!("select {of}('{old}', null)")).await;
        assert_eq!(code, "55000", "{of}");
    }
    depot.store.plan(old).await.unwrap();
    depot.store.detach(old).await.unwrap();
    assert_eq!(
        refused(&depot, format!("select archive_drop('{old}')")).await,
        "55000"
    );
    // Even with the word of the archiver: there are no files with as many rows.
    depot
        .execute("update archive_days set state = 'verified'")
        .await;
    assert_eq!(
        refused(&depot, format!("select archive_drop('{old}')")).await,
        "22000"
    );
    depot.assert_whole().await;
}

#[tokio::test]
async fn the_archiver_owns_nothing() {
    let depot = Depot::stocked().await;
    depot.store.plan(day_ago(800)).await.unwrap();
    depot.store.detach(day_ago(800)).await.unwrap();

    for statement in [
        "drop table leaving_events",
        "delete from leaving_events",
        "insert into leaving_events select * from quarantined_events",
        "update leaving_events set value = 1",
        "delete from returning_events",
        "delete from archive_days",
        "select archive_make('events', '2001-01-01')",
        "select archive_partition('events', '2001-01-01')",
    ] {
        assert_eq!(
            refused(&depot, statement.to_owned()).await,
            "42501",
            "{statement}"
        );
    }
}

#[tokio::test]
async fn of_single_days_the_archiver_reads_those_that_leave_and_changes_none() {
    let depot = Depot::stocked().await;
    let (leaving, other) = (day_ago(800), day_ago(731));
    depot.store.plan(leaving).await.unwrap();
    depot.store.detach(leaving).await.unwrap();
    let name = async |day: Date| -> Result<String, sqlx::Error> {
        let mut tx = depot.database.system_tx().await.unwrap();
        let asked = sqlx::query_scalar("select archive_leaving($1)").bind(day);
        asked.fetch_one(tx.conn()).await
    };

    let part = name(leaving).await.unwrap();

    let mut tx = depot.database.system_tx().await.unwrap();
    let statement = format!("select count(*) from {part}");
    let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
        .fetch_one(tx.conn())
        .await
        .unwrap();
    assert_eq!(rows, i64::try_from(EVENTS_A_DAY).unwrap());
    for change in ["delete from", "truncate", "drop table"] {
        assert_eq!(refused(&depot, format!("{change} {part}")).await, "42501");
    }
    let refused = name(other).await.unwrap_err();
    let refused = refused.as_database_error().unwrap().code();
    assert_eq!(refused.as_deref(), Some("55000"));
}

#[tokio::test]
async fn a_day_that_is_being_archived_keeps_no_other_from_being_moved() {
    let depot = Depot::stocked().await;
    let (read, moved) = (day_ago(800), day_ago(731));
    for day in [read, moved] {
        depot.store.plan(day).await.unwrap();
    }
    depot.store.detach(read).await.unwrap();
    // A message of rows that nobody takes: the day is in the midst of being read.
    let (out, taken) = mpsc::channel(1);
    out.send(None).await.unwrap();
    let reading = tokio::spawn({
        let store = Arc::clone(&depot.store);
        async move { store.rows(read, out).await }
    });
    let held = "select count(*) from pg_locks l join pg_class c on c.oid = l.relation
        where l.mode = 'AccessShareLock' and c.relkind = 'r' and c.relname like 'events_2%'
          and l.database = (select oid from pg_database where datname = current_database())";
    eventually("rows on their way", SOON, async || {
        (depot.count(held).await > 0).then_some(())
    })
    .await;

    depot.store.detach(moved).await.unwrap();

    assert!(depot.count(held).await > 0, "it was not read any more");
    drop(taken);
    assert!(reading.await.unwrap().is_err());
    depot.assert_whole().await;
}

#[tokio::test]
async fn rows_that_are_not_as_many_as_the_files_say_are_not_dropped() {
    let depot = Depot::stocked().await;
    let archiver = depot.archiver();
    // The files are right until they were verified.
    depot
        .execute(
            "create function more() returns trigger language plpgsql as $$
            begin new.rows := new.rows + 1; return new; end $$;
        create trigger more before update of verified_at on archive_files
            for each row execute function more()",
        )
        .await;

    archiver.once(&quiet).await.unwrap();

    for ago in [800, 731] {
        let state = depot.state(ago).await.unwrap();
        assert_eq!(state.word(), "failed");
    }
    depot.execute("drop trigger more on archive_files").await;
    for ago in [800, 731] {
        archiver.retry(day_ago(ago), &quiet).await.unwrap();
        assert_eq!(depot.state(ago).await.unwrap().word(), "dropped");
    }
    depot.assert_whole().await;
}

#[tokio::test]
async fn a_day_that_is_being_read_is_not_waited_for() {
    let depot = Depot::stocked().await;
    let day = day_ago(800);
    depot.store.plan(day).await.unwrap();
    let mut reader = depot.test_database.admin().await;
    reader
        .execute("begin; select count(*) from events")
        .await
        .unwrap();

    let busy = depot.store.detach(day).await;

    assert!(matches!(busy, Err(ArchiveError::Busy)), "{busy:?}");
    assert_eq!(depot.state(800).await.unwrap().word(), "planned");
    reader.execute("commit").await.unwrap();
    depot.store.detach(day).await.unwrap();
    depot.assert_whole().await;
}

#[tokio::test]
async fn whoever_holds_the_gate_sees_no_day_change_sides() {
    let depot = Depot::stocked().await;
    let day = day_ago(800);
    depot.store.plan(day).await.unwrap();
    let mut reader = depot.test_database.admin().await;
    reader
        .execute("begin; lock table leaving_events in access share mode")
        .await
        .unwrap();

    assert!(matches!(
        depot.store.detach(day).await,
        Err(ArchiveError::Busy)
    ));

    reader.execute("commit").await.unwrap();
    depot.store.detach(day).await.unwrap();
}
