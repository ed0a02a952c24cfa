//! The notification service: who is told what, and what they were told. What is heard at once comes
//! by `live`.

mod recipients;
mod webhooks;

use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_client::NotificationServiceClient;

use super::calls::{Calls, Repeat};
use super::refusal::Refusal;

/// Its name in texts and metrics.
pub(super) const SERVICE: &str = "notification";

/// Notifications and groups, the people who are told, and the systems (`recipients`, `webhooks`).
pub struct Notifications {
    pub(super) calls: Calls,
}

impl Notifications {
    /// Tells users.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn send(
        &self,
        request: pb::SendToUsersRequest,
    ) -> Result<pb::SendToUsersResponse, Refusal> {
        let repeat = repeat_of(request.delivery());
        self.calls
            .answer(repeat, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .send_to_users(request)
                    .await
            })
            .await
    }

    /// Tells a group.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn broadcast(
        &self,
        request: pb::BroadcastToGroupRequest,
    ) -> Result<pb::BroadcastToGroupResponse, Refusal> {
        let repeat = repeat_of(request.delivery());
        self.calls
            .answer(repeat, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .broadcast_to_group(request)
                    .await
            })
            .await
    }

    /// Reads a page of what somebody was told.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn history(
        &self,
        request: pb::GetHistoryRequest,
    ) -> Result<pb::GetHistoryResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .get_history(request)
                    .await
            })
            .await
    }

    /// Reads how much is unread.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn unread(
        &self,
        request: pb::GetUnreadRequest,
    ) -> Result<pb::GetUnreadResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .get_unread(request)
                    .await
            })
            .await
    }

    /// Moves read cursors, which never move back.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn mark_read(
        &self,
        request: pb::MarkReadRequest,
    ) -> Result<pb::MarkReadResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .mark_read(request)
                    .await
            })
            .await
    }

    /// Makes a group, or names it anew.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn put_group(
        &self,
        request: pb::PutGroupRequest,
    ) -> Result<pb::PutGroupResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .put_group(request)
                    .await
            })
            .await
    }

    /// Reads a page of groups.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn list_groups(
        &self,
        request: pb::ListGroupsRequest,
    ) -> Result<pb::ListGroupsResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .list_groups(request)
                    .await
            })
            .await
    }

    /// Makes users members; who is one stays so.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn join(
        &self,
        request: pb::JoinGroupRequest,
    ) -> Result<pb::JoinGroupResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .join_group(request)
                    .await
            })
            .await
    }

    /// Ends memberships; who has none stays without.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn leave(
        &self,
        request: pb::LeaveGroupRequest,
    ) -> Result<pb::LeaveGroupResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .leave_group(request)
                    .await
            })
            .await
    }

    /// Reads a page of members.
    ///
    /// # Errors
    /// What the service refuses, or that it did not answer.
    pub async fn members(
        &self,
        request: pb::ListMembersRequest,
    ) -> Result<pb::ListMembersResponse, Refusal> {
        self.calls
            .answer(Repeat::Safe, request, |channel, request| async move {
                NotificationServiceClient::new(channel)
                    .list_members(request)
                    .await
            })
            .await
    }
}

/// What is stored carries the key of its wish; what is not would be told twice.
const fn repeat_of(delivery: pb::Delivery) -> Repeat {
    match delivery {
        pb::Delivery::Unspecified | pb::Delivery::Durable => Repeat::Safe,
        pb::Delivery::Ephemeral => Repeat::Never,
    }
}
