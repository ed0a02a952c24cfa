//! The calls: rights, bad fields, answers.

use std::sync::Arc;

use tonic::{Code, Request, Status};
use tradepost_notification::ports::Announcement;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_server::NotificationService;
use tradepost_service::auth::Caller;
use tradepost_service::error::ErrorDetails;

use super::support::Desk;

const ALL: &[&str] = &[
    "notifications:read",
    "notifications:read_any",
    "notifications:send",
    "notifications:manage",
];

/// A call of this user with these rights.
fn by<T>(desk: &Desk, (user, rights): (&str, &[&str]), message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::of_tenant(desk.tenant, user, rights);
    request.extensions_mut().insert(Arc::new(caller));
    request
}

fn content() -> Option<pb::Content> {
    Some(pb::Content {
        r#type: "order.confirmed".to_owned(),
        title: "Confirmed".to_owned(),
        message: "Your order is confirmed.".to_owned(),
        data: r#"{"n": 1}"#.to_owned(),
    })
}

fn to(users: &[&str], request_id: &str) -> pb::SendToUsersRequest {
    pb::SendToUsersRequest {
        request_id: request_id.to_owned(),
        user_ids: users.iter().map(|&user| user.to_owned()).collect(),
        content: content(),
        ..pb::SendToUsersRequest::default()
    }
}

fn fields(status: &Status) -> Vec<String> {
    let details = ErrorDetails::from_status(status);
    details
        .fields
        .into_iter()
        .map(|field| field.field)
        .collect()
}

fn reason(status: &Status) -> String {
    ErrorDetails::from_status(status).reason
}

#[tokio::test]
async fn what_is_sent_is_announced_once_and_stands_in_the_history() {
    let desk = Desk::open().await;
    let send = |id: &str| {
        desk.api
            .send_to_users(by(&desk, ("svc", ALL), to(&["bob", "ann", "bob"], id)))
    };

    let first = send("one").await.unwrap().into_inner();
    let again = send("one").await.unwrap().into_inner();
    let next = send("two").await.unwrap().into_inner();

    assert_eq!(first.sequences, [1, 1]);
    assert_eq!(again, first);
    assert_eq!(next.sequences, [2, 2]);
    let heard = desk.heard.take();
    assert_eq!(heard.len(), 4);
    let request = pb::GetHistoryRequest {
        page_size: 1,
        ..pb::GetHistoryRequest::default()
    };
    let history = desk.api.get_history(by(&desk, ("ann", ALL), request)).await;
    let history = history.unwrap().into_inner();
    assert_eq!(
        history.notifications[0].notification_id,
        next.notification_id
    );
    assert_eq!(history.notifications[0].sequence, 2);
    assert_eq!(history.notifications[0].stream, "user");
    assert_eq!(history.notifications[0].content, content());
    assert!(!history.next_page_token.is_empty());
    let request = pb::GetHistoryRequest {
        page_token: history.next_page_token,
        ..pb::GetHistoryRequest::default()
    };
    let rest = desk
        .api
        .get_history(by(&desk, ("ann", ALL), request.clone()))
        .await;
    let rest = rest.unwrap().into_inner();
    assert_eq!(rest.notifications[0].notification_id, first.notification_id);
    assert!(rest.next_page_token.is_empty());
    let foreign = desk.api.get_history(by(&desk, ("bob", ALL), request)).await;
    assert_eq!(reason(&foreign.unwrap_err()), "PAGE_TOKEN_INVALID");
}

#[tokio::test]
async fn an_ephemeral_one_is_announced_and_not_stored() {
    let desk = Desk::open().await;
    let request = pb::SendToUsersRequest {
        delivery: pb::Delivery::Ephemeral.into(),
        collapse_key: "typing".to_owned(),
        ..to(&["ann"], "")
    };

    let sent = desk
        .api
        .send_to_users(by(&desk, ("svc", ALL), request))
        .await;

    assert!(sent.unwrap().into_inner().sequences.is_empty());
    let heard = desk.heard.take();
    let [Announcement::Signal(signal)] = heard.as_slice() else {
        panic!("{heard:?}");
    };
    assert_eq!(signal.collapse.as_deref(), Some("typing"));
    let unread = desk
        .api
        .get_unread(by(&desk, ("ann", ALL), pb::GetUnreadRequest::default()));
    assert_eq!(unread.await.unwrap().into_inner().unread, 0);
}

#[tokio::test]
async fn every_bad_field_is_named_by_its_path() {
    let desk = Desk::open().await;
    let request = pb::SendToUsersRequest {
        content: Some(pb::Content {
            r#type: "Order!".to_owned(),
            ..content().unwrap()
        }),
        delivery: 9,
        ..to(&["ann", "", "b\nb"], "")
    };
    let empty = pb::SendToUsersRequest {
        request_id: "x".repeat(256),
        ..pb::SendToUsersRequest::default()
    };
    let group = pb::JoinGroupRequest {
        group_id: "Staff".to_owned(),
        user_ids: Vec::new(),
    };

    let bad = desk
        .api
        .send_to_users(by(&desk, ("svc", ALL), request))
        .await
        .unwrap_err();
    let empty = desk
        .api
        .send_to_users(by(&desk, ("svc", ALL), empty))
        .await
        .unwrap_err();
    let group = desk
        .api
        .join_group(by(&desk, ("svc", ALL), group))
        .await
        .unwrap_err();

    assert_eq!(bad.code(), Code::InvalidArgument);
    assert_eq!(reason(&bad), "INVALID_FIELD");
    assert_eq!(
        fields(&bad),
        ["user_ids[1]", "user_ids[2]", "content.type", "delivery"]
    );
    assert_eq!(fields(&empty), ["user_ids", "content", "request_id"]);
    assert_eq!(fields(&group), ["group_id", "user_ids"]);
}

#[tokio::test]
async fn what_is_anothers_takes_the_right_to_it() {
    let desk = Desk::open().await;
    let bobs = pb::GetUnreadRequest {
        user_id: "bob".to_owned(),
    };
    let own: &[&str] = &["notifications:read"];

    let refused = desk
        .api
        .get_unread(by(&desk, ("ann", own), bobs.clone()))
        .await
        .unwrap_err();
    let allowed = desk
        .api
        .get_unread(by(&desk, ("ann", ALL), bobs.clone()))
        .await;
    let himself = desk.api.get_unread(by(&desk, ("bob", own), bobs)).await;
    let groups = desk
        .api
        .list_groups(by(&desk, ("ann", own), pb::ListGroupsRequest::default()));

    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(reason(&refused), "USER_FORBIDDEN");
    allowed.unwrap();
    himself.unwrap();
    assert_eq!(reason(&groups.await.unwrap_err()), "USER_FORBIDDEN");
}

#[tokio::test]
async fn another_request_with_the_id_of_one_before_is_refused() {
    let desk = Desk::open().await;
    desk.api
        .send_to_users(by(&desk, ("svc", ALL), to(&["ann"], "one")))
        .await
        .unwrap();

    let other = desk
        .api
        .send_to_users(by(&desk, ("svc", ALL), to(&["bob"], "one")))
        .await;

    let other = other.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    assert_eq!(reason(&other), "REQUEST_ID_REUSED");
}

async fn put(desk: &Desk, id: &str) {
    let request = pb::PutGroupRequest {
        group_id: id.to_owned(),
        display_name: id.to_uppercase(),
    };
    let put = desk.api.put_group(by(desk, ("svc", ALL), request)).await;
    assert_eq!(put.unwrap().into_inner().group.unwrap().group_id, id);
}

/// Makes users members of `b`; how many were none before.
async fn join(desk: &Desk, users: &[&str]) -> i32 {
    let request = pb::JoinGroupRequest {
        group_id: "b".to_owned(),
        user_ids: users.iter().map(|&user| user.to_owned()).collect(),
    };
    let joined = desk.api.join_group(by(desk, ("svc", ALL), request)).await;
    joined.unwrap().into_inner().joined
}

#[tokio::test]
async fn what_a_group_is_told_is_unread_by_its_members_until_they_read_it() {
    let desk = Desk::open().await;
    put(&desk, "b").await;
    let joined = join(&desk, &["bob", "ann", "ann"]).await;
    let broadcast = |group: &str| {
        let request = pb::BroadcastToGroupRequest {
            request_id: "one".to_owned(),
            group_id: group.to_owned(),
            content: content(),
            ..pb::BroadcastToGroupRequest::default()
        };
        desk.api
            .broadcast_to_group(by(&desk, ("svc", ALL), request))
    };

    let told = broadcast("b").await;
    let missing = broadcast("d").await;
    let unread = pb::GetUnreadRequest::default();
    let unread = desk.api.get_unread(by(&desk, ("ann", ALL), unread)).await;
    let read = pb::MarkReadRequest::default();
    let read = desk.api.mark_read(by(&desk, ("ann", ALL), read)).await;

    assert_eq!(joined, 2);
    assert_eq!(told.unwrap().into_inner().sequence, 1);
    assert_eq!(reason(&missing.unwrap_err()), "GROUP_NOT_FOUND");
    let unread = unread.unwrap().into_inner();
    assert_eq!((unread.unread, unread.cursors.len()), (1, 2));
    assert_eq!(unread.cursors[1].stream, "group:b");
    assert_eq!(read.unwrap().into_inner().unread, 0);
}

#[tokio::test]
async fn groups_and_members_are_listed_by_their_ids() {
    let desk = Desk::open().await;
    for id in ["c", "a", "b", "a"] {
        put(&desk, id).await;
    }
    join(&desk, &["bob", "ann"]).await;
    let list = |user: &str, page_size, page_token| {
        let request = pb::ListGroupsRequest {
            user_id: user.to_owned(),
            page_size,
            page_token,
        };
        desk.api.list_groups(by(&desk, ("svc", ALL), request))
    };
    let ids = |page: &pb::ListGroupsResponse| {
        let ids = page.groups.iter().map(|group| group.group_id.clone());
        ids.collect::<Vec<_>>()
    };

    let first = list("", 2, String::new()).await.unwrap().into_inner();
    let rest = list("", 2, first.next_page_token.clone()).await;
    let anns = list("ann", 0, String::new()).await;
    let members = pb::ListMembersRequest {
        group_id: "b".to_owned(),
        ..pb::ListMembersRequest::default()
    };
    let members = desk
        .api
        .list_members(by(&desk, ("svc", ALL), members))
        .await;

    assert_eq!(ids(&first), ["a", "b"]);
    let rest = rest.unwrap().into_inner();
    assert_eq!(
        (ids(&rest), rest.next_page_token.as_str()),
        (vec!["c".to_owned()], "")
    );
    assert_eq!(ids(&anns.unwrap().into_inner()), ["b"]);
    assert_eq!(members.unwrap().into_inner().user_ids, ["ann", "bob"]);
}
