//! What operators do at the command line.

use std::process::ExitStatus;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::Executor;
use time::Date;
use tradepost_metrics::adapters::postgres::PgAnalytics;
use tradepost_metrics::application::audit;
use tradepost_metrics::ports::{
    ArchiveStore, BookStore, Books, EventStore, Outcome, Rebuilt, StoreError, TenantDay,
    UpkeepStore,
};
use tradepost_testkit::{TestDatabase, eventually};
use tradepost_types::TenantId;

use crate::support::{DAY_MS, Desk, SOON, Written, batch, command, today_ms};

async fn run(database: &TestDatabase, arguments: &[&str]) -> (ExitStatus, String) {
    let mut process = command(database, arguments).spawn();
    let status = process.wait(SOON).await;
    (status, process.log())
}

/// Two tenants with two days.
async fn stocked() -> (Desk, TenantId, String) {
    let desk = Desk::open().await;
    let other = TenantId::new();
    let today = today_ms();
    let events: Vec<Written<'_>> = (0..60)
        .map(|number| {
            (
                today - DAY_MS * (number % 2) + number * 1_000,
                "a",
                "ada",
                0.1,
            )
        })
        .collect();
    let group = [batch(desk.tenant, 1, &events), batch(other, 1, &events)];
    desk.store.store(&group).await.unwrap();
    let day = time::OffsetDateTime::from_unix_timestamp(today / 1_000)
        .unwrap()
        .date();
    (desk, other, day.to_string())
}

#[tokio::test]
async fn the_audit_passes_over_books_that_agree() {
    let (desk, other, day) = stocked().await;
    let database = &desk.test_database;

    let (all, said) = run(database, &["audit", "--sample", "1000"]).await;
    let (some, of_one) = run(
        database,
        &["audit", "--tenant", &other.to_string(), "--day", &day],
    )
    .await;

    assert!(all.success(), "{said}");
    assert!(said.contains("with 120 events agree"), "{said}");
    assert!(some.success(), "{of_one}");
    assert!(
        of_one.contains("1 days of tenants with 30 events"),
        "{of_one}"
    );
}

#[tokio::test]
async fn the_audit_names_a_planted_fault_and_a_rebuild_mends_it() {
    let (desk, other, day) = stocked().await;
    let database = &desk.test_database;
    let mut admin = database.admin().await;
    let of_other = format!(
        "tenant_id = '{}' and start_time >= '{day} 00:00Z'",
        other.as_uuid()
    );

    for fault in [
        format!("update rollup_days set n = n + 1 where {of_other}"),
        format!("update rollup_hours set sum = sum + 1e-6 where {of_other}"),
        format!("update rollup_minutes set max = 7 where {of_other}"),
        format!("update rollup_days set users = '\\x01' where {of_other}"),
        format!("delete from rollup_days where {of_other}"),
        format!(
            "delete from events where tenant_id = '{}' and event_time >= '{day} 00:00:10Z'",
            other.as_uuid()
        ),
    ] {
        admin
            .execute(sqlx::AssertSqlSafe(fault.clone()))
            .await
            .unwrap();
        let (found, said) = run(database, &["audit", "--sample", "1000"]).await;
        assert_eq!(found.code(), Some(1), "{fault}: {said}");
        assert!(said.contains(&other.to_string()), "{fault}: {said}");

        let (rebuilt, said) = run(
            database,
            &["rebuild-day", &day, "--tenant", &other.to_string()],
        )
        .await;
        assert!(rebuilt.success(), "{said}");
        let (mended, said) = run(database, &["audit", "--sample", "1000"]).await;
        assert!(mended.success(), "{fault}: {said}");
    }
}

#[tokio::test]
async fn a_rebuild_is_idempotent_and_takes_what_comes_later() {
    let (desk, other, day) = stocked().await;
    let database = &desk.test_database;
    let mut admin = database.admin().await;
    admin
        .execute("delete from rollup_hours; update rollup_days set n = 1")
        .await
        .unwrap();
    let yesterday = time::OffsetDateTime::from_unix_timestamp((today_ms() - DAY_MS) / 1_000)
        .unwrap()
        .date()
        .to_string();

    for _ in 0..2 {
        for day in [&day, &yesterday] {
            let (rebuilt, said) = run(database, &["rebuild-day", day]).await;
            assert!(rebuilt.success(), "{said}");
            assert!(said.contains("2 tenants, from 60 events"), "{said}");
        }
    }
    let late = batch(other, 2, &[(today_ms(), "b", "", 1.0)]);
    desk.store.store(&[late]).await.unwrap();

    let (agree, said) = run(database, &["audit", "--sample", "1000"]).await;
    assert!(agree.success(), "{said}");
    assert!(said.contains("with 121 events"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_beside_a_rebuild_is_neither_lost_nor_doubled() {
    let desk = Desk::open().await;
    let today = today_ms();
    let day = time::OffsetDateTime::from_unix_timestamp(today / 1_000)
        .unwrap()
        .date();

    let storing = async {
        for sequence in 1..=60 {
            let events = [
                (today + sequence, "a", "ada", 1.0),
                (today, "b", "bob", 2.0),
            ];
            desk.store
                .store(&[batch(desk.tenant, sequence, &events)])
                .await
                .unwrap();
        }
    };
    let rebuilding = async {
        for _ in 0..12 {
            desk.store.rebuild(day, None).await.unwrap();
        }
    };
    tokio::join!(storing, rebuilding);

    desk.assert_sound(120).await;
}

/// Books of which a day leaves for the archive once a sample of them was taken.
struct Leaving {
    store: Arc<PgAnalytics>,
    day: Date,
}

#[async_trait]
impl BookStore for Leaving {
    async fn sample(
        &self,
        limit: i64,
        tenant: Option<TenantId>,
        day: Option<Date>,
    ) -> Result<Vec<(TenantId, Date)>, StoreError> {
        let sample = self.store.sample(limit, tenant, day).await;
        self.store.plan(self.day).await.unwrap();
        self.store.detach(self.day).await.unwrap();
        sample
    }

    async fn tenant_day(
        &self,
        tenant: TenantId,
        day: Date,
    ) -> Result<Option<TenantDay>, StoreError> {
        self.store.tenant_day(tenant, day).await
    }

    async fn rebuild(&self, day: Date, tenant: Option<TenantId>) -> Result<Rebuilt, StoreError> {
        self.store.rebuild(day, tenant).await
    }
}

#[tokio::test]
async fn a_day_that_leaves_beside_an_audit_is_no_disagreement() {
    let (desk, ..) = stocked().await;
    let yesterday = time::OffsetDateTime::from_unix_timestamp((today_ms() - DAY_MS) / 1_000)
        .unwrap()
        .date();
    let books: Books = Arc::new(Leaving {
        store: desk.store.clone(),
        day: yesterday,
    });

    let audited = audit(&books, 1_000, None, None).await.unwrap();

    assert_eq!(audited.disagreement, None);
    // Of two tenants the events of yesterday are gone, and those of today are here.
    assert_eq!((audited.gone, audited.events), (2, 60));
}

#[tokio::test]
async fn what_leaves_quarantine_and_a_rebuild_do_not_wait_for_each_other_in_a_circle() {
    let desk = Desk::open().await;
    let old_ms = today_ms() - 400 * DAY_MS;
    let events = [(old_ms, "a", "ada", 1.0)];
    let waits = batch(desk.tenant, 1, &events);
    desk.store.store(&[waits]).await.unwrap();
    let day = time::OffsetDateTime::from_unix_timestamp(old_ms / 1_000)
        .unwrap()
        .date();
    desk.store.prepare(day, day).await.unwrap();
    // The locks of a rebuild, with time between them.
    let mut rebuild = desk.test_database.admin().await;
    let mut watch = desk.test_database.admin().await;
    let first = format!(
        "begin; set local lock_timeout = '20s';
         select from event_days where day = '{day}' for update"
    );
    rebuild.execute(sqlx::AssertSqlSafe(first)).await.unwrap();
    let store = desk.store.clone();
    let releasing = tokio::spawn(async move { store.release(100).await });
    eventually("it waits for the day", SOON, async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut watch)
        .await
        .unwrap();
        (waiting > 0).then_some(())
    })
    .await;

    let second = "lock table quarantined_events in share mode; commit";
    rebuild.execute(second).await.unwrap();

    assert_eq!(releasing.await.unwrap().unwrap(), 1);
    assert_eq!(desk.store.quarantined().await.unwrap(), 0);
}

#[tokio::test]
async fn a_day_whose_raw_events_are_not_here_is_left_alone() {
    let (desk, ..) = stocked().await;

    let (refused, said) = run(&desk.test_database, &["rebuild-day", "2001-02-03"]).await;
    let (unreadable, _) = run(&desk.test_database, &["rebuild-day", "yesterday"]).await;

    assert_eq!(refused.code(), Some(1));
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(unreadable.code(), Some(2));
}

#[tokio::test]
async fn what_is_past_its_age_is_forgotten_and_its_batches_stay_duplicates() {
    let (desk, ..) = stocked().await;
    let mut admin = desk.test_database.admin().await;
    admin
        .execute(
            "update batch_ledger set stored_at = now() - interval '31 days';
             update rollup_minutes set start_time = start_time - interval '8 days';
             update rollup_hours set start_time = start_time - interval '91 days'",
        )
        .await
        .unwrap();
    let known = batch(desk.tenant, 2, &[(today_ms(), "a", "", 1.0)]);
    desk.store
        .store(std::slice::from_ref(&known))
        .await
        .unwrap();

    let forgotten = desk.store.forget(1_000).await.unwrap();
    let nothing = desk.store.forget(1_000).await.unwrap();
    let again: Vec<Outcome> = desk
        .store
        .store(&[batch(desk.tenant, 1, &[(today_ms(), "a", "", 1.0)]), known])
        .await
        .unwrap();

    assert!(forgotten >= 2 + 2, "{forgotten}");
    assert_eq!(nothing, 0);
    assert_eq!(again, [Outcome::Duplicate; 2]);
    let left: (i64, i64) = sqlx::query_as(
        "select (select count(*) from batch_ledger), (select count(*) from rollup_days)",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    assert_eq!(left, (1, 4));
}
