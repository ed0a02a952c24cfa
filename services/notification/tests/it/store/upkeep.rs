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
