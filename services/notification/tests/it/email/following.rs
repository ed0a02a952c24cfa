//! Each notification becomes one e-mail for each user who wants it.

use std::collections::HashSet;

use tradepost_notification::adapters::postgres::{PgEmails, PgNotifications};
use tradepost_notification::ports::Groups;
use tradepost_notification::ports::channels::{ChannelQueue, Followed};
use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_testkit::eventually;
use tradepost_types::{NotificationId, TenantId};

use super::stage::{ALL, Stage, WAIT, content};

async fn told(stage: &Stage, user: &str) -> HashSet<String> {
    let emails = stage.emails(user).await;
    let distinct: HashSet<String> = emails
        .iter()
        .map(|email| email.notification_id.clone())
        .collect();
    assert_eq!(distinct.len(), emails.len(), "each once");
    distinct
}

#[tokio::test]
async fn who_wants_it_and_has_an_address_is_mailed_and_nobody_else() {
    let stage = Stage::open().await;
    let (tenant, other) = (stage.tenant, TenantId::new());
    let orders = r#"[{"types": "order.*", "channels": ["email"]}]"#;
    stage.reader("all").await;
    stage.reader("orders").await;
    stage.prefer(tenant, "orders", orders, "").await;
    stage.reader("muted").await;
    stage
        .prefer(tenant, "muted", ALL, "muted_types = '{order.*}'")
        .await;
    stage.reader("refused").await;
    stage
        .sabotage("update email_addresses set refused_at = now() where user_id = 'refused'")
        .await;
    stage.prefer(tenant, "homeless", ALL, "").await;
    stage
        .put(tenant, "indifferent", "indifferent@home.example")
        .await;
    // Whoever has an address in another tenant has none in this one.
    stage.prefer(tenant, "elsewhere", ALL, "").await;
    stage
        .put(other, "elsewhere", "elsewhere@home.example")
        .await;
    let users = [
        "all",
        "orders",
        "muted",
        "refused",
        "homeless",
        "indifferent",
        "elsewhere",
    ];

    let order = NotificationId::new();
    let confirmed = content("order.confirmed", "Title", "Text");
    stage.tell_of(tenant, order, &users, &confirmed).await;
    let stock = NotificationId::new();
    let low = content("stock.low", "Title", "Text");
    stage.tell_of(tenant, stock, &users, &low).await;
    let made = stage.follow_all().await;

    let (order, stock) = (order.to_string(), stock.to_string());
    let both = HashSet::from([order.clone(), stock.clone()]);
    assert_eq!(told(&stage, "all").await, both);
    assert_eq!(told(&stage, "orders").await, HashSet::from([order]));
    assert_eq!(told(&stage, "muted").await, HashSet::from([stock]));
    for nobody in ["refused", "homeless", "indifferent", "elsewhere"] {
        assert!(told(&stage, nobody).await.is_empty(), "{nobody}");
    }
    assert_eq!(made, 4);
}

#[tokio::test]
async fn what_a_group_is_told_is_mailed_to_who_was_a_member_at_the_sequence() {
    let stage = Stage::open().await;
    let store = PgNotifications::new(stage.database.clone());
    let group: GroupName = "staff".parse().unwrap();
    for user in ["before", "after", "left", "twice"] {
        stage.reader(user).await;
    }
    let users = |names: &[&str]| -> Vec<UserName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    };
    store.put(stage.tenant, &group, "Staff").await.unwrap();
    let join = async |names: &[&str]| {
        store
            .join(stage.tenant, &group, &users(names))
            .await
            .unwrap();
    };
    let leave = async |names: &[&str]| {
        store
            .leave(stage.tenant, &group, &users(names))
            .await
            .unwrap();
    };

    join(&["before", "left", "twice"]).await;
    let first = stage.tell_group("staff").await.to_string();
    leave(&["left", "twice"]).await;
    let second = stage.tell_group("staff").await.to_string();
    join(&["after", "twice"]).await;
    let third = stage.tell_group("staff").await.to_string();
    stage.follow_until(7).await;

    let set = |ids: &[&String]| -> HashSet<String> { ids.iter().copied().cloned().collect() };
    assert_eq!(
        told(&stage, "before").await,
        set(&[&first, &second, &third])
    );
    assert_eq!(told(&stage, "left").await, set(&[&first]));
    assert_eq!(told(&stage, "twice").await, set(&[&first, &third]));
    assert_eq!(told(&stage, "after").await, set(&[&third]));
}

#[tokio::test]
async fn racing_senders_and_followers_make_each_email_once() {
    let stage = Stage::open().await;
    for user in ["ann", "bob", "cid"] {
        stage.reader(user).await;
    }
    let telling = async {
        let senders = (0..4).map(async |_sender| {
            let mut told = Vec::new();
            for _ in 0..30 {
                told.push(stage.tell(&["ann", "bob", "cid"]).await.to_string());
            }
            told
        });
        futures::future::join_all(senders).await.concat()
    };
    let done = tokio_util::sync::CancellationToken::new();
    let followers = (0..2).map(async |_follower| {
        while !done.is_cancelled() {
            stage.emails.follow(7).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let all = async {
        let sent: HashSet<String> = telling.await.into_iter().collect();
        eventually("all are made", WAIT, async || {
            let count: i64 = sqlx::query_scalar("select count(*) from emails")
                .fetch_one(&mut stage.test_database.admin().await)
                .await
                .unwrap();
            (count >= 360).then_some(())
        })
        .await;
        done.cancel();
        sent
    };

    let (sent, _) = futures::join!(all, futures::future::join_all(followers));

    assert_eq!(sent.len(), 120);
    for user in ["ann", "bob", "cid"] {
        assert_eq!(told(&stage, user).await, sent);
    }
}

#[tokio::test]
async fn what_a_follower_had_made_when_it_died_is_made_again_and_once() {
    let stage = Stage::open().await;
    stage.reader("ann").await;
    let first = stage.tell(&["ann"]).await.to_string();
    // It holds the cursor and is gone before its commit.
    let mut dying = stage.database.system_tx().await.unwrap();
    sqlx::query("select only_row from email_cursor for update")
        .execute(dying.conn())
        .await
        .unwrap();

    let meanwhile = stage.emails.follow(50).await.unwrap();
    dying.rollback().await;
    stage.follow_until(1).await;
    // The cursor went back, as if its move had not been committed.
    stage.sabotage("update email_cursor set tx = 1").await;
    let again = stage.follow_all().await;

    assert_eq!(meanwhile, Followed::Busy);
    assert_eq!(again, 0);
    assert_eq!(told(&stage, "ann").await, HashSet::from([first]));
}

#[tokio::test]
async fn what_was_told_too_long_ago_is_mailed_to_nobody() {
    let stage = Stage::open().await;
    stage.reader("ann").await;
    stage.tell(&["ann"]).await;
    let strict = PgEmails::new(stage.database.clone(), 0);

    let xmin_passed = eventually("it is seen", WAIT, async || {
        let told: bool = sqlx::query_scalar(
            "select pg_snapshot_xmin(pg_current_snapshot())::text::bigint > max(tx)
             from notifications",
        )
        .fetch_one(&mut stage.test_database.admin().await)
        .await
        .unwrap();
        told.then_some(true)
    })
    .await;
    let late = strict.follow(50).await.unwrap();
    // The cursor may have moved on without news.
    stage.sabotage("update email_cursor set tx = 1").await;
    let in_time = stage.follow().await;

    assert!(xmin_passed);
    assert_eq!(late, Followed::UpToDate(0));
    assert_eq!(in_time, 1);
}
