//! Each notification becomes one delivery for each endpoint that wants it.

use std::collections::HashSet;

use tradepost_notification::adapters::postgres::write::{ToGroup, tell_group, tell_users};
use tradepost_notification::ports::channels::{ChannelQueue, Followed};
use tradepost_notifications::content::Content;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::webhook_service_server::WebhookService;
use tradepost_testkit::eventually;
use tradepost_types::{NotificationId, TenantId};

use super::stage::{Stage, WAIT, messages};

const NOWHERE: &str = "http://127.0.0.1:1/";

#[tokio::test]
async fn an_endpoint_gets_the_types_it_wants_of_its_own_tenant() {
    let stage = Stage::open().await;
    let (all, _) = stage.endpoint(NOWHERE, &["*"]).await;
    let (family, _) = stage
        .endpoint(NOWHERE, &["order.*", "order.confirmed"])
        .await;
    let (one, _) = stage.endpoint(NOWHERE, &["stock.low"]).await;
    let other = TenantId::new();
    stage.endpoint_of(other, NOWHERE, &["*"]).await;

    let confirmed = stage.tell("order.confirmed").await.to_string();
    let stock = stage.tell("stock.low").await.to_string();
    stage.tell_users(other, "order.confirmed", 1).await;
    // The other tenant's is one more.
    stage.follow_until(5).await;

    let kinds = async |id: &str| -> Vec<String> {
        let deliveries = stage.deliveries(id).await;
        deliveries
            .into_iter()
            .map(|delivery| delivery.webhook_id)
            .collect()
    };
    assert_eq!(kinds(&all).await.len(), 2);
    assert_eq!(kinds(&family).await, [confirmed]);
    assert_eq!(kinds(&one).await, [stock]);
}

#[tokio::test]
async fn a_notification_to_many_is_one_delivery_and_to_a_group_too() {
    let stage = Stage::open().await;
    stage.endpoint(NOWHERE, &["*"]).await;
    let body = async |id: NotificationId| -> serde_json::Value {
        let text: String =
            sqlx::query_scalar("select body from webhook_messages where message_id = $1")
                .bind(id.as_uuid())
                .fetch_one(&mut stage.test_database.admin().await)
                .await
                .unwrap();
        serde_json::from_str(&text).unwrap()
    };

    let many = stage.tell_users(stage.tenant, "sale.begun", 1_000).await;
    let few = stage.tell_users(stage.tenant, "sale.begun", 2).await;
    let group = NotificationId::new();
    let mut tx = stage.database.system_tx().await.unwrap();
    let to = ToGroup {
        tenant: stage.tenant,
        group: "staff".parse().unwrap(),
        id: group,
        content: Content::new("sale.begun".into(), "T".into(), String::new(), "").unwrap(),
    };
    tell_group(tx.conn(), &[to]).await.unwrap();
    tx.commit().await.unwrap();
    stage.follow_until(3).await;

    let told = body(many).await;
    assert_eq!(told["data"]["users_count"], 1_000);
    assert_eq!(told["data"].get("user_ids"), None);
    let told = body(few).await;
    assert_eq!(
        told["data"]["user_ids"],
        serde_json::json!(["user-0000", "user-0001"])
    );
    let told = body(group).await;
    assert_eq!(told["data"]["group_id"], "staff");
    assert_eq!(told["data"]["users_count"], 0);
}

#[tokio::test]
async fn racing_senders_and_followers_make_each_delivery_once() {
    let stage = Stage::open().await;
    let (endpoint, _) = stage.endpoint(NOWHERE, &["*"]).await;
    let told = async {
        let senders = (0..4).map(async |_sender| {
            let mut told = Vec::new();
            for _ in 0..30 {
                told.push(stage.tell_users(stage.tenant, "a.b", 3).await.to_string());
            }
            told
        });
        futures::future::join_all(senders).await.concat()
    };
    let done = tokio_util::sync::CancellationToken::new();
    let followers = (0..2).map(async |_follower| {
        while !done.is_cancelled() {
            stage.hooks.follow(7).await.unwrap();
            tokio::task::yield_now().await;
        }
    });
    let all = async {
        let told = told.await;
        let made = eventually("all are made", WAIT, async || {
            let made = stage.deliveries(&endpoint).await;
            (made.len() >= told.len()).then_some(made)
        });
        let made = made.await;
        done.cancel();
        (told, made)
    };

    let ((told, made), _) = futures::join!(all, futures::future::join_all(followers));

    let told: HashSet<String> = told.into_iter().collect();
    let distinct: HashSet<String> = made.iter().map(|one| one.webhook_id.clone()).collect();
    assert_eq!(made.len(), 120);
    assert_eq!(distinct, told);
}

#[tokio::test]
async fn what_commits_late_is_not_skipped() {
    let stage = Stage::open().await;
    let (endpoint, _) = stage.endpoint(NOWHERE, &["*"]).await;
    let late = NotificationId::new();
    let mut tx = stage.database.system_tx().await.unwrap();
    tell_users(tx.conn(), &messages(TenantId::new(), late, "a.b", 1))
        .await
        .unwrap();
    // Another user, so that nobody waits for a lock.
    let mut of_tenant = messages(stage.tenant, late, "a.b", 2);
    tell_users(tx.conn(), &of_tenant.split_off(1))
        .await
        .unwrap();

    let early = stage.tell("a.b").await;
    let held_back = stage.follow().await;
    tx.commit().await.unwrap();
    stage.follow_until(2).await;

    assert_eq!(held_back, 0);
    let made = stage.deliveries(&endpoint).await;
    let made: HashSet<String> = made.into_iter().map(|one| one.webhook_id).collect();
    assert_eq!(made, HashSet::from([early.to_string(), late.to_string()]));
}

#[tokio::test]
async fn what_was_told_before_or_while_disabled_is_not_for_the_endpoint() {
    let stage = Stage::open().await;
    stage.tell("a.before").await;
    let (endpoint, _) = stage.endpoint(NOWHERE, &["*"]).await;
    let (beside, _) = stage.endpoint(NOWHERE, &["*"]).await;
    let wish = async |enabled| {
        let request = pb::UpdateEndpointRequest {
            endpoint_id: endpoint.clone(),
            enabled: Some(enabled),
            ..Default::default()
        };
        stage
            .api
            .update_endpoint(stage.call(request))
            .await
            .unwrap()
    };

    wish(false).await;
    stage.tell("a.meanwhile").await;
    wish(true).await;
    stage.tell("a.after").await;
    stage.follow_until(3).await;

    assert_eq!(stage.deliveries(&endpoint).await[0].r#type, "a.after");
    assert_eq!(stage.deliveries(&endpoint).await.len(), 1);
    assert_eq!(stage.deliveries(&beside).await.len(), 2);
}

#[tokio::test]
async fn pieces_are_whole_transactions_and_the_cursor_follows() {
    let stage = Stage::open().await;
    stage.endpoint(NOWHERE, &["*"]).await;
    for _ in 0..4 {
        stage.tell_users(stage.tenant, "a.b", 30).await;
    }

    let (mut made, mut pieces) = (0, 0);
    eventually("all was seen", WAIT, async || {
        pieces += 1;
        match stage.hooks.follow(10).await.unwrap() {
            Followed::More(some) | Followed::UpToDate(some) => made += some,
            Followed::Busy => panic!("nobody else follows"),
        }
        (made == 4).then_some(())
    })
    .await;

    assert!(pieces >= 4, "one transaction is a piece");
    assert_eq!(stage.follow().await, 0);
}

#[tokio::test]
async fn after_a_restore_into_another_cluster_it_goes_on_with_what_is_told_from_then_on() {
    let stage = Stage::open().await;
    let (endpoint, _) = stage.endpoint(NOWHERE, &["*"]).await;
    stage.tell("a.before").await;
    stage
        .sabotage("update webhook_cursor set tx = 9000000000000")
        .await;

    assert_eq!(stage.follow().await, 0);
    // Rows of the old cluster have numbers that are yet to come.
    let after = stage.tell("a.after").await;
    stage.follow_until(1).await;

    let made = stage.deliveries(&endpoint).await;
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].webhook_id, after.to_string());
}
