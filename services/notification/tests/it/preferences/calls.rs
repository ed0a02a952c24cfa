//! The calls: rights, bad fields, revisions, tenants.

use tonic::{Code, Status};
use tradepost_notification::adapters::grpc::preferences::PreferenceApi;
use tradepost_notification::bootstrap::people;
use tradepost_notification::ports::{Announcement, Announcer};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::preference_service_server::PreferenceService;
use tradepost_service::error::ErrorDetails;
use tradepost_types::TenantId;

use crate::stage::by;
use crate::store::support::Desk;

const READ: &[&str] = &["notifications:read"];

fn api(desk: &Desk) -> PreferenceApi {
    let announcer: Announcer = std::sync::Arc::clone(&desk.heard) as _;
    people::preferences(&desk.store, &announcer)
}

fn whole() -> pb::Preferences {
    pb::Preferences {
        muted_types: vec!["chat.*".to_owned()],
        quiet_hours: Some(pb::QuietHours {
            start_minute: 22 * 60,
            end_minute: 7 * 60,
            time_zone: "Europe/London".to_owned(),
        }),
        channel_rules: vec![pb::ChannelRule {
            types: "order.*".to_owned(),
            channels: vec![pb::Channel::Email.into(), pb::Channel::Live.into()],
        }],
        ..pb::Preferences::default()
    }
}

async fn put(
    api: &PreferenceApi,
    tenant: TenantId,
    user: &str,
    preferences: pb::Preferences,
) -> Result<pb::Preferences, Status> {
    let request = pb::UpdatePreferencesRequest {
        user_id: String::new(),
        preferences: Some(preferences),
    };
    let request = by(tenant, (user, READ), request);
    let answer = api.update_preferences(request).await?.into_inner();
    Ok(answer.preferences.unwrap())
}

async fn get(api: &PreferenceApi, tenant: TenantId, user: &str) -> pb::Preferences {
    let request = pb::GetPreferencesRequest::default();
    let request = by(tenant, (user, READ), request);
    let answer = api.get_preferences(request).await.unwrap().into_inner();
    answer.preferences.unwrap()
}

fn reason(status: &Status) -> String {
    ErrorDetails::from_status(status).reason
}

#[tokio::test]
async fn what_is_put_is_got_and_announced() {
    let desk = Desk::open().await;
    let api = api(&desk);

    assert_eq!(
        get(&api, desk.tenant, "ada").await,
        pb::Preferences::default()
    );
    let first = put(&api, desk.tenant, "ada", whole()).await.unwrap();
    let second = put(&api, desk.tenant, "ada", pb::Preferences::default()).await;

    assert_eq!(first.revision, 1);
    let wanted = pb::Preferences {
        revision: 1,
        update_time: first.update_time,
        ..whole()
    };
    assert!(first.update_time.is_some());
    assert_eq!(first, wanted);
    let second = second.unwrap();
    assert_eq!((second.revision, second.muted_types.len()), (2, 0));
    assert_eq!(get(&api, desk.tenant, "ada").await, second);
    let revision = |heard| {
        let Announcement::Preferences(change) = heard else {
            panic!("{heard:?}");
        };
        assert_eq!(change.reader, desk.reader("ada"));
        assert!(change.preferences.is_some());
        change.revision
    };
    let revisions: Vec<_> = desk.heard.take().into_iter().map(revision).collect();
    assert_eq!(revisions, [1, 2]);
}

#[tokio::test]
async fn the_e_mail_channel_finds_who_names_it() {
    let desk = Desk::open().await;
    let api = api(&desk);
    let wants = async || -> Vec<(String, bool)> {
        let mut tx = desk.database.system_tx().await.unwrap();
        sqlx::query_as("select user_id, wants_email from user_preferences order by user_id")
            .fetch_all(tx.conn())
            .await
            .unwrap()
    };

    put(&api, desk.tenant, "ada", whole()).await.unwrap();
    let quiet = pb::Preferences {
        channel_rules: Vec::new(),
        ..whole()
    };
    put(&api, desk.tenant, "bob", quiet.clone()).await.unwrap();

    let (ada, bob) = ("ada".to_owned(), "bob".to_owned());
    assert_eq!(wants().await, [(ada.clone(), true), (bob.clone(), false)]);
    put(&api, desk.tenant, "ada", quiet).await.unwrap();
    assert_eq!(wants().await, [(ada, false), (bob, false)]);
}

#[tokio::test]
async fn of_two_who_change_the_same_revision_one_is_told_so() {
    let desk = Desk::open().await;
    let api = api(&desk);
    let with = |revision| pb::Preferences {
        revision,
        ..whole()
    };

    // There is none yet.
    let early = put(&api, desk.tenant, "ada", with(1)).await.unwrap_err();
    put(&api, desk.tenant, "ada", whole()).await.unwrap();
    let (one, two) = tokio::join!(
        put(&api, desk.tenant, "ada", with(1)),
        put(&api, desk.tenant, "ada", with(1))
    );

    let (done, stale): (Vec<_>, Vec<_>) = [one, two].into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), stale.len()), (1, 1));
    for stale in [early, stale.into_iter().next().unwrap().unwrap_err()] {
        assert_eq!(stale.code(), Code::Aborted);
        assert_eq!(reason(&stale), "REVISION_STALE");
    }
    assert_eq!(get(&api, desk.tenant, "ada").await.revision, 2);
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let desk = Desk::open().await;
    let rule = |types: &str, channels: &[i32]| pb::ChannelRule {
        types: types.to_owned(),
        channels: channels.to_vec(),
    };
    let bad = pb::Preferences {
        muted_types: vec!["ok".to_owned(), "No".to_owned()],
        quiet_hours: Some(pb::QuietHours {
            start_minute: 1_440,
            end_minute: -1,
            time_zone: "Europe/Atlantis".to_owned(),
        }),
        channel_rules: vec![
            rule("*.x", &[1]),
            rule("*", &[1, 2, 1]),
            rule("*", &[0]),
            rule("*", &[9]),
        ],
        ..pb::Preferences::default()
    };
    let same = pb::Preferences {
        quiet_hours: Some(pb::QuietHours {
            start_minute: 5,
            end_minute: 5,
            time_zone: "UTC".to_owned(),
        }),
        ..pb::Preferences::default()
    };
    let many = pb::Preferences {
        muted_types: vec!["a".to_owned(); 101],
        channel_rules: vec![rule("a", &[]); 101],
        ..pb::Preferences::default()
    };

    for (preferences, wanted) in [
        (
            bad,
            vec![
                "muted_types[1]",
                "quiet_hours.start_minute",
                "quiet_hours.end_minute",
                "quiet_hours.time_zone",
                "channel_rules[0].types",
                "channel_rules[1].channels[2]",
                "channel_rules[2].channels[0]",
                "channel_rules[3].channels[0]",
            ],
        ),
        (same, vec!["quiet_hours.end_minute"]),
        (many, vec!["muted_types", "channel_rules"]),
    ] {
        let refused = put(&api(&desk), desk.tenant, "ada", preferences).await;

        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let fields = ErrorDetails::from_status(&refused).fields.into_iter();
        let fields: Vec<_> = fields.map(|field| field.field).collect();
        let wanted: Vec<_> = wanted
            .iter()
            .map(|it| format!("preferences.{it}"))
            .collect();
        assert_eq!(fields, wanted);
    }
}

#[tokio::test]
async fn as_many_as_there_may_be_are_kept() {
    let desk = Desk::open().await;
    let api = api(&desk);
    let many = pb::Preferences {
        muted_types: (0..100).map(|n| format!("{n}{}", "a".repeat(60))).collect(),
        channel_rules: (0..100)
            .map(|n| pb::ChannelRule {
                types: format!("{n}{}.*", "a".repeat(59)),
                channels: vec![1, 2],
            })
            .collect(),
        ..pb::Preferences::default()
    };

    let stored = put(&api, desk.tenant, "ada", many.clone()).await.unwrap();

    assert_eq!(stored.muted_types, many.muted_types);
    assert_eq!(stored.channel_rules, many.channel_rules);
}

#[tokio::test]
async fn anothers_take_more_rights_and_another_tenants_are_not_there() {
    let desk = Desk::open().await;
    let api = api(&desk);
    put(&api, desk.tenant, "ada", whole()).await.unwrap();
    let get_as = async |rights: &[&str]| {
        let request = pb::GetPreferencesRequest {
            user_id: "ada".to_owned(),
        };
        let request = by(desk.tenant, ("bob", rights), request);
        api.get_preferences(request).await.map(drop)
    };
    let put_as = async |rights: &[&str]| {
        let request = pb::UpdatePreferencesRequest {
            user_id: "ada".to_owned(),
            preferences: Some(whole()),
        };
        let request = by(desk.tenant, ("bob", rights), request);
        api.update_preferences(request).await.map(drop)
    };

    for refused in [
        get_as(READ).await,
        get_as(&["notifications:read", "notifications:manage"]).await,
        put_as(READ).await,
        put_as(&["notifications:read", "notifications:read_any"]).await,
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        assert_eq!(reason(&refused), "USER_FORBIDDEN");
    }
    get_as(&["notifications:read_any"]).await.unwrap();
    put_as(&["notifications:manage"]).await.unwrap();

    let stranger = TenantId::new();
    assert_eq!(get(&api, stranger, "ada").await.revision, 0);
    let theirs = put(&api, stranger, "ada", whole()).await.unwrap();
    assert_eq!(theirs.revision, 1);
    assert_eq!(get(&api, desk.tenant, "ada").await.revision, 2);
}
