//! Preferences, presence and e-mail of the notification service: every RPC, answered with a sample.

use tonic::Request;
use tradepost_proto::notification::v1 as ntf;
use tradepost_proto::notification::v1::email_service_server::EmailService;
use tradepost_proto::notification::v1::preference_service_server::PreferenceService;
use tradepost_proto::notification::v1::presence_service_server::PresenceService;

use super::services::{Answer, NEXT};
use super::{Fake, samples};

/// What no log and no trail may have.
pub(crate) const ADDRESS: &str = "canary@example.com";

fn preferences() -> ntf::Preferences {
    ntf::Preferences {
        muted_types: vec!["order.*".to_owned()],
        quiet_hours: Some(ntf::QuietHours {
            start_minute: 22 * 60,
            end_minute: 7 * 60 + 5,
            time_zone: "Europe/London".to_owned(),
        }),
        channel_rules: vec![ntf::ChannelRule {
            types: "order.shipped".to_owned(),
            channels: vec![ntf::Channel::Live.into(), ntf::Channel::Email.into()],
        }],
        revision: 3,
        update_time: samples::at(0),
    }
}

#[tonic::async_trait]
impl PreferenceService for Fake {
    async fn get_preferences(
        &self,
        request: Request<ntf::GetPreferencesRequest>,
    ) -> Answer<ntf::GetPreferencesResponse> {
        let preferences = match *self.old.lock().unwrap() {
            true => ntf::Preferences::default(),
            false => preferences(),
        };
        let preferences = Some(preferences);
        self.answer(request, || ntf::GetPreferencesResponse { preferences })
            .await
    }

    async fn update_preferences(
        &self,
        request: Request<ntf::UpdatePreferencesRequest>,
    ) -> Answer<ntf::UpdatePreferencesResponse> {
        let preferences = Some(preferences());
        self.answer(request, || ntf::UpdatePreferencesResponse { preferences })
            .await
    }
}

fn presences() -> Vec<ntf::Presence> {
    let presence = |user: &str, connections, since_time| ntf::Presence {
        user_id: user.to_owned(),
        connections,
        since_time,
    };
    vec![presence("ada", 2, samples::at(0)), presence("bob", 0, None)]
}

#[tonic::async_trait]
impl PresenceService for Fake {
    async fn get_presence(
        &self,
        request: Request<ntf::GetPresenceRequest>,
    ) -> Answer<ntf::GetPresenceResponse> {
        let sample = || ntf::GetPresenceResponse {
            presences: presences(),
            complete: true,
        };
        self.answer(request, sample).await
    }

    async fn list_present(
        &self,
        request: Request<ntf::ListPresentRequest>,
    ) -> Answer<ntf::ListPresentResponse> {
        let sample = || ntf::ListPresentResponse {
            presences: presences()[..1].to_vec(),
            next_page_token: NEXT.to_owned(),
            complete: false,
        };
        self.answer(request, sample).await
    }
}

fn address() -> ntf::EmailAddress {
    ntf::EmailAddress {
        user_id: "c-1001".to_owned(),
        address: ADDRESS.to_owned(),
        refused: false,
        update_time: samples::at(0),
    }
}

fn email() -> ntf::Email {
    ntf::Email {
        email_id: "eml_01h455vb4pex5vsknk084sn02q".to_owned(),
        user_id: "c-1001".to_owned(),
        notification_id: samples::NOTIFICATION_ID.to_owned(),
        r#type: "order.shipped".to_owned(),
        state: ntf::EmailState::Pending.into(),
        attempts: 1,
        next_attempt_time: samples::at(60),
        last_status: 451,
        last_error: "reply".to_owned(),
        create_time: samples::at(0),
    }
}

#[tonic::async_trait]
impl EmailService for Fake {
    async fn put_address(
        &self,
        request: Request<ntf::PutAddressRequest>,
    ) -> Answer<ntf::PutAddressResponse> {
        let email_address = Some(address());
        self.answer(request, || ntf::PutAddressResponse { email_address })
            .await
    }

    async fn get_address(
        &self,
        request: Request<ntf::GetAddressRequest>,
    ) -> Answer<ntf::GetAddressResponse> {
        let email_address = Some(address());
        self.answer(request, || ntf::GetAddressResponse { email_address })
            .await
    }

    async fn delete_address(
        &self,
        request: Request<ntf::DeleteAddressRequest>,
    ) -> Answer<ntf::DeleteAddressResponse> {
        self.answer(request, || ntf::DeleteAddressResponse {}).await
    }

    async fn list_emails(
        &self,
        request: Request<ntf::ListEmailsRequest>,
    ) -> Answer<ntf::ListEmailsResponse> {
        let sample = || ntf::ListEmailsResponse {
            emails: vec![email()],
            next_page_token: String::new(),
        };
        self.answer(request, sample).await
    }

    async fn resend_email(
        &self,
        request: Request<ntf::ResendEmailRequest>,
    ) -> Answer<ntf::ResendEmailResponse> {
        let email = Some(email());
        self.answer(request, || ntf::ResendEmailResponse { email })
            .await
    }
}
