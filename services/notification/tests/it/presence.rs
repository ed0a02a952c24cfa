//! Who is connected, over real nodes and Redis.

use std::time::Duration;

use tonic::Code;
use tradepost_notifications::client::Client;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_server::NotificationService;
use tradepost_proto::notification::v1::presence_service_server::PresenceService;
use tradepost_service::error::ErrorDetails;
use tradepost_testkit::{PrivateRedis, eventually, private_redis};
use tradepost_types::TenantId;

use crate::nodes;
use crate::stage::{Node, Pace, Stage, by, opened};
use crate::store::support::SOON;

const ANY: &[&str] = &[
    "notifications:read",
    "notifications:read_any",
    "notifications:manage",
];

/// Writes and refreshes so seldom that only what is lost leads to what is seen.
const SELDOM: Pace = Pace {
    look: Duration::from_millis(100),
    presence: Duration::from_secs(60),
};

/// Of each user how many connections they have, if all nodes are known.
async fn connections(stage: &Stage, node: &Node, users: &[&str]) -> Option<Vec<u32>> {
    let (presences, complete) = presence(stage, node, users).await;
    let counts = presences.iter().map(|presence| presence.connections);
    complete.then(|| counts.collect())
}

async fn presence(stage: &Stage, node: &Node, users: &[&str]) -> (Vec<pb::Presence>, bool) {
    let request = pb::GetPresenceRequest {
        user_ids: users.iter().map(|&user| user.to_owned()).collect(),
    };
    let request = stage.by(("boss", ANY), request);
    let answer = node.presence.get_presence(request).await.unwrap();
    let answer = answer.into_inner();
    (answer.presences, answer.complete)
}

async fn until(stage: &Stage, node: &Node, users: &[&str], wanted: &[u32]) {
    eventually(&format!("{wanted:?} connections"), SOON, async || {
        let seen = connections(stage, node, users).await?;
        (seen == wanted).then_some(())
    })
    .await;
}

async fn connect(stage: &Stage, node: &Node, user: &str) -> Client {
    let mut client = stage.client(node, user);
    opened(&mut client).await;
    client
}

async fn command(redis: &PrivateRedis, parts: &[&str]) {
    let _answer: redis::Value = nodes::command(redis, parts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_to_any_node_is_known_on_all_and_goes_with_a_node_that_dies() {
    let (stage, redis) = (Stage::new().await, private_redis().await);
    let one = stage.node(Some(&redis), Pace::OFTEN).await;
    let two = stage.node(Some(&redis), Pace::OFTEN).await;
    let users = ["ada", "bob", "eve"];

    let _ada_here = connect(&stage, &one, "ada").await;
    let ada_there = connect(&stage, &two, "ada").await;
    let _also_there = connect(&stage, &two, "ada").await;
    let _bob_there = connect(&stage, &two, "bob").await;

    for node in [&one, &two] {
        until(&stage, node, &users, &[3, 1, 0]).await;
    }
    let (presences, _) = presence(&stage, &one, &["ada", "eve", "ada"]).await;
    let shown: Vec<_> = presences
        .iter()
        .map(|one| (one.user_id.as_str(), one.since_time.is_some()))
        .collect();
    assert_eq!(shown, [("ada", true), ("eve", false)]);

    drop(ada_there);
    until(&stage, &one, &users, &[2, 1, 0]).await;
    two.kill();
    until(&stage, &one, &users, &[1, 0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_forgot_is_back_after_the_next_refresh() {
    let (stage, redis) = (Stage::new().await, private_redis().await);
    let one = stage.node(Some(&redis), Pace::OFTEN).await;
    let two = stage.node(Some(&redis), Pace::OFTEN).await;
    let _ada = connect(&stage, &two, "ada").await;
    until(&stage, &one, &["ada"], &[1]).await;

    command(&redis, &["FLUSHALL"]).await;
    until(&stage, &one, &["ada"], &[1]).await;

    // Somebody comes into what was lost: the others come back all the same.
    command(&redis, &["FLUSHALL"]).await;
    let _bob = connect(&stage, &two, "bob").await;
    until(&stage, &one, &["ada", "bob"], &[1, 1]).await;

    redis.stop().await;
    eventually("only this node is known", SOON, async || {
        let (_, complete) = presence(&stage, &one, &["ada"]).await;
        (!complete).then_some(())
    })
    .await;
    let _eve = connect(&stage, &one, "eve").await;
    let (presences, _) = presence(&stage, &one, &["ada", "eve"]).await;
    let counts: Vec<_> = presences.iter().map(|one| one.connections).collect();
    assert_eq!(counts, [0, 1]);
    redis.start().await;
    until(&stage, &one, &["ada", "bob", "eve"], &[1, 1, 1]).await;
    until(&stage, &two, &["ada", "bob", "eve"], &[1, 1, 1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_goes_is_written_between_refreshes() {
    let (stage, redis) = (Stage::new().await, private_redis().await);
    let one = stage.node(Some(&redis), SELDOM).await;
    let two = stage.node(Some(&redis), SELDOM).await;
    let of_node = async |user: &str| -> bool {
        let mut connection = nodes::connect(&redis).await;
        let names: Vec<String> = redis::cmd("KEYS")
            .arg("notification:present:*:*")
            .query_async(&mut connection)
            .await
            .unwrap();
        let field = format!("{}:{user}", stage.tenant.as_uuid().simple());
        for name in names {
            let has: redis::RedisResult<bool> = redis::cmd("HEXISTS")
                .arg(&name)
                .arg(&field)
                .query_async(&mut connection)
                .await;
            if has.unwrap() {
                return true;
            }
        }
        false
    };
    let ada = connect(&stage, &one, "ada").await;
    let _bob = connect(&stage, &two, "bob").await;
    eventually("both are written", SOON, async || {
        (of_node("ada").await && of_node("bob").await).then_some(())
    })
    .await;

    drop(ada);
    eventually("one is gone", SOON, async || {
        (!of_node("ada").await).then_some(())
    })
    .await;
    // In order a node takes its people out at once.
    two.end();
    eventually("the other's node is gone", SOON, async || {
        (!of_node("bob").await).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_this_node_alone_is_known() {
    let stage = Stage::new().await;
    let one = stage.node(None, Pace::OFTEN).await;
    let two = stage.node(None, Pace::OFTEN).await;
    let _here = connect(&stage, &one, "ada").await;
    let _there = connect(&stage, &two, "bob").await;

    let (presences, complete) = presence(&stage, &one, &["ada", "bob"]).await;

    let counts: Vec<_> = presences.iter().map(|one| one.connections).collect();
    assert_eq!((counts, complete), (vec![1, 0], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_groups_members_are_paged_and_only_those_who_are_here_are_shown() {
    let stage = Stage::new().await;
    let node = stage.node(None, Pace::OFTEN).await;
    let put = pb::PutGroupRequest {
        group_id: "staff".to_owned(),
        display_name: "Staff".to_owned(),
    };
    node.told
        .put_group(stage.by(("boss", ANY), put))
        .await
        .unwrap();
    let join = pb::JoinGroupRequest {
        group_id: "staff".to_owned(),
        user_ids: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
    };
    node.told
        .join_group(stage.by(("boss", ANY), join))
        .await
        .unwrap();
    let _b = connect(&stage, &node, "b").await;
    let _e = connect(&stage, &node, "e").await;
    let _other = connect(&stage, &node, "z").await;
    let list = async |group: &str, rights: &[&str], token: &str| {
        let request = pb::ListPresentRequest {
            group_id: group.to_owned(),
            page_size: 2,
            page_token: token.to_owned(),
        };
        let request = stage.by(("boss", rights), request);
        let listed = node.presence.list_present(request).await;
        listed.map(tonic::Response::into_inner)
    };

    let (mut token, mut pages) = (String::new(), Vec::new());
    loop {
        let page = list("staff", ANY, &token).await.unwrap();
        assert!(!page.complete);
        let users = page.presences.iter().map(|one| one.user_id.clone());
        pages.push(users.collect::<Vec<_>>());
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }

    assert_eq!(pages, [vec!["b"], vec![], vec!["e"]]);
    let none = list("none", ANY, "").await.unwrap_err();
    assert_eq!(ErrorDetails::from_status(&none).reason, "GROUP_NOT_FOUND");
    let bad = list("staff", ANY, "x").await.unwrap_err();
    assert_eq!(ErrorDetails::from_status(&bad).reason, "PAGE_TOKEN_INVALID");
    let refused = list("staff", &["notifications:read"], "")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_take_a_right_are_bounded_and_of_the_tenant() {
    let stage = Stage::new().await;
    let node = stage.node(None, Pace::OFTEN).await;
    let _ada = connect(&stage, &node, "ada").await;
    let ask = async |tenant: TenantId, rights: &[&str], users: &[String]| {
        let request = pb::GetPresenceRequest {
            user_ids: users.to_vec(),
        };
        let asked = node
            .presence
            .get_presence(by(tenant, ("ada", rights), request))
            .await;
        asked.map(|answer| answer.into_inner().presences)
    };
    let read: &[&str] = &["notifications:read"];
    let names = |count: usize| (0..count).map(|n| format!("user-{n}")).collect::<Vec<_>>();

    let own = ask(stage.tenant, read, &[]).await.unwrap();
    assert_eq!((own[0].user_id.as_str(), own[0].connections), ("ada", 1));
    let named = ask(stage.tenant, read, &["ada".to_owned()]).await.unwrap();
    assert_eq!(named, own);
    let refused = ask(stage.tenant, read, &["ada".to_owned(), "bob".to_owned()]).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(ErrorDetails::from_status(&refused).reason, "USER_FORBIDDEN");
    let strangers = ask(TenantId::new(), read, &[]).await.unwrap();
    assert_eq!(strangers[0].connections, 0);
    assert_eq!(
        ask(stage.tenant, ANY, &names(1_000)).await.unwrap().len(),
        1_000
    );
    let many = ask(stage.tenant, ANY, &names(1_001)).await.unwrap_err();
    assert_eq!(many.code(), Code::InvalidArgument);
}
