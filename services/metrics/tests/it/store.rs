//! Groups of batches, ledger, rollups: once, whole, and beside each other.

use futures::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tradepost_metrics::adapters::postgres::PgAnalytics;
use tradepost_metrics::ports::{EventStore, Outcome, UpkeepStore};
use tradepost_types::TenantId;

use crate::support::{DAY_MS, Desk, batch, now_ms, numbered, today_ms};

const STORED: Outcome = Outcome::Stored {
    overflowed: 0,
    quarantined: 0,
};

#[tokio::test]
async fn a_batch_is_stored_with_its_rollups_and_again_it_is_a_duplicate() {
    let desk = Desk::open().await;
    let at_ms = now_ms();
    let one = batch(
        desk.tenant,
        1,
        &[
            (at_ms, "page.viewed", "ada", 12.0),
            (at_ms - 60_000, "page.viewed", "bob", 3.0),
            (at_ms - 3 * DAY_MS, "order.placed", "", 4_200.0),
        ],
    );

    let first = desk.store.store(std::slice::from_ref(&one)).await.unwrap();
    let again = desk.store.store(&[one]).await.unwrap();

    assert_eq!((first, again), (vec![STORED], vec![Outcome::Duplicate]));
    desk.assert_sound(3).await;
}

#[tokio::test]
async fn of_two_copies_in_one_group_one_counts() {
    let desk = Desk::open().await;
    let one = batch(desk.tenant, 1, &[(now_ms(), "a", "", 1.0)]);
    let other = batch(desk.tenant, 2, &[(now_ms(), "a", "", 1.0)]);

    let outcomes = desk.store.store(&[one.clone(), other, one]).await.unwrap();

    assert_eq!(outcomes, [STORED, STORED, Outcome::Duplicate]);
    desk.assert_sound(2).await;
}

#[tokio::test]
async fn what_another_tenant_or_producer_calls_alike_is_another_batch() {
    let desk = Desk::open().await;
    let events = [(now_ms(), "a", "ada", 1.0)];
    let own = batch(desk.tenant, 1, &events);
    let mut produced = (*own).clone();
    produced.name = numbered("web-2", 1);

    let group = [own, produced.into(), batch(TenantId::new(), 1, &events)];
    let outcomes = desk.store.store(&group).await.unwrap();

    assert_eq!(outcomes, [STORED; 3]);
    desk.assert_sound(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_copies_that_race_one_counts_and_all_are_answered() {
    let desk = Desk::open().await;
    let at_ms = today_ms();
    let tenants = [desk.tenant, TenantId::new(), TenantId::new()];
    for round in 0..10 {
        // Each copy of the group has its batches, and each batch its events, in another order.
        let group: Vec<_> = tenants
            .iter()
            .map(|&tenant| {
                let events = [(at_ms + round, "a", "x", 1.0), (at_ms, "b", "y", 2.0)];
                batch(tenant, round + 1, &events)
            })
            .collect();
        let copies: Vec<Vec<_>> = (0..6)
            .map(|turn| {
                let mut copy = group.clone();
                copy.rotate_left(turn % 3);
                copy
            })
            .collect();

        let answers = join_all(copies.iter().map(|copy| desk.store.store(copy))).await;

        let outcomes: Vec<Outcome> = answers.into_iter().flat_map(Result::unwrap).collect();
        let stored = outcomes
            .iter()
            .filter(|&&outcome| outcome == STORED)
            .count();
        assert_eq!((outcomes.len(), stored), (18, 3));
    }
    desk.assert_sound(10 * 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_cross_the_same_rollups_in_any_order_all_finish() {
    let desk = Desk::open().await;
    let at_ms = today_ms();
    let tenants: Vec<TenantId> = (0..4).map(|_| TenantId::new()).collect();
    let groups: Vec<Vec<_>> = (0..24_i64)
        .map(|number| {
            let mut group: Vec<_> = tenants
                .iter()
                .map(|&tenant| {
                    let events = [
                        (at_ms + number % 3 * 60_000, "a", "ada", 1.0),
                        (at_ms + 3_600_000, "b", "bob", 2.0),
                        (at_ms - DAY_MS * (number % 2), "c", "", 3.0),
                    ];
                    batch(tenant, number + 1, &events)
                })
                .collect();
            if number % 2 == 0 {
                group.reverse();
            }
            group
        })
        .collect();

    let answers = join_all(groups.iter().map(|group| desk.store.store(group))).await;

    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    desk.assert_sound(24 * 4 * 3).await;
}

#[tokio::test]
async fn events_of_days_without_a_partition_wait_in_quarantine_and_count() {
    let desk = Desk::open().await;
    let old_ms = today_ms() - 400 * DAY_MS;
    let events = [(old_ms, "a", "ada", 1.0), (now_ms(), "a", "bob", 2.0)];

    let outcomes = desk
        .store
        .store(&[batch(desk.tenant, 1, &events)])
        .await
        .unwrap();

    let quarantined = Outcome::Stored {
        overflowed: 0,
        quarantined: 1,
    };
    assert_eq!(outcomes, [quarantined]);
    assert_eq!(desk.store.quarantined().await.unwrap(), 1);
    assert_eq!(desk.folded().await.days.len(), 2);
    let day = time::OffsetDateTime::from_unix_timestamp(old_ms / 1_000)
        .unwrap()
        .date();
    assert_eq!(
        desk.store.release(100).await.unwrap(),
        0,
        "its day has no partition yet"
    );
    assert_eq!(desk.store.prepare(day, day).await.unwrap(), 1);
    assert_eq!(
        desk.store.prepare(day, day).await.unwrap(),
        0,
        "it is made once"
    );
    assert_eq!(desk.store.release(100).await.unwrap(), 1);
    assert_eq!(desk.store.quarantined().await.unwrap(), 0);
    let mut admin = desk.test_database.admin().await;
    let moved: i64 = sqlx::query_scalar("select count(*) from events")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(moved, 2);
}

#[tokio::test]
async fn no_statement_grows_with_the_rollups_that_a_batch_touches() {
    let desk = Desk::open().await;
    let mut admin = desk.test_database.admin().await;
    sqlx::raw_sql(
        "create table statements (rows bigint not null);
         create function measure() returns trigger language plpgsql security definer as $$
         begin
             insert into public.statements select count(*) from touched;
             return null;
         end $$;
         create trigger inserted after insert on rollup_days referencing new table as touched
             for each statement execute function measure();
         create trigger updated after update on rollup_days referencing new table as touched
             for each statement execute function measure()",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    // Each event is of a day and type of its own.
    let types: Vec<String> = (0..900).map(|number| format!("type.{number}")).collect();
    let events: Vec<_> = (0..5)
        .flat_map(|day| {
            let at_ms = today_ms() - day * DAY_MS;
            types
                .iter()
                .map(move |name| (at_ms, name.as_str(), "ada", 1.0))
        })
        .collect();
    // Some of the rows of the second batch are there, and some are not.
    let half = batch(desk.tenant, 1, &events[..2_250]);
    let whole = batch(desk.tenant, 2, &events);

    for batch in [half, whole] {
        assert_eq!(desk.store.store(&[batch]).await.unwrap(), [STORED]);
    }

    desk.assert_sound(6_750).await;
    let (most, all): (i64, i64) =
        sqlx::query_as("select max(rows), sum(rows)::bigint from statements")
            .fetch_one(&mut admin)
            .await
            .unwrap();
    assert_eq!((most, all), (2_000, 6_750));
}

#[tokio::test]
async fn event_types_beyond_the_cap_count_as_the_overflow_type() {
    let config = tradepost_metrics::config::AnalyticsConfig {
        event_types_max: 2,
        ..Default::default()
    };
    let desk = Desk::with(config.clone()).await;
    let at_ms = now_ms();
    let events = [
        (at_ms, "a", "", 1.0),
        (at_ms, "b", "", 2.0),
        (at_ms, "c", "", 3.0),
        (at_ms, "d", "", 4.0),
    ];

    let first = desk
        .store
        .store(&[batch(desk.tenant, 1, &events)])
        .await
        .unwrap();
    let later = desk
        .store
        .store(&[batch(desk.tenant, 2, &events[1..3])])
        .await
        .unwrap();
    let other = desk
        .store
        .store(&[batch(TenantId::new(), 1, &events[2..])])
        .await
        .unwrap();

    let overflowed = |overflowed| {
        vec![Outcome::Stored {
            overflowed,
            quarantined: 0,
        }]
    };
    assert_eq!(
        (first, later, other),
        (overflowed(2), overflowed(1), overflowed(0))
    );
    // Another process has yet to learn that `b` has a number, and `e` will have none.
    let elsewhere = PgAnalytics::new(desk.database.clone(), config.store());
    let events = [(at_ms, "e", "", 1.0), (at_ms, "b", "", 2.0)];
    for (sequence, of) in [(3, &events[..1]), (4, &events[1..])] {
        let stored = elsewhere.store(&[batch(desk.tenant, sequence, of)]).await;
        let wanted = u32::from(sequence == 3);
        assert_eq!(stored.unwrap(), overflowed(wanted));
    }
    desk.assert_sound(10).await;
    let mut admin = desk.test_database.admin().await;
    let names: Vec<(i16, String)> =
        sqlx::query_as("select type_id, name from event_types where tenant_id = $1 order by 1")
            .bind(desk.tenant.as_uuid())
            .fetch_all(&mut admin)
            .await
            .unwrap();
    let named = |id, name: &str| (id, name.to_owned());
    assert_eq!(names, [named(0, "__other__"), named(1, "a"), named(2, "b")]);
}

#[tokio::test]
async fn minutes_and_hours_that_are_not_kept_any_more_are_not_written() {
    let desk = Desk::open().await;
    let events = [
        (today_ms() - 8 * DAY_MS, "a", "", 1.0),
        (today_ms() - 91 * DAY_MS, "a", "", 1.0),
        (today_ms(), "a", "", 1.0),
    ];

    desk.store
        .store(&[batch(desk.tenant, 1, &events)])
        .await
        .unwrap();

    let mut admin = desk.test_database.admin().await;
    let rows: (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from rollup_minutes), (select count(*) from rollup_hours),
                (select count(*) from rollup_days)",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    assert_eq!(rows, (1, 2, 3));
}

/// A batch in the making: its number, and its events by minute, type, user and value.
type Drawn = (i64, Vec<(i64, u8, u8, i16)>);

#[tokio::test(flavor = "multi_thread")]
async fn any_order_and_repetition_of_batches_gives_the_plain_fold() {
    let desk = Desk::open().await;
    let from_ms = today_ms();
    let drawn = prop::collection::vec(
        (
            1_i64..40,
            prop::collection::vec((0_i64..4_000, 0_u8..4, 0_u8..9, any::<i16>()), 1..30),
        ),
        1..30,
    );
    let mut runner = TestRunner::new(Config::with_cases(12));
    let handle = tokio::runtime::Handle::current();
    runner
        .run(&drawn, |drawn: Vec<Drawn>| {
            tokio::task::block_in_place(|| {
                handle.block_on(async {
                    let tenant = TenantId::new();
                    let mut contents = std::collections::HashMap::new();
                    let mut group = Vec::new();
                    let texts: Vec<String> = (0..9).map(|number| format!("u{number}")).collect();
                    for (sequence, events) in &drawn {
                        // A number keeps its content.
                        let events = contents.entry(*sequence).or_insert(events);
                        let events: Vec<_> = events
                            .iter()
                            .map(|&(second, kind, user, value)| {
                                let kind = ["a", "b", "c", "d"][usize::from(kind)];
                                let user = texts[usize::from(user)].as_str();
                                (from_ms + second * 1_000, kind, user, f64::from(value))
                            })
                            .collect();
                        group.push(batch(tenant, *sequence, &events));
                    }
                    let answers =
                        join_all(group.chunks(3).map(|part| desk.store.store(part))).await;
                    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
                    let wanted: usize = contents.values().map(|events| events.len()).sum();
                    let mut admin = desk.test_database.admin().await;
                    let (rows, counted): (i64, i64) = sqlx::query_as(
                        "select (select count(*) from events where tenant_id = $1),
                                (select sum(n)::bigint from rollup_days where tenant_id = $1)",
                    )
                    .bind(tenant.as_uuid())
                    .fetch_one(&mut admin)
                    .await
                    .unwrap();
                    let wanted = i64::try_from(wanted).unwrap();
                    assert_eq!((rows, counted), (wanted, wanted));
                });
            });
            Ok(())
        })
        .unwrap();
    let total = desk
        .folded()
        .await
        .days
        .iter()
        .map(|(_, rollup)| rollup.n)
        .sum();
    desk.assert_sound(total).await;
}
