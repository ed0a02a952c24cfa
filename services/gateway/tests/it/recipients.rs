//! How people want to be told, who is connected, and who is told by e-mail.

use axum::http::Method;
use serde_json::{Value, json};
use tonic::Code;
use tradepost_gateway::domain::caller::{Caller, Subject};
use tradepost_gateway::domain::rights::{Permission, Rights, Role};
use tradepost_proto::notification::v1 as ntf;
use tradepost_service::error::Failure;
use tradepost_testkit::eventually;
use tradepost_types::ApiKeyId;

use crate::doubles::caller;
use crate::fake::{ADDRESS, NOTIFICATION_ID};
use crate::stage::{Answer, SOON, Stage, bare, keyed};

const OWN: &str = "/v1/notifications/preferences";
const THEIRS: &str = "/v1/notification-recipients/c-1001/preferences";
const MAILBOX: &str = "/v1/notification-recipients/c-1001/email-address";

/// By somebody who is known by this name.
async fn by(stage: &Stage, token: &str, method: Method, path: &str) -> Answer {
    let mut request = keyed(method, path, "{}");
    let token = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", token);
    stage.send(request).await
}

async fn put(stage: &Stage, path: &str, body: &Value) -> Answer {
    stage.send(keyed(Method::PUT, path, body.to_string())).await
}

fn told(answer: &Answer) -> (u16, Value) {
    (answer.status.as_u16(), answer.json())
}

fn place(kind: &str, name: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), name.to_owned())]
}

fn failure(code: Code, reason: &'static str) -> Failure {
    Failure::new(code, reason, "notification.tradepost", "no")
}

fn preferences() -> Value {
    json!({
        "muted_types": ["order.*"],
        "quiet_hours": {"start": "22:00", "end": "07:05", "time_zone": "Europe/London"},
        "channel_rules": [{"types": "order.shipped", "channels": ["live", "email"]}],
        "revision": 3,
        "update_time": "1970-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn preferences_are_read_as_people_write_them() {
    let stage = Stage::new().await;

    let own = stage.get(OWN).await;
    let theirs = stage.get(THEIRS).await;
    *stage.fake.old.lock().unwrap() = true;
    let none = stage.get(OWN).await;

    assert_eq!(told(&own), (200, preferences()));
    assert_eq!(told(&theirs), (200, preferences()));
    let nothing = json!({"muted_types": [], "channel_rules": [], "revision": 0});
    assert_eq!(told(&none), (200, nothing));
    let asked = stage.fake.all::<ntf::GetPreferencesRequest>();
    let whose: Vec<_> = asked.iter().map(|asked| &*asked.user_id).collect();
    assert_eq!(whose, ["", "c-1001", ""]);
}

#[tokio::test]
async fn what_was_read_can_be_sent_back() {
    let stage = Stage::new().await;

    let own = put(&stage, OWN, &preferences()).await;
    let theirs = put(&stage, THEIRS, &json!({})).await;

    assert_eq!(told(&own), (200, preferences()));
    assert_eq!(theirs.status, 200);
    let asked = stage.fake.all::<ntf::UpdatePreferencesRequest>();
    let sent = ntf::Preferences {
        muted_types: vec!["order.*".to_owned()],
        quiet_hours: Some(ntf::QuietHours {
            start_minute: 1_320,
            end_minute: 425,
            time_zone: "Europe/London".to_owned(),
        }),
        channel_rules: vec![ntf::ChannelRule {
            types: "order.shipped".to_owned(),
            channels: vec![ntf::Channel::Live.into(), ntf::Channel::Email.into()],
        }],
        revision: 3,
        update_time: None,
    };
    assert_eq!(
        (&*asked[0].user_id, &asked[0].preferences),
        ("", &Some(sent))
    );
    let nothing = Some(ntf::Preferences::default());
    assert_eq!(
        (&*asked[1].user_id, &asked[1].preferences),
        ("c-1001", &nothing)
    );
}

#[tokio::test]
async fn what_is_no_preference_is_named_where_it_stands() {
    let stage = Stage::new().await;
    for (body, pointer) in [
        (
            json!({"quiet_hours": {"start": "24:00", "end": "07:00", "time_zone": "UTC"}}),
            "/quiet_hours/start",
        ),
        (
            json!({"quiet_hours": {"start": "22:00", "end": 7, "time_zone": "UTC"}}),
            "/quiet_hours/end",
        ),
        (
            json!({"quiet_hours": {"start": "22:00", "end": "07:00"}}),
            "/quiet_hours/time_zone",
        ),
        (
            json!({"channel_rules": [{"types": "*", "channels": ["pigeon"]}]}),
            "/channel_rules/0/channels/0",
        ),
        (
            json!({"channel_rules": [{"types": "*", "channels": ["unspecified"]}]}),
            "/channel_rules/0/channels/0",
        ),
        (
            json!({"channel_rules": [{"types": "*"}]}),
            "/channel_rules/0/channels",
        ),
        (json!({"revision": -1}), "/revision"),
        (json!({"user_id": "c-2"}), "/user_id"),
    ] {
        let answer = put(&stage, OWN, &body).await;
        let expected = (400, "INVALID_FIELD".to_owned(), place("pointer", pointer));
        assert_eq!(answer.faults(), expected, "{body}");
    }
    assert_eq!(stage.fake.calls(), 0);
    for (field, kind, name) in [
        ("preferences.muted_types[3]", "pointer", "/muted_types/3"),
        (
            "preferences.quiet_hours.start_minute",
            "pointer",
            "/quiet_hours/start",
        ),
        ("quiet_hours.end_minute", "pointer", "/quiet_hours/end"),
        (
            "preferences.channel_rules[0].types",
            "pointer",
            "/channel_rules/0/types",
        ),
        ("user_id", "parameter", "user_id"),
    ] {
        let fault = failure(Code::InvalidArgument, "INVALID_FIELD").field(field, "is not good");
        stage.fake.fail(fault);
        let answer = put(&stage, THEIRS, &json!({})).await;
        let expected = (400, "INVALID_FIELD".to_owned(), place(kind, name));
        assert_eq!(answer.faults(), expected);
    }
}

#[tokio::test]
async fn a_revision_that_is_stale_changes_nothing() {
    let stage = Stage::new().await;
    stage.fake.fail(failure(Code::Aborted, "REVISION_STALE"));

    let answer = put(&stage, OWN, &json!({"revision": 2})).await;

    assert_eq!(answer.faults(), (409, "REVISION_STALE".to_owned(), vec![]));
}

/// After a lost answer the wish itself has made its revision stale.
#[tokio::test]
async fn only_without_a_revision_a_change_is_asked_for_again() {
    for (body, status, calls) in [(json!({}), 200, 2), (json!({"revision": 3}), 503, 1)] {
        let stage = Stage::new().await;
        stage.fake.fail_times(1, failure(Code::Unavailable, "AWAY"));

        let answer = put(&stage, OWN, &body).await;

        assert_eq!(
            (answer.status.as_u16(), stage.fake.calls()),
            (status, calls)
        );
    }
}

/// A program of the tenant: no notifications of its own, but those of others to manage.
fn program() -> Caller {
    Caller {
        subject: Subject::Key(ApiKeyId::new()),
        rights: Rights::of(&[Permission::NotificationsManage]),
        session: None,
        ..caller(Role::Service)
    }
}

#[tokio::test]
async fn each_says_it_for_themselves_and_managers_for_others() {
    let stage = Stage::new().await;
    for role in [Role::Customer, Role::Support, Role::Manager, Role::Admin] {
        stage.doubles.knows(role.as_str(), caller(role));
    }
    stage.doubles.knows("key", program());
    for (who, method, path, status) in [
        ("customer", Method::GET, OWN, 200),
        ("customer", Method::PUT, OWN, 200),
        ("customer", Method::GET, THEIRS, 403),
        ("customer", Method::PUT, THEIRS, 403),
        ("support", Method::PUT, OWN, 200),
        ("support", Method::PUT, THEIRS, 403),
        ("manager", Method::PUT, THEIRS, 200),
        ("manager", Method::GET, THEIRS, 403),
        ("admin", Method::GET, THEIRS, 200),
        ("key", Method::GET, OWN, 403),
        ("key", Method::PUT, THEIRS, 200),
    ] {
        let before = stage.fake.calls();
        let answer = by(&stage, who, method.clone(), path).await;
        let place = format!("{who} {method} {path}");
        assert_eq!(answer.status, status, "{place}");
        assert_eq!(stage.fake.calls() > before, status == 200, "{place}");
    }
}

#[tokio::test]
async fn a_key_that_manages_groups_lists_them() {
    let stage = Stage::new().await;
    stage.doubles.knows("key", program());

    let listed = by(&stage, "key", Method::GET, "/v1/notification-groups").await;
    let told = by(&stage, "key", Method::GET, "/v1/notifications").await;

    assert_eq!((listed.status.as_u16(), told.status.as_u16()), (200, 403));
    assert_eq!(stage.fake.only::<ntf::ListGroupsRequest>().user_id, "");
}

#[tokio::test]
async fn presence_is_told_in_the_order_of_the_question() {
    let stage = Stage::new().await;

    let some = stage.get("/v1/presence?user_ids=ada,bob%20b").await;
    stage.get("/v1/presence").await;

    let presences = json!([
        {"user_id": "ada", "connections": 2, "since_time": "1970-01-01T00:00:00Z"},
        {"user_id": "bob", "connections": 0},
    ]);
    let expected = json!({"presences": presences, "complete": true});
    assert_eq!(told(&some), (200, expected));
    let asked = stage.fake.all::<ntf::GetPresenceRequest>();
    assert_eq!(asked[0].user_ids, ["ada", "bob b"]);
    assert!(asked[1].user_ids.is_empty());
    let fault = failure(Code::InvalidArgument, "INVALID_FIELD").field("user_ids[1]", "is empty");
    stage.fake.fail(fault);
    let odd = stage.get("/v1/presence?user_ids=ada,").await;
    assert_eq!(odd.faults().2, place("parameter", "user_ids"));
}

#[tokio::test]
async fn whether_others_are_connected_is_for_those_who_may_read_what_is_theirs() {
    let stage = Stage::new().await;
    let customer = caller(Role::Customer);
    let own = customer.subject.to_string();
    stage.doubles.knows("customer", customer);
    stage.doubles.knows("support", caller(Role::Support));
    stage.doubles.knows("admin", caller(Role::Admin));
    let both = format!("/v1/presence?user_ids={own},c-1");

    for who in ["customer", "support"] {
        let refused = by(&stage, who, Method::GET, &both).await;
        let denied = "PERMISSION_DENIED".to_owned();
        let expected = (403, denied, place("parameter", "user_ids"));
        assert_eq!(refused.faults(), expected, "{who}");
    }
    assert_eq!(stage.fake.calls(), 0);
    let mine = format!("/v1/presence?user_ids={own}");
    assert_eq!(by(&stage, "customer", Method::GET, &mine).await.status, 200);
    assert_eq!(by(&stage, "admin", Method::GET, &both).await.status, 200);
}

#[tokio::test]
async fn those_of_a_group_who_are_connected_come_by_pages() {
    let stage = Stage::new().await;
    for role in [Role::Customer, Role::Manager, Role::Admin] {
        stage.doubles.knows(role.as_str(), caller(role));
    }
    let path = "/v1/notification-groups/staff/presence";

    let page = stage.get(&format!("{path}?page_size=7&page_token=t")).await;

    let presences = json!([
        {"user_id": "ada", "connections": 2, "since_time": "1970-01-01T00:00:00Z"},
    ]);
    let expected = json!({"presences": presences, "complete": false, "next_page_token": "next"});
    assert_eq!(told(&page), (200, expected));
    let wanted = ntf::ListPresentRequest {
        group_id: "staff".to_owned(),
        page_size: 7,
        page_token: "t".to_owned(),
    };
    assert_eq!(stage.fake.only::<ntf::ListPresentRequest>(), wanted);
    for (who, status) in [("customer", 403), ("manager", 403), ("admin", 200)] {
        let answer = by(&stage, who, Method::GET, path).await;
        assert_eq!(answer.status, status, "{who}");
    }
}

#[tokio::test]
async fn an_address_is_put_read_and_forgotten() {
    let stage = Stage::new().await;

    let put = put(&stage, MAILBOX, &json!({"address": ADDRESS})).await;
    let read = stage.get(MAILBOX).await;
    let removed = stage.send(bare(Method::DELETE, MAILBOX)).await;

    let expected = json!({
        "user_id": "c-1001",
        "address": ADDRESS,
        "refused": false,
        "update_time": "1970-01-01T00:00:00Z",
    });
    for answer in [&put, &read] {
        assert_eq!(told(answer), (200, expected.clone()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    assert_eq!((removed.status.as_u16(), removed.bytes.len()), (204, 0));
    let asked = &stage.fake.all::<ntf::PutAddressRequest>()[0];
    assert_eq!((&*asked.user_id, &*asked.address), ("c-1001", ADDRESS));
    assert_eq!(
        stage.fake.all::<ntf::GetAddressRequest>()[0].user_id,
        "c-1001"
    );
    assert_eq!(
        stage.fake.all::<ntf::DeleteAddressRequest>()[0].user_id,
        "c-1001"
    );
}

/// Whose it is is in the trail; what it is is not.
#[tokio::test]
async fn an_address_is_in_no_trail_and_in_no_error() {
    let stage = Stage::new().await;
    put(&stage, MAILBOX, &json!({"address": ADDRESS})).await;
    let entries = eventually("the call has ended", SOON, async || {
        let entries = stage.doubles.entries();
        (entries.len() == 2).then_some(entries)
    })
    .await;
    let odd = put(&stage, MAILBOX, &json!({"address": [ADDRESS]})).await;
    let unknown = put(
        &stage,
        MAILBOX,
        &json!({"address": "a@b.example", "mail": ADDRESS}),
    )
    .await;

    let whole = format!("{entries:?}");
    assert!(
        whole.contains("c-1001") && !whole.contains("canary"),
        "{whole}"
    );
    for answer in [odd, unknown] {
        assert_eq!(answer.status, 400);
        assert!(!answer.problem().to_string().contains("canary"));
    }
}

#[tokio::test]
async fn emails_are_listed_and_sent_again() {
    let stage = Stage::new().await;
    let path = "/v1/notification-recipients/c-1001/emails";
    let email = json!({
        "email_id": "eml_01h455vb4pex5vsknk084sn02q",
        "user_id": "c-1001",
        "notification_id": NOTIFICATION_ID,
        "type": "order.shipped",
        "state": "PENDING",
        "attempts": 1,
        "next_attempt_time": "1970-01-01T00:01:00Z",
        "last_status": 451,
        "last_error": "reply",
        "create_time": "1970-01-01T00:00:00Z",
    });

    let page = stage
        .get(&format!("{path}?state=SENT&page_size=7&page_token=t"))
        .await;
    let resend = keyed(Method::POST, "/v1/emails/eml_1/resend", "");
    let resent = stage.send(resend).await;

    assert_eq!(told(&page), (200, json!({"emails": [email]})));
    assert_eq!(told(&resent), (202, email));
    let wanted = ntf::ListEmailsRequest {
        user_id: "c-1001".to_owned(),
        state: ntf::EmailState::Sent.into(),
        page_size: 7,
        page_token: "t".to_owned(),
    };
    assert_eq!(stage.fake.all::<ntf::ListEmailsRequest>(), [wanted]);
    let wanted = ntf::ResendEmailRequest {
        request_id: "key-1".to_owned(),
        email_id: "eml_1".to_owned(),
    };
    assert_eq!(stage.fake.all::<ntf::ResendEmailRequest>(), [wanted]);
}

#[tokio::test]
async fn what_is_refused_about_e_mail_is_said_in_http() {
    let stage = Stage::new().await;
    let resend = "/v1/emails/eml_1/resend";
    for (method, path, code, reason, status) in [
        (
            Method::GET,
            MAILBOX,
            Code::NotFound,
            "ADDRESS_NOT_FOUND",
            404,
        ),
        (Method::POST, resend, Code::NotFound, "EMAIL_NOT_FOUND", 404),
        (
            Method::POST,
            resend,
            Code::FailedPrecondition,
            "ADDRESS_NOT_FOUND",
            409,
        ),
        (
            Method::POST,
            resend,
            Code::AlreadyExists,
            "REQUEST_ID_REUSED",
            422,
        ),
    ] {
        stage.fake.fail(failure(code, reason));
        let answer = stage.send(keyed(method, path, "")).await;
        assert_eq!(answer.faults(), (status, reason.to_owned(), vec![]));
    }
    let fault = failure(Code::InvalidArgument, "INVALID_FIELD").field("address", "is none");
    stage.fake.fail(fault);
    let odd = put(&stage, MAILBOX, &json!({"address": "ada"})).await;
    assert_eq!(odd.faults().2, place("pointer", "/address"));
}
