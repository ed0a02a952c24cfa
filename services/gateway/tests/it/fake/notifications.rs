//! The notification service: every RPC, answered with a sample.

use std::pin::Pin;

use futures::Stream;
use tonic::{Request, Status, Streaming};
use tradepost_proto::notification::v1 as ntf;
use tradepost_proto::notification::v1::notification_service_server::NotificationService;

use super::services::{Answer, NEXT};
use super::{Fake, samples};

type Outcomes = Result<ntf::StreamSendsResponse, Status>;

#[tonic::async_trait]
impl NotificationService for Fake {
    type StreamSendsStream = Pin<Box<dyn Stream<Item = Outcomes> + Send>>;

    async fn stream_sends(
        &self,
        _request: Request<Streaming<ntf::StreamSendsRequest>>,
    ) -> Answer<Self::StreamSendsStream> {
        Err(Status::unimplemented("the gateway sends one by one"))
    }

    async fn send_to_users(
        &self,
        request: Request<ntf::SendToUsersRequest>,
    ) -> Answer<ntf::SendToUsersResponse> {
        let sequences = match request.get_ref().delivery() {
            ntf::Delivery::Ephemeral => vec![],
            ntf::Delivery::Unspecified | ntf::Delivery::Durable => vec![7, 1],
        };
        let sample = || ntf::SendToUsersResponse {
            notification_id: samples::NOTIFICATION_ID.to_owned(),
            sequences,
        };
        self.answer(request, sample).await
    }

    async fn broadcast_to_group(
        &self,
        request: Request<ntf::BroadcastToGroupRequest>,
    ) -> Answer<ntf::BroadcastToGroupResponse> {
        let sequence = match request.get_ref().delivery() {
            ntf::Delivery::Ephemeral => 0,
            ntf::Delivery::Unspecified | ntf::Delivery::Durable => 42,
        };
        let sample = || ntf::BroadcastToGroupResponse {
            notification_id: samples::NOTIFICATION_ID.to_owned(),
            sequence,
        };
        self.answer(request, sample).await
    }

    async fn get_history(
        &self,
        request: Request<ntf::GetHistoryRequest>,
    ) -> Answer<ntf::GetHistoryResponse> {
        let sample = || ntf::GetHistoryResponse {
            notifications: vec![samples::notification()],
            next_page_token: NEXT.to_owned(),
        };
        self.answer(request, sample).await
    }

    async fn get_unread(
        &self,
        request: Request<ntf::GetUnreadRequest>,
    ) -> Answer<ntf::GetUnreadResponse> {
        let sample = || ntf::GetUnreadResponse {
            unread: 3,
            cursors: samples::cursors(),
        };
        self.answer(request, sample).await
    }

    async fn mark_read(
        &self,
        request: Request<ntf::MarkReadRequest>,
    ) -> Answer<ntf::MarkReadResponse> {
        let sample = || ntf::MarkReadResponse {
            unread: 3,
            cursors: samples::cursors(),
        };
        self.answer(request, sample).await
    }

    async fn put_group(
        &self,
        request: Request<ntf::PutGroupRequest>,
    ) -> Answer<ntf::PutGroupResponse> {
        let group = Some(samples::group());
        self.answer(request, || ntf::PutGroupResponse { group })
            .await
    }

    async fn list_groups(
        &self,
        request: Request<ntf::ListGroupsRequest>,
    ) -> Answer<ntf::ListGroupsResponse> {
        let sample = || ntf::ListGroupsResponse {
            groups: vec![samples::group()],
            next_page_token: NEXT.to_owned(),
        };
        self.answer(request, sample).await
    }

    async fn join_group(
        &self,
        request: Request<ntf::JoinGroupRequest>,
    ) -> Answer<ntf::JoinGroupResponse> {
        self.answer(request, || ntf::JoinGroupResponse { joined: 1 })
            .await
    }

    async fn leave_group(
        &self,
        request: Request<ntf::LeaveGroupRequest>,
    ) -> Answer<ntf::LeaveGroupResponse> {
        self.answer(request, || ntf::LeaveGroupResponse { left: 0 })
            .await
    }

    async fn list_members(
        &self,
        request: Request<ntf::ListMembersRequest>,
    ) -> Answer<ntf::ListMembersResponse> {
        let sample = || ntf::ListMembersResponse {
            user_ids: vec!["ada".to_owned(), "bob".to_owned()],
            next_page_token: String::new(),
        };
        self.answer(request, sample).await
    }
}
