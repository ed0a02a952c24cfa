//! Notifications: what the service is asked, and what the caller is told.

use axum::http::Method;
use serde_json::{Value, json};
use tonic::Code;
use tradepost_gateway::domain::rights::Role;
use tradepost_proto::notification::v1 as ntf;
use tradepost_service::error::Failure;

use crate::doubles::caller;
use crate::fake::{DATA, NOTIFICATION_ID};
use crate::stage::{Answer, Stage, bare, keyed};

/// By somebody of this role, who is known by the role's name.
async fn by(stage: &Stage, role: Role, path: &str) -> Answer {
    let mut request = bare(Method::GET, path);
    let token = format!("Bearer {role}").parse().unwrap();
    request.headers_mut().insert("authorization", token);
    stage.send(request).await
}

fn told(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json())
}

fn place(kind: &str, name: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), name.to_owned())]
}

#[tokio::test]
async fn history_is_told_with_the_data_as_it_was_written() {
    let stage = Stage::new().await;
    let path = "/v1/notifications?unread=true&page_size=7&page_token=t";

    let answer = stage.get(path).await;

    assert_eq!(answer.status, 200);
    let text = String::from_utf8_lossy(&answer.bytes);
    assert!(text.contains(DATA), "{text}");
    let page = answer.json();
    assert_eq!(page["next_page_token"], "next");
    let notification = &page["notifications"][0];
    for (field, value) in [
        ("notification_id", json!(NOTIFICATION_ID)),
        ("stream", json!("group:staff")),
        ("sequence", json!(42)),
        ("type", json!("order.confirmed")),
        ("title", json!("Confirmed")),
        ("message", json!("")),
        ("create_time", json!("1970-01-01T00:00:00Z")),
        ("read", json!(true)),
    ] {
        assert_eq!(notification[field], value, "{field}");
    }
    let wanted = ntf::GetHistoryRequest {
        user_id: String::new(),
        page_size: 7,
        page_token: "t".to_owned(),
        unread_only: true,
    };
    assert_eq!(stage.fake.only::<ntf::GetHistoryRequest>(), wanted);
}

#[tokio::test]
async fn the_service_is_told_what_the_caller_may_do_there() {
    let stage = Stage::new().await;

    stage.get("/v1/notifications").await;

    let seen = stage.seen_by("notification");
    assert_eq!(seen.subject, stage.doubles.owner().subject.to_string());
    let rights = [
        "notifications:read",
        "notifications:read_any",
        "notifications:send",
        "notifications:manage",
    ];
    assert_eq!(seen.rights, rights);
}

#[tokio::test]
async fn what_others_were_told_is_for_those_who_may_read_it() {
    for path in ["/v1/notifications", "/v1/notifications/unread"] {
        let stage = Stage::new().await;
        let customer = caller(Role::Customer);
        let own = format!("{path}?user_id={}", customer.subject);
        stage.doubles.knows("customer", customer);
        stage.doubles.knows("support", caller(Role::Support));
        stage.doubles.knows("admin", caller(Role::Admin));
        let others = format!("{path}?user_id=c-1");

        for role in [Role::Customer, Role::Support] {
            let refused = by(&stage, role, &others).await;
            let denied = "PERMISSION_DENIED".to_owned();
            let expected = (403, denied, place("parameter", "user_id"));
            assert_eq!(refused.faults(), expected, "{role}");
        }
        assert_eq!(stage.fake.calls(), 0);
        assert_eq!(by(&stage, Role::Customer, &own).await.status, 200);
        assert_eq!(by(&stage, Role::Admin, &others).await.status, 200);

        let histories = stage.fake.all::<ntf::GetHistoryRequest>();
        let unread = stage.fake.all::<ntf::GetUnreadRequest>();
        let asked: Vec<_> = histories.into_iter().map(|asked| asked.user_id).collect();
        let more: Vec<_> = unread.into_iter().map(|asked| asked.user_id).collect();
        assert_eq!([asked, more].concat(), ["", "c-1"]);
    }
}

#[tokio::test]
async fn unread_is_told_in_all_and_by_stream() {
    let stage = Stage::new().await;
    let expected = json!({
        "unread": 3,
        "cursors": [
            {"stream": "user", "top": 7, "read": 6},
            {"stream": "group:staff", "top": 42, "read": 40},
        ],
    });

    let unread = stage.get("/v1/notifications/unread").await;
    let cursors = json!({"cursors": [{"stream": "user", "read": 6}]});
    let some = stage.post("/v1/notifications/read", &cursors).await;
    let all = stage.post("/v1/notifications/read", &json!({})).await;

    for answer in [unread, some, all] {
        assert_eq!(told(&answer), (200, expected.clone()));
    }
    let marked = stage.fake.all::<ntf::MarkReadRequest>();
    let user = ntf::Cursor {
        stream: "user".to_owned(),
        top: 0,
        read: 6,
    };
    assert_eq!(marked[0].cursors, [user]);
    assert!(marked[1].cursors.is_empty());
}

#[tokio::test]
async fn to_have_read_nothing_is_not_to_have_read_all() {
    let stage = Stage::new().await;

    let answer = stage
        .post("/v1/notifications/read", &json!({"cursors": []}))
        .await;

    let expected = (
        400,
        "INVALID_FIELD".to_owned(),
        place("pointer", "/cursors"),
    );
    assert_eq!(answer.faults(), expected);
    assert_eq!(stage.fake.calls(), 0);
}

#[tokio::test]
async fn users_are_told_what_was_asked_with_the_data_as_it_was_written() {
    let stage = Stage::new().await;
    let body = format!(
        r#"{{"user_ids": ["ada", "bob"], "type": "stock.arrived", "title": "Back",
            "message": "again", "data": {DATA}}}"#
    );

    let answer = stage.post_raw("/v1/notifications", body).await;

    let expected = json!({"notification_id": NOTIFICATION_ID, "sequences": [7, 1]});
    assert_eq!(told(&answer), (201, expected));
    let wanted = ntf::SendToUsersRequest {
        request_id: "key-1".to_owned(),
        user_ids: vec!["ada".to_owned(), "bob".to_owned()],
        content: Some(ntf::Content {
            r#type: "stock.arrived".to_owned(),
            title: "Back".to_owned(),
            message: "again".to_owned(),
            data: DATA.to_owned(),
        }),
        delivery: ntf::Delivery::Durable.into(),
        collapse_key: String::new(),
    };
    assert_eq!(stage.fake.only::<ntf::SendToUsersRequest>(), wanted);
}

#[tokio::test]
async fn what_is_ephemeral_has_no_place_and_is_not_stored() {
    let stage = Stage::new().await;
    let body = json!({"user_ids": ["ada"], "type": "typing", "title": "typing",
        "delivery": "EPHEMERAL", "collapse_key": "bob"});
    let sent = stage.post("/v1/notifications", &body).await;
    let body = json!({"type": "t", "title": "t", "delivery": "EPHEMERAL"});
    let path = "/v1/notification-groups/staff/notifications";
    let broadcast = stage.post(path, &body).await;

    let expected = json!({"notification_id": NOTIFICATION_ID, "sequences": []});
    assert_eq!(told(&sent), (202, expected));
    let expected = json!({"notification_id": NOTIFICATION_ID});
    assert_eq!(told(&broadcast), (202, expected));
    let asked = &stage.fake.all::<ntf::SendToUsersRequest>()[0];
    assert_eq!(asked.delivery(), ntf::Delivery::Ephemeral);
    assert_eq!(asked.collapse_key, "bob");
}

/// Nobody knows whether the first was heard.
#[tokio::test]
async fn only_what_is_stored_is_sent_again_by_itself() {
    for (delivery, status, calls) in [("DURABLE", 201, 2), ("EPHEMERAL", 503, 1)] {
        let stage = Stage::new().await;
        let gone = Failure::new(Code::Unavailable, "AWAY", "notification.tradepost", "away");
        stage.fake.fail_times(1, gone);
        let body = json!({"user_ids": ["ada"], "type": "t", "title": "t", "delivery": delivery});

        let answer = stage.post("/v1/notifications", &body).await;

        assert_eq!(
            (answer.status.as_u16(), stage.fake.calls()),
            (status, calls)
        );
    }
}

#[tokio::test]
async fn a_group_is_told_what_was_asked() {
    let stage = Stage::new().await;
    let path = "/v1/notification-groups/staff/notifications";
    let body = json!({"type": "shift.changed", "title": "Late", "data": {"from": 18}});

    let answer = stage.post(path, &body).await;

    let expected = json!({"notification_id": NOTIFICATION_ID, "sequence": 42});
    assert_eq!(told(&answer), (201, expected));
    let asked: ntf::BroadcastToGroupRequest = stage.fake.only();
    assert_eq!((&*asked.group_id, &*asked.request_id), ("staff", "key-1"));
    assert_eq!(asked.content.unwrap().data, r#"{"from":18}"#);
}

#[tokio::test]
async fn data_is_an_object_or_left_out() {
    let stage = Stage::new().await;
    for data in [json!([1]), json!("text"), json!(1), json!(true)] {
        let body = json!({"user_ids": ["ada"], "type": "t", "title": "t", "data": data});
        let answer = stage.post("/v1/notifications", &body).await;
        let expected = (400, "INVALID_FIELD".to_owned(), place("pointer", "/data"));
        assert_eq!(answer.faults(), expected, "{data}");
    }
    assert_eq!(stage.fake.calls(), 0);

    let body = json!({"user_ids": ["ada"], "type": "t", "title": "t", "data": null});
    stage.post("/v1/notifications", &body).await;
    let asked: ntf::SendToUsersRequest = stage.fake.only();
    assert_eq!(asked.content.unwrap().data, "");
}

#[tokio::test]
async fn faults_are_told_where_they_stand_in_the_body() {
    let stage = Stage::new().await;
    let fault = |field: &str| {
        let (code, domain) = (Code::InvalidArgument, "notification.tradepost");
        Failure::new(code, "INVALID_FIELD", domain, "bad").field(field, "is not good")
    };
    let body = json!({"user_ids": ["ada"], "type": "t", "title": "t"});
    for (field, kind, name) in [
        ("content.title", "pointer", "/title"),
        ("user_ids[0]", "pointer", "/user_ids/0"),
        ("request_id", "header", "Idempotency-Key"),
    ] {
        stage.fake.fail(fault(field));
        let answer = stage.post("/v1/notifications", &body).await;
        let expected = (400, "INVALID_FIELD".to_owned(), place(kind, name));
        assert_eq!(answer.faults(), expected);
    }
    let member = "/v1/notification-groups/staff/members/ada";
    for method in [Method::PUT, Method::DELETE] {
        stage.fake.fail(fault("user_ids[0]"));
        let answer = stage.send(bare(method, member)).await;
        let expected = (
            400,
            "INVALID_FIELD".to_owned(),
            place("parameter", "user_id"),
        );
        assert_eq!(answer.faults(), expected);
    }
    stage.fake.fail(fault("unread_only"));
    let answer = stage.get("/v1/notifications").await;
    assert_eq!(answer.faults().2, place("parameter", "unread"));
}

#[tokio::test]
async fn a_key_of_another_notification_is_422() {
    let stage = Stage::new().await;
    let (code, domain) = (Code::AlreadyExists, "notification.tradepost");
    let reused = Failure::new(code, "REQUEST_ID_REUSED", domain, "used before");
    stage.fake.fail(reused);
    let body = json!({"user_ids": ["ada"], "type": "t", "title": "t"});

    let answer = stage.post("/v1/notifications", &body).await;

    assert_eq!(
        answer.faults(),
        (422, "REQUEST_ID_REUSED".to_owned(), vec![])
    );
}

#[tokio::test]
async fn groups_are_made_and_listed() {
    let stage = Stage::new().await;
    let group = json!({"group_id": "staff", "display_name": "The staff", "top": 42});

    let name = json!({"display_name": "The staff"}).to_string();
    let request = keyed(Method::PUT, "/v1/notification-groups/staff", name);
    let put = stage.send(request).await;
    let listed = stage
        .get("/v1/notification-groups?user_id=ada&page_size=5")
        .await;

    assert_eq!(told(&put), (200, group.clone()));
    let page = json!({"groups": [group], "next_page_token": "next"});
    assert_eq!(told(&listed), (200, page));
    let asked = &stage.fake.all::<ntf::PutGroupRequest>()[0];
    assert_eq!(
        (&*asked.group_id, &*asked.display_name),
        ("staff", "The staff")
    );
    let asked = &stage.fake.all::<ntf::ListGroupsRequest>()[0];
    assert_eq!((&*asked.user_id, asked.page_size), ("ada", 5));
}

#[tokio::test]
async fn who_manages_no_groups_lists_their_own() {
    let stage = Stage::new().await;
    let support = caller(Role::Support);
    let own = support.subject.to_string();
    stage.doubles.knows("support", support);
    let path = "/v1/notification-groups";

    let listed = by(&stage, Role::Support, path).await;
    let others = by(&stage, Role::Support, &format!("{path}?user_id=ada")).await;

    assert_eq!(listed.status, 200);
    let denied = "PERMISSION_DENIED".to_owned();
    let expected = (403, denied, place("parameter", "user_id"));
    assert_eq!(others.faults(), expected);
    assert_eq!(stage.fake.only::<ntf::ListGroupsRequest>().user_id, own);
}

#[tokio::test]
async fn members_come_and_go_by_their_ids() {
    let stage = Stage::new().await;
    let members = "/v1/notification-groups/staff/members";
    let ada = format!("{members}/ada%40example.com");

    let joined = stage.send(bare(Method::PUT, &ada)).await;
    let listed = stage.get(members).await;
    let left = stage.send(bare(Method::DELETE, &ada)).await;

    assert_eq!((joined.status.as_u16(), left.status.as_u16()), (204, 204));
    assert_eq!(told(&listed), (200, json!({"user_ids": ["ada", "bob"]})));
    let join = &stage.fake.all::<ntf::JoinGroupRequest>()[0];
    assert_eq!(join.group_id, "staff");
    assert_eq!(join.user_ids, ["ada@example.com"]);
    let leave = &stage.fake.all::<ntf::LeaveGroupRequest>()[0];
    assert_eq!(leave.user_ids, ["ada@example.com"]);
}

#[tokio::test]
async fn without_the_service_the_answer_says_so() {
    let stage = Stage::with(|config| config.upstreams.notification_url = None).await;

    let answer = stage.get("/v1/notifications").await;

    assert_eq!(
        answer.faults(),
        (503, "UPSTREAM_NOT_CONFIGURED".to_owned(), vec![])
    );
}
