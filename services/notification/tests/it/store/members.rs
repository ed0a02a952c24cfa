//! Groups and who is in them.

use tradepost_notification::ports::{Announcement, Groups, Joined, MemberChange};

use super::support::{Desk, group, user};

async fn join(desk: &Desk, name: &str, who: &str) -> Vec<MemberChange> {
    let joined = desk
        .store
        .join(desk.tenant, &group(name), &[user(who)])
        .await;
    match joined.unwrap() {
        Joined::Done(changes) => changes,
        refused @ (Joined::NoGroup | Joined::TooMany(_)) => panic!("{refused:?}"),
    }
}

#[tokio::test]
async fn joining_twice_and_leaving_twice_change_nothing() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    let leave = || async {
        let left = desk
            .store
            .leave(desk.tenant, &group("staff"), &[user("ann")])
            .await;
        left.unwrap().unwrap().len()
    };

    assert_eq!(leave().await, 0);
    assert_eq!(join(&desk, "staff", "ann").await.len(), 1);
    assert_eq!(join(&desk, "staff", "ann").await.len(), 0);
    assert_eq!(leave().await, 1);
    assert_eq!(leave().await, 0);
}

#[tokio::test]
async fn who_comes_back_before_anything_was_told_goes_on_in_the_same_membership() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    desk.join("staff", &["ann"]).await;
    desk.leave("staff", &["ann"]).await;
    desk.join("staff", &["ann"]).await;
    desk.tell(desk.to_group("staff", "one")).await;
    desk.leave("staff", &["ann"]).await;
    desk.tell(desk.to_group("staff", "missed")).await;
    desk.join("staff", &["ann"]).await;

    let pieces: Vec<(i64, Option<i64>)> =
        sqlx::query_as("select joined_after, left_at_seq from members order by 1")
            .fetch_all(&mut desk.test_database.admin().await)
            .await
            .unwrap();

    assert_eq!(pieces, [(0, Some(1)), (2, None)]);
}

#[tokio::test]
async fn nobody_is_in_more_than_a_hundred_groups() {
    let desk = Desk::open().await;
    for number in 0..=100 {
        desk.make_group(&format!("g{number}")).await;
    }
    for number in 0..100 {
        join(&desk, &format!("g{number}"), "ann").await;
    }

    let users = [user("bob"), user("ann")];
    let refused = desk.store.join(desk.tenant, &group("g100"), &users).await;

    assert_eq!(refused.unwrap(), Joined::TooMany(user("ann")));
    let members = desk
        .store
        .members(desk.tenant, &group("g100"), None, 10)
        .await;
    assert_eq!(members.unwrap(), Some(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_joins_and_leaves_the_newest_version_is_the_truth() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    let (staff, ann) = (group("staff"), [user("ann")]);

    let races = (0..24_u32).map(|turn| {
        let (desk, staff, ann) = (&desk, &staff, &ann);
        async move {
            if turn % 2 == 0 {
                desk.store.join(desk.tenant, staff, ann).await.unwrap();
            } else {
                desk.store.leave(desk.tenant, staff, ann).await.unwrap();
            }
            if turn % 3 == 0 {
                desk.tell(desk.to_group("staff", "meanwhile")).await;
            }
        }
    });
    futures::future::join_all(races).await;

    let rows: Vec<(i64, Option<i64>, i64)> =
        sqlx::query_as("select joined_after, left_at_seq, version from members order by version")
            .fetch_all(&mut desk.test_database.admin().await)
            .await
            .unwrap();
    // Pieces in order that do not overlap; only the last may still run.
    for pair in rows.windows(2) {
        assert!(pair[0].1.is_some_and(|left| left < pair[1].0), "{rows:?}");
    }
}

#[tokio::test]
async fn changes_are_announced_once_they_are_committed() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    let users = [user("ann"), user("bob")];

    let joined = desk
        .api
        .groups
        .join(desk.tenant, &group("staff"), &users)
        .await;

    assert_eq!(joined.unwrap(), 2);
    let heard = desk.heard.take();
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|told| matches!(
        told,
        Announcement::Member(change) if change.is_member && change.seq == 0
    )));
}
