//! A day's way out, what follows it, and its way back.

use tradepost_metrics::domain::DayState;
use tradepost_metrics::ports::{ArchiveError, ArchiveStore, UpkeepStore};

use super::support::{
    Depot, EVENTS, EVENTS_A_DAY, EVENTS_TODAY, OLD_DAYS, assert_swept, day_ago, quiet,
};

#[tokio::test]
async fn days_past_their_age_are_in_files_and_nowhere_else() {
    let depot = Depot::stocked().await;

    assert!(depot.archiver().once(&quiet).await.unwrap());

    for ago in OLD_DAYS {
        assert_eq!(depot.state(ago).await, Some(DayState::Dropped));
    }
    assert_eq!(depot.state(0).await, None);
    assert_eq!(
        depot.count("select count(*) from events").await,
        EVENTS_TODAY as i64
    );
    assert_eq!(depot.count("select count(*) from leaving_events").await, 0);
    // 360 rows in files of at most 100, of two days.
    assert_eq!(
        depot
            .count("select count(*) from archive_files where answers")
            .await,
        8
    );
    let parts = "select count(*) from pg_inherits where inhparent in ('events'::regclass,
        'leaving_events'::regclass, 'returning_events'::regclass)";
    assert_eq!(depot.count(parts).await, 1);
    assert_eq!(depot.count("select count(*) from event_days").await, 1);
    depot.assert_whole().await;
    assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
}

#[tokio::test]
async fn the_manifest_says_whose_rows_are_where() {
    let depot = Depot::stocked().await;

    depot.archiver().once(&quiet).await.unwrap();

    let of_tenant = "select sum(t.rows)::bigint from archive_file_tenants t
        join archive_files f using (day, edition, part) where f.answers";
    assert_eq!(depot.count(of_tenant).await, 2 * EVENTS_A_DAY as i64);
    let wrong = "select count(*) from archive_files f where f.rows <> (
            select sum(t.rows) from archive_file_tenants t
            where (t.day, t.edition, t.part) = (f.day, f.edition, f.part))
        or (f.min_time at time zone 'UTC')::date <> f.day
        or (f.max_time at time zone 'UTC')::date <> f.day or f.min_time > f.max_time";
    assert_eq!(depot.count(wrong).await, 0);
}

#[tokio::test]
async fn a_run_after_the_last_does_nothing() {
    let depot = Depot::stocked().await;
    let archiver = depot.archiver();
    archiver.once(&quiet).await.unwrap();
    let files = depot.folder.files();
    let written = depot
        .count("select max(xmin::text::bigint) from archive_days")
        .await;

    archiver.once(&quiet).await.unwrap();

    assert_eq!(depot.folder.files(), files);
    let after = "select max(xmin::text::bigint) from archive_days";
    assert_eq!(depot.count(after).await, written, "a row was written");
}

#[tokio::test]
async fn upkeep_makes_no_partition_of_an_archived_day() {
    let depot = Depot::stocked().await;
    depot.archiver().once(&quiet).await.unwrap();

    let made = depot
        .store
        .prepare(day_ago(801), day_ago(799))
        .await
        .unwrap();

    // Its neighbours only.
    assert_eq!(made, 2);
    depot.assert_whole().await;
}

#[tokio::test]
async fn late_events_of_an_archived_day_count_at_once_and_get_a_file_of_their_own() {
    let mut depot = Depot::stocked().await;
    let archiver = depot.archiver();
    archiver.once(&quiet).await.unwrap();

    depot.store_late(800, 1, 25).await;

    assert_eq!(
        depot.count("select count(*) from quarantined_events").await,
        25
    );
    assert_eq!(
        depot.store.release(1_000).await.unwrap(),
        0,
        "it has no day to go to"
    );
    depot.stored = depot.everything().await;
    assert_eq!(depot.stored.len(), EVENTS + 25);
    depot.assert_whole().await;

    archiver.once(&quiet).await.unwrap();

    assert_eq!(
        depot.count("select count(*) from quarantined_events").await,
        0
    );
    let late = "select sum(rows)::bigint from archive_files where edition = 1 and answers";
    assert_eq!(depot.count(late).await, 25);
    assert_eq!(depot.state(800).await, Some(DayState::Dropped));
    depot.assert_whole().await;
    assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
}

#[tokio::test]
async fn old_events_of_a_day_that_never_had_a_partition_are_archived_as_well() {
    let mut depot = Depot::stocked().await;
    depot.store_late(760, 1, 7).await;
    depot.stored = depot.everything().await;

    depot.archiver().once(&quiet).await.unwrap();

    assert_eq!(depot.state(760).await, Some(DayState::Dropped));
    assert_eq!(
        depot.count("select count(*) from quarantined_events").await,
        0
    );
    depot.assert_whole().await;
}

#[tokio::test]
async fn what_waits_in_quarantine_leaves_with_its_day() {
    let mut depot = Depot::stocked().await;
    depot
        .execute(
            "alter table event_days rename to hidden_days;
                   create table event_days (day date primary key);
                   grant select, update on event_days to tradepost_system",
        )
        .await;
    depot.store_late(800, 1, 5).await;
    depot
        .execute("drop table event_days; alter table hidden_days rename to event_days")
        .await;
    depot.stored = depot.everything().await;

    depot.archiver().once(&quiet).await.unwrap();

    assert_eq!(
        depot.count("select count(*) from quarantined_events").await,
        0
    );
    assert_eq!(
        depot
            .count("select max(edition)::bigint from archive_files")
            .await,
        0
    );
    depot.assert_whole().await;
}

#[tokio::test]
async fn a_restored_day_has_its_rows_again_byte_by_byte() {
    let mut depot = Depot::stocked().await;
    let archiver = depot.archiver();
    archiver.once(&quiet).await.unwrap();
    // Of two editions.
    depot.store_late(800, 1, 25).await;
    archiver.once(&quiet).await.unwrap();
    depot.stored = depot.everything().await;
    let until = archiver.stay(None);

    archiver.restore(day_ago(800), until, &quiet).await.unwrap();

    assert_eq!(depot.state(800).await, Some(DayState::Restored { until }));
    let hot = (EVENTS_A_DAY + EVENTS_TODAY + 25) as i64;
    assert_eq!(depot.count("select count(*) from events").await, hot);
    assert_eq!(depot.count("select count(*) from event_days").await, 2);
    // The files are kept, and answer nothing.
    assert_eq!(
        depot
            .count("select count(*) from archive_files where not answers")
            .await,
        5
    );
    depot.assert_whole().await;

    archiver.restore(day_ago(800), None, &quiet).await.unwrap();
    assert_eq!(
        depot.state(800).await,
        Some(DayState::Restored { until: None })
    );
    archiver.once(&quiet).await.unwrap();
    assert_eq!(
        depot.state(800).await,
        Some(DayState::Restored { until: None }),
        "it stays"
    );
    depot.assert_whole().await;
}

#[tokio::test]
async fn a_restored_day_leaves_again_with_what_came_meanwhile() {
    let mut depot = Depot::stocked().await;
    let archiver = depot.archiver();
    archiver.once(&quiet).await.unwrap();
    archiver.restore(day_ago(800), None, &quiet).await.unwrap();
    depot.store_late(800, 1, 25).await;
    assert_eq!(
        depot.count("select count(*) from quarantined_events").await,
        0
    );
    depot.stored = depot.everything().await;

    depot
        .execute(
            "update archive_days set restored_until = now()::date - 1
                   where state = 'restored'",
        )
        .await;
    archiver.once(&quiet).await.unwrap();

    assert_eq!(depot.state(800).await, Some(DayState::Dropped));
    let editions = "select count(distinct (day, edition)) from archive_files";
    assert_eq!(
        depot.count(editions).await,
        2,
        "the files of before are forgotten"
    );
    depot.assert_whole().await;
    assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
}

#[tokio::test]
async fn a_day_on_its_way_out_turns_back_wherever_it_is() {
    for at in ["planned", "detached", "exported", "verified", "failed"] {
        let depot = Depot::stocked().await;
        let day = day_ago(800);
        reach(&depot, at).await;
        assert_eq!(depot.state(800).await.unwrap().word(), at);

        depot.archiver().restore(day, None, &quiet).await.unwrap();

        assert_eq!(
            depot.state(800).await,
            Some(DayState::Restored { until: None })
        );
        assert_eq!(
            depot.count("select count(*) from events").await,
            EVENTS as i64,
            "{at}"
        );
        depot.assert_whole().await;
        assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
    }
}

#[tokio::test]
async fn late_events_on_their_way_out_turn_back_and_the_whole_day_comes() {
    let mut depot = Depot::stocked().await;
    depot.archiver().once(&quiet).await.unwrap();
    depot.store_late(800, 1, 25).await;
    depot.stored = depot.everything().await;
    reach(&depot, "exported").await;

    depot
        .archiver()
        .restore(day_ago(800), None, &quiet)
        .await
        .unwrap();
    while depot.store.release(1_000).await.unwrap() > 0 {}

    let hot = (EVENTS_A_DAY + EVENTS_TODAY + 25) as i64;
    assert_eq!(depot.count("select count(*) from events").await, hot);
    depot.assert_whole().await;
    assert_swept(&mut depot.test_database.admin().await, &depot.folder).await;
}

#[tokio::test]
async fn a_day_that_is_not_over_or_has_nothing_cannot_leave() {
    let depot = Depot::stocked().await;

    for ago in [0, -1, 500] {
        let planned = depot.archiver().run_day(day_ago(ago), &quiet).await;

        assert!(
            matches!(planned, Err(ArchiveError::NoSuchDay(_))),
            "{planned:?}"
        );
        assert_eq!(depot.state(ago).await, None);
    }
}

/// Takes the day that far, step by step.
async fn reach(depot: &Depot, state: &str) {
    let (store, files, day) = (&depot.store, depot.files(), day_ago(800));
    store.plan(day).await.unwrap();
    if state == "planned" {
        return;
    }
    store.detach(day).await.unwrap();
    if state == "detached" {
        return;
    }
    let found = store.find(day).await.unwrap().unwrap();
    let (out, rows) = tokio::sync::mpsc::channel(1);
    let (sent, written) = tokio::join!(store.rows(day, out), files.write(&found, rows));
    sent.unwrap();
    store.exported(&found, &written.unwrap()).await.unwrap();
    match state {
        "verified" => store.verified(&found).await.unwrap(),
        "failed" => store.differed(&found, "a test").await.unwrap(),
        _ => {}
    }
}
