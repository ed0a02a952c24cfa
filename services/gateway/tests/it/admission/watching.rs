//! What a watcher hears.

use std::collections::HashMap;

use axum::http::Method;
use serde_json::json;
use tonic::{Code, Streaming};
use tradepost_proto::gateway::v1 as pb;

use super::door::{Door, MEMBER, OWNER, bearer, reason};
use crate::identity::shop::{Gate, OPERATOR};
use crate::stage::SOON;

/// What one has heard: by part, until when.
struct Watcher {
    stream: Streaming<pb::WatchRevocationsResponse>,
    ended: HashMap<String, Option<prost_types::Timestamp>>,
    current: Option<prost_types::Timestamp>,
}

impl Watcher {
    async fn of(door: &Door) -> Self {
        let request = pb::WatchRevocationsRequest {};
        let stream = door.client.clone().watch_revocations(request).await;
        Self {
            stream: stream.unwrap().into_inner(),
            ended: HashMap::new(),
            current: None,
        }
    }

    /// One more message; how many revocations it had.
    async fn hear(&mut self) -> usize {
        let message = tokio::time::timeout(SOON, self.stream.message()).await;
        let message = message.unwrap().unwrap().expect("the stream goes on");
        let heard = message.revocations.len();
        for one in message.revocations {
            self.ended.insert(one.part, one.issued_before);
        }
        self.current = message.current_time.or(self.current);
        heard
    }

    /// Hears until the part has ended; until when.
    async fn hears_of(&mut self, part: &str) -> Option<prost_types::Timestamp> {
        let hearing = async {
            loop {
                if let Some(until) = self.ended.get(part) {
                    return *until;
                }
                self.hear().await;
            }
        };
        let heard = tokio::time::timeout(SOON, hearing).await;
        heard.unwrap_or_else(|_elapsed| panic!("nothing is heard of {part}"))
    }
}

/// A tenant whose things are changed at another gateway.
async fn opened() -> (Door, Gate) {
    let door = Door::open().await;
    let there = door
        .shop
        .second_with(|config| config.access.listen_addr = None)
        .await;
    (door, there)
}

#[tokio::test]
async fn first_all_that_is_in_force_then_what_is_added() {
    let (door, there) = opened().await;
    let (before, after) = (
        door.shop.gate.login(OWNER).await,
        door.shop.gate.login(OWNER).await,
    );
    door.shop.gate.call("/v1/auth/logout", &before.access).await;

    let mut watcher = Watcher::of(&door).await;
    watcher.hear().await;
    let first = watcher
        .ended
        .contains_key(&format!("session:{}", before.session));
    there.call("/v1/auth/logout", &after.access).await;
    let until = watcher
        .hears_of(&format!("session:{}", after.session))
        .await;

    assert!(first, "{:?}", watcher.ended);
    assert_eq!(until, None, "no login comes back");
}

#[tokio::test]
async fn keys_members_roles_and_suspensions_are_heard_as_what_admissions_rest_on() {
    let (door, there) = opened().await;
    let owner = door.token().await;
    let bob = door.shop.member(MEMBER, "support", &owner).await;
    let bobs = door.shop.gate.login(MEMBER).await.access;
    let (key_id, _) = door.key(&owner, "orders:read").await;
    let operator = door.shop.gate.login(OPERATOR).await.access;
    let mine = door.admit(bearer(&owner)).await.unwrap();
    let his = door.admit(bearer(&bobs)).await.unwrap();
    let mut watcher = Watcher::of(&door).await;
    let member = format!("member:{}/{bob}", door.tenant);

    let path = format!("/v1/api-keys/{key_id}");
    assert_eq!(there.delete(&path, &owner).await.status, 204);
    assert_eq!(watcher.hears_of(&format!("key:{key_id}")).await, None);

    let path = format!("/v1/users/{bob}/role");
    let body = Some(json!({"role": "manager"}));
    there.ask(Method::PUT, &path, &owner, body).await;
    let changed = watcher.hears_of(&member).await.unwrap();
    assert!(his.parts.contains(&member));
    assert!(after(changed, his.issue_time.unwrap()));

    watcher.ended.remove(&member);
    let removed = there.delete(&format!("/v1/users/{bob}"), &owner).await;
    assert_eq!(removed.status, 204);
    assert!(after(watcher.hears_of(&member).await.unwrap(), changed));

    let path = format!("/v1/tenants/{}/suspend", door.tenant);
    assert!(there.call(&path, &operator).await.status.is_success());
    let tenant = format!("tenant:{}", door.tenant);
    let suspended = watcher.hears_of(&tenant).await.unwrap();
    assert!(mine.parts.contains(&tenant));
    assert!(after(suspended, mine.issue_time.unwrap()));
    let mut late = Watcher::of(&door).await;
    assert_eq!(late.hears_of(&tenant).await, Some(suspended));
}

fn after(one: prost_types::Timestamp, other: prost_types::Timestamp) -> bool {
    (one.seconds, one.nanos) > (other.seconds, other.nanos)
}

#[tokio::test]
async fn keys_that_are_replaced_at_once_end_all_that_they_have_signed() {
    let (door, _there) = opened().await;
    let owner = door.token().await;
    let mine = door.admit(bearer(&owner)).await.unwrap();
    let mut watcher = Watcher::of(&door).await;

    door.shop.replace_keys().await;

    let until = watcher.hears_of("all:").await.unwrap();
    assert!(after(until, mine.issue_time.unwrap()));
}

#[tokio::test]
async fn how_current_it_is_moves_on_when_there_is_nothing_else_to_say() {
    let (door, _there) = opened().await;
    let mut watcher = Watcher::of(&door).await;
    watcher.hear().await;
    let mut last = watcher.current.unwrap();

    for _ in 0..3 {
        let more = async {
            while !after(watcher.current.unwrap(), last) {
                assert_eq!(watcher.hear().await, 0);
            }
        };
        tokio::time::timeout(SOON, more).await.expect("it moves on");
        last = watcher.current.unwrap();
    }
}

/// What is in force may be much.
#[tokio::test]
async fn many_are_told_in_pieces_and_only_the_last_says_how_current_it_is() {
    let (door, there) = opened().await;
    sqlx::query(
        "insert into revocations (kind, subject, issued_before, expires_at)
         select 'token', gen_random_uuid()::text, now(), now() + interval '1 hour'
         from generate_series(1, 2500)",
    )
    .execute(&mut door.shop.database.admin().await)
    .await
    .unwrap();
    let session = door.shop.gate.login(OWNER).await;
    there.call("/v1/auth/logout", &session.access).await;
    let ended = format!("session:{}", session.session);
    Watcher::of(&door).await.hears_of(&ended).await;

    let mut watcher = Watcher::of(&door).await;
    let mut pieces = Vec::new();
    while watcher.current.is_none() {
        pieces.push(watcher.hear().await);
    }

    assert_eq!(pieces, [1000, 1000, 501]);
}

#[tokio::test]
async fn there_are_as_many_watchers_as_allowed_and_none_outlives_the_process() {
    let door = Door::with(|config| config.access.watchers_max = 1).await;
    let mut watcher = Watcher::of(&door).await;
    watcher.hear().await;

    let request = pb::WatchRevocationsRequest {};
    let second = door.client.clone().watch_revocations(request).await;
    assert_eq!(
        reason(&second.unwrap_err()),
        (Code::ResourceExhausted, "TOO_MANY_WATCHERS".to_owned())
    );

    drop(door);
    let ended = async { while let Ok(Some(_)) = watcher.stream.message().await {} };
    tokio::time::timeout(SOON, ended).await.unwrap();
}
