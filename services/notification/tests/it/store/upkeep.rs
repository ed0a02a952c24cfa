//! Months come and go.

use std::sync::Arc;
use std::time::Duration;

use time::macros::datetime;
use tradepost_notification::application::{Upkeep, UpkeepLimits};
use tradepost_notification::ports::UpkeepStore;
use tradepost_service::Clock;

use super::support::Desk;

async fn months(desk: &Desk) -> Vec<String> {
    sqlx::query_scalar("select month::text from notification_months order by month")
        .fetch_all(&mut desk.test_database.admin().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn months_are_made_ahead_and_dropped_past_their_age() {
    let desk = Desk::open().await;
    let store: Arc<dyn UpkeepStore> = Arc::clone(&desk.store) as _;
    let old = datetime!(2024-03-15 00:00 UTC);
    let limits = UpkeepLimits {
        keep_months: 2,
        poll: Duration::from_secs(3_600),
    };
    store
        .prepare(datetime!(2024-01-01 00:00 UTC).date(), old.date())
        .await
        .unwrap();
    sqlx::query(
        "insert into notifications (tenant_id, stream, created_at, seq, id, content)
         select $1, 'user:ann', at, 1, gen_random_uuid(), '{}'
         from unnest(array['2024-01-31 23:59Z', '2024-02-01 00:00Z']::timestamptz[]) as t (at)",
    )
    .bind(desk.tenant.as_uuid())
    .execute(&mut desk.test_database.admin().await)
    .await
    .unwrap();

    let upkeep = Upkeep::new(store, limits, Clock::fixed(datetime!(2024-04-10 12:00 UTC)));
    upkeep.once().await.unwrap();
    upkeep.once().await.unwrap();

    let months = months(&desk).await;
    assert_eq!(
        months[..6],
        [
            "2024-02-01",
            "2024-03-01",
            "2024-04-01",
            "2024-05-01",
            "2024-06-01",
            "2024-07-01"
        ]
    );
    let kept: i64 = sqlx::query_scalar("select count(*) from notifications")
        .fetch_one(&mut desk.test_database.admin().await)
        .await
        .unwrap();
    assert_eq!(kept, 1);
}

/// Nobody could ever read it, and so it would be unread for good.
#[tokio::test]
async fn what_is_dropped_is_unread_no_more() {
    let desk = Desk::open().await;
    let store: Arc<dyn UpkeepStore> = Arc::clone(&desk.store) as _;
    let (first, last) = (
        datetime!(2024-01-01 00:00 UTC),
        datetime!(2024-04-10 00:00 UTC),
    );
    store.prepare(first.date(), last.date()).await.unwrap();
    let mut admin = desk.test_database.admin().await;
    // Five each: two in a month that is dropped. How far they have read.
    for statement in [
        "insert into notifications (tenant_id, stream, created_at, seq, id, content)
         select $1, stream, at, seq, gen_random_uuid(), '{}'
         from unnest(array['user:ann', 'user:bob', 'user:cid', 'group:staff']) as s (stream),
             unnest(array['2024-01-10 00:00Z', '2024-01-31 23:59Z', '2024-02-01 00:00Z',
                 '2024-03-01 00:00Z', '2024-04-01 00:00Z']::timestamptz[]) with ordinality as t (at, seq)",
        "insert into user_streams (tenant_id, user_id, last_seq, read_seq)
         values ($1, 'ann', 5, 0), ($1, 'bob', 5, 4), ($1, 'cid', 5, 1)",
        "insert into groups (tenant_id, group_id, display_name, last_seq)
         values ($1, 'staff', 'staff', 5)",
        "insert into members (tenant_id, user_id, group_id, joined_after, joined_at, read_seq, stood)
         values ($1, 'ann', 'staff', 0, now(), 0, 0), ($1, 'bob', 'staff', 0, now(), 3, 0)",
    ] {
        let insert = sqlx::query(statement).bind(desk.tenant.as_uuid());
        insert.execute(&mut admin).await.unwrap();
    }

    let limits = UpkeepLimits {
        keep_months: 2,
        poll: Duration::from_secs(3_600),
    };
    // By pages of one as well: nothing is left out between them.
    let kept_from = datetime!(2024-02-01 00:00 UTC).date();
    let page = store.pass_over(kept_from, None, 1).await.unwrap();
    assert_eq!(page, Some(desk.of_group("staff")));
    let page = store.pass_over(kept_from, page.as_ref(), 1).await.unwrap();
    assert_eq!(page, Some(desk.of_user("ann")));
    let upkeep = Upkeep::new(store, limits, Clock::fixed(datetime!(2024-04-10 12:00 UTC)));
    upkeep.once().await.unwrap();

    let cursors: Vec<(String, i64)> = sqlx::query_as(
        "select user_id || '/user', read_seq from user_streams
         union all select user_id || '/' || group_id, read_seq from members order by 1",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let wanted = [
        ("ann/staff", 2),
        ("ann/user", 2),
        ("bob/staff", 3),
        ("bob/user", 4),
        ("cid/user", 2),
    ];
    assert_eq!(
        cursors,
        wanted.map(|(whose, read)| (whose.to_owned(), read))
    );
}

#[tokio::test]
async fn memberships_of_which_nothing_is_kept_are_forgotten() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    desk.join("staff", &["ann", "bob"]).await;
    desk.tell(desk.to_group("staff", "one")).await;
    desk.leave("staff", &["ann"]).await;
    let month = |clock: Clock| (clock.now() + time::Duration::days(32)).date();
    let kept_from = month(Clock::system());

    let forgotten = desk.store.forget_members(kept_from, 10).await.unwrap();

    assert_eq!(forgotten, 1);
    let left: Vec<String> = sqlx::query_scalar("select user_id from members")
        .fetch_all(&mut desk.test_database.admin().await)
        .await
        .unwrap();
    assert_eq!(left, ["bob"]);
}
