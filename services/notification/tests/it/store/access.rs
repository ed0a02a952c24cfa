//! Who gets in with only one of the rights that open a method.

use std::sync::Arc;

use tonic::{Code, Request};
use tradepost_notification::adapters::grpc::RULES;
use tradepost_notification::adapters::grpc::preferences::PREFERENCE_RULES;
use tradepost_notification::bootstrap::people::preferences;
use tradepost_notification::ports::Announcer;
use tradepost_proto::FILE_DESCRIPTOR_SET;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_server::NotificationService;
use tradepost_proto::notification::v1::preference_service_server::{
    PreferenceService, PreferenceServiceServer,
};
use tradepost_service::auth::Caller;
use tradepost_testkit::assert_guarded;

use super::support::Desk;

/// An API key has no notifications of its own, so no right to read them.
fn by_key<T>(desk: &Desk, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let caller = Caller::of_tenant(desk.tenant, "key", &["notifications:manage"]);
    request.extensions_mut().insert(Arc::new(caller));
    request
}

#[tokio::test]
async fn who_manages_groups_lists_them_without_reading_notifications() {
    let desk = Desk::open().await;
    desk.make_group("staff").await;
    let rule = RULES.iter().find(|rule| rule.method() == "ListGroups");

    let request = by_key(&desk, pb::ListGroupsRequest::default());
    let listed = desk.api.list_groups(request).await.unwrap().into_inner();

    assert_eq!(listed.groups[0].group_id, "staff");
    let rights: Vec<_> = rule.unwrap().rights().collect();
    assert_eq!(rights, ["notifications:read", "notifications:manage"]);
}

#[tokio::test]
async fn who_manages_preferences_of_others_need_not_read_their_own() {
    let desk = Desk::open().await;
    let announcer: Announcer = Arc::clone(&desk.heard) as _;
    let api = preferences(&desk.store, &announcer);
    let of_ann = pb::UpdatePreferencesRequest {
        user_id: "ann".to_owned(),
        preferences: Some(pb::Preferences {
            muted_types: vec!["order.*".to_owned()],
            ..pb::Preferences::default()
        }),
    };
    let anns = pb::GetPreferencesRequest {
        user_id: "ann".to_owned(),
    };

    let put = api.update_preferences(by_key(&desk, of_ann)).await;
    let read = api.get_preferences(by_key(&desk, anns)).await;

    assert_eq!(put.unwrap().into_inner().preferences.unwrap().revision, 1);
    assert_eq!(read.unwrap_err().code(), Code::PermissionDenied);
    let service = PreferenceServiceServer::new(api);
    assert_guarded(
        "notification",
        service,
        FILE_DESCRIPTOR_SET,
        &PREFERENCE_RULES,
    )
    .await;
}
