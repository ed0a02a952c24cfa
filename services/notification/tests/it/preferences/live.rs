//! What connections hear by them.

use std::time::Duration;

use tradepost_notifications::client::Client;
use tradepost_notifications::wire::Notification;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_server::NotificationService;
use tradepost_proto::notification::v1::preference_service_server::PreferenceService;
use tradepost_testkit::{eventually, private_redis};

use crate::stage::{Node, Pace, Stage, notification, opened};
use crate::store::support::SOON;

const ALL: &[&str] = &[
    "notifications:read",
    "notifications:send",
    "notifications:manage",
];

async fn mute(stage: &Stage, node: &Node, types: &[&str]) {
    let preferences = pb::Preferences {
        muted_types: types.iter().map(|&types| types.to_owned()).collect(),
        ..pb::Preferences::default()
    };
    let request = pb::UpdatePreferencesRequest {
        user_id: String::new(),
        preferences: Some(preferences),
    };
    let request = stage.by(("ada", ALL), request);
    node.preferences.update_preferences(request).await.unwrap();
}

fn content() -> Option<pb::Content> {
    Some(pb::Content {
        r#type: "order.confirmed".to_owned(),
        title: "Confirmed".to_owned(),
        ..pb::Content::default()
    })
}

async fn tell(stage: &Stage, node: &Node, request_id: &str) {
    let request = pb::SendToUsersRequest {
        request_id: request_id.to_owned(),
        user_ids: vec!["ada".to_owned()],
        content: content(),
        ..pb::SendToUsersRequest::default()
    };
    let request = stage.by(("shop", ALL), request);
    node.told.send_to_users(request).await.unwrap();
}

/// Tells until it comes as wanted; what came then.
async fn until(stage: &Stage, node: &Node, client: &mut Client, silent: bool) -> Notification {
    for turn in 0_u32.. {
        let id = format!("{silent}-{turn}-{}", client.positions().len());
        tell(stage, node, &format!("{id}-{}", uuid::Uuid::now_v7())).await;
        let told = notification(client).await;
        if told.silent == silent {
            return told;
        }
        tokio::task::yield_now().await;
    }
    unreachable!("it ends when it came")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_holds_at_once_here_and_soon_on_every_node_whatever_becomes_of_redis() {
    let (stage, redis) = (Stage::new().await, private_redis().await);
    let one = stage.node(Some(&redis), Pace::OFTEN).await;
    let two = stage.node(Some(&redis), Pace::OFTEN).await;
    let (mut here, mut there) = (stage.client(&one, "ada"), stage.client(&two, "ada"));
    opened(&mut here).await;
    opened(&mut there).await;

    mute(&stage, &one, &["order.*"]).await;
    tell(&stage, &one, "first").await;
    assert!(notification(&mut here).await.silent);
    let _first = notification(&mut there).await;
    until(&stage, &one, &mut there, true).await;

    redis.stop().await;
    mute(&stage, &one, &["chat.*"]).await;
    until(&stage, &one, &mut there, false).await;
    mute(&stage, &two, &["order.confirmed"]).await;
    until(&stage, &two, &mut there, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_alone_brings_a_change_to_other_nodes() {
    let (stage, redis) = (Stage::new().await, private_redis().await);
    let seldom = Pace {
        look: Duration::from_secs(3_600),
        ..Pace::OFTEN
    };
    let one = stage.node(Some(&redis), seldom).await;
    let two = stage.node(Some(&redis), seldom).await;
    let mut there = stage.client(&two, "ada");
    opened(&mut there).await;

    // The way may not be open yet.
    eventually("it is heard", SOON, async || {
        mute(&stage, &one, &["order.*"]).await;
        tell(&stage, &two, &uuid::Uuid::now_v7().to_string()).await;
        notification(&mut there).await.silent.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_muted_is_resumed_silently_stored_and_unread() {
    let stage = Stage::new().await;
    let node = stage.node(None, Pace::OFTEN).await;
    let mut client = stage.client(&node, "ada");
    opened(&mut client).await;
    tell(&stage, &node, "before").await;
    assert!(!notification(&mut client).await.silent);
    let positions = client.positions().clone();
    client.cut();

    mute(&stage, &node, &["*"]).await;
    tell(&stage, &node, "while away").await;
    let mut client = stage.client(&node, "ada").standing_at(positions);

    let told = notification(&mut client).await;
    assert_eq!((told.seq, told.silent), (2, true));
    let unread = stage.by(("ada", ALL), pb::GetUnreadRequest::default());
    let unread = node.told.get_unread(unread).await.unwrap().into_inner();
    assert_eq!(unread.unread, 2);
    let page = stage.by(("ada", ALL), pb::GetHistoryRequest::default());
    let page = node.told.get_history(page).await.unwrap().into_inner();
    assert_eq!(page.notifications.len(), 2);
}
