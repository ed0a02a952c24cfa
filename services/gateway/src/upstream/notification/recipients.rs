//! How people want to be told, who is connected, and who is told by e-mail.

use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::email_service_client::EmailServiceClient;
use tradepost_proto::notification::v1::preference_service_client::PreferenceServiceClient;
use tradepost_proto::notification::v1::presence_service_client::PresenceServiceClient;

use super::Notifications;
use crate::upstream::calls::Repeat;
use crate::upstream::refusal::Refusal;

impl Notifications {
    /// Reads what a user prefers.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn preferences(
        &self,
        request: pb::GetPreferencesRequest,
    ) -> Result<pb::GetPreferencesResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                PreferenceServiceClient::new(channel)
                    .get_preferences(request)
                    .await
            })
            .await
    }

    /// Replaces what a user prefers.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn update_preferences(
        &self,
        request: pb::UpdatePreferencesRequest,
    ) -> Result<pb::UpdatePreferencesResponse, Refusal> {
        let repeat = repeat_of(&request);
        self.calls
            .answer(repeat, request, |channel, request| async move {
                PreferenceServiceClient::new(channel)
                    .update_preferences(request)
                    .await
            })
            .await
    }

    /// Reads whether users are connected.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn presence(
        &self,
        request: pb::GetPresenceRequest,
    ) -> Result<pb::GetPresenceResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                PresenceServiceClient::new(channel)
                    .get_presence(request)
                    .await
            })
            .await
    }

    /// Reads a page of the members of a group that are connected.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn present(
        &self,
        request: pb::ListPresentRequest,
    ) -> Result<pb::ListPresentResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                PresenceServiceClient::new(channel)
                    .list_present(request)
                    .await
            })
            .await
    }

    /// Says where a user reads e-mail.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn put_address(
        &self,
        request: pb::PutAddressRequest,
    ) -> Result<pb::PutAddressResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                EmailServiceClient::new(channel).put_address(request).await
            })
            .await
    }

    /// Reads where a user reads e-mail.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn address(
        &self,
        request: pb::GetAddressRequest,
    ) -> Result<pb::GetAddressResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                EmailServiceClient::new(channel).get_address(request).await
            })
            .await
    }

    /// Forgets an address; one that is not there stays so.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn delete_address(
        &self,
        request: pb::DeleteAddressRequest,
    ) -> Result<pb::DeleteAddressResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                EmailServiceClient::new(channel)
                    .delete_address(request)
                    .await
            })
            .await
    }

    /// Reads a page of what was and is to be mailed to a user.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn emails(
        &self,
        request: pb::ListEmailsRequest,
    ) -> Result<pb::ListEmailsResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                EmailServiceClient::new(channel).list_emails(request).await
            })
            .await
    }

    /// Sends an e-mail again.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn resend_email(
        &self,
        request: pb::ResendEmailRequest,
    ) -> Result<pb::ResendEmailResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                EmailServiceClient::new(channel).resend_email(request).await
            })
            .await
    }
}

/// A revision is good once: if the answer was lost, the same wish would find itself stale.
fn repeat_of(request: &pb::UpdatePreferencesRequest) -> Repeat {
    match &request.preferences {
        Some(preferences) if preferences.revision > 0 => Repeat::Never,
        Some(_) | None => Repeat::Safe,
    }
}
