//! The gRPC face: parse, call the use case, render.

pub mod access;
pub mod email;
mod parse;
pub mod preferences;
pub mod presence;
mod reading;
mod render;
mod sends;
mod status;
pub mod webhooks;

use tonic::{Request, Response, Status, Streaming};
use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::notification_service_server::NotificationService;
use tradepost_service::RequestContext;
use tradepost_service::auth::Rule;
use tradepost_types::NotificationId;

use crate::application::{KeepGroups, Passing, ReadHistory, Tell};
use crate::ports::{Receipt, Telling};
use parse::Sending;
pub use sends::SendStreams;

/// What opens the methods. What is another user's takes [`READ_ANY`] besides, and the list of all groups
/// [`MANAGE`].
pub const RULES: [Rule; 11] = [
    Rule::of_tenant("SendToUsers", "notifications:send"),
    Rule::of_tenant("BroadcastToGroup", "notifications:send"),
    Rule::of_tenant("StreamSends", "notifications:send"),
    Rule::of_tenant("GetHistory", "notifications:read"),
    Rule::of_tenant("GetUnread", "notifications:read"),
    Rule::of_tenant("MarkRead", "notifications:read"),
    Rule::of_tenant("PutGroup", MANAGE),
    Rule::of_tenant("ListGroups", "notifications:read").or(&[MANAGE]),
    Rule::of_tenant("JoinGroup", MANAGE),
    Rule::of_tenant("LeaveGroup", MANAGE),
    Rule::of_tenant("ListMembers", MANAGE),
];
/// The right to what was told to others.
const READ_ANY: &str = "notifications:read_any";
/// The right to groups and their members.
const MANAGE: &str = "notifications:manage";

/// The use cases behind the gRPC service.
#[derive(Clone)]
pub struct NotificationApi {
    /// Tells people.
    pub tell: Tell,
    /// What they were told.
    pub history: ReadHistory,
    /// Groups and their members.
    pub groups: KeepGroups,
    /// What streams of sends share.
    pub streams: SendStreams,
}

impl NotificationApi {
    async fn send(&self, context: &RequestContext, sending: Sending) -> Result<Receipt, Status> {
        let told = match sending {
            Sending::Durable {
                whom,
                content,
                request,
            } => {
                let telling = Telling {
                    tenant: context.tenant,
                    whom,
                    id: NotificationId::new(),
                    content: content.into(),
                    request,
                };
                self.tell.durable(telling).await
            }
            Sending::Ephemeral {
                whom,
                content,
                collapse,
            } => {
                let passing = Passing {
                    tenant: context.tenant,
                    whom,
                    content,
                    collapse,
                };
                let sent = self.tell.ephemeral(passing).await;
                sent.map(|id| Receipt {
                    id,
                    sequences: Vec::new(),
                })
            }
        };
        told.map_err(|why| status::not_told(&why))
    }
}

#[tonic::async_trait]
impl NotificationService for NotificationApi {
    type StreamSendsStream = sends::Outcomes;

    async fn send_to_users(
        &self,
        request: Request<pb::SendToUsersRequest>,
    ) -> Result<Response<pb::SendToUsersResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let sending = parse::to_users(request.into_inner())?;
        let receipt = self.send(&context, sending).await?;
        Ok(Response::new(render::to_users(receipt)))
    }

    async fn broadcast_to_group(
        &self,
        request: Request<pb::BroadcastToGroupRequest>,
    ) -> Result<Response<pb::BroadcastToGroupResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let sending = parse::to_group(request.into_inner())?;
        let receipt = self.send(&context, sending).await?;
        Ok(Response::new(render::to_group(receipt)))
    }

    async fn stream_sends(
        &self,
        request: Request<Streaming<pb::StreamSendsRequest>>,
    ) -> Result<Response<sends::Outcomes>, Status> {
        let context = RequestContext::of(&request)?;
        let outcomes = sends::outcomes(self.clone(), context, request.into_inner())?;
        Ok(Response::new(outcomes))
    }

    async fn get_history(
        &self,
        request: Request<pb::GetHistoryRequest>,
    ) -> Result<Response<pb::GetHistoryResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let request = request.get_ref();
        let reader = parse::reader(&context, &request.user_id)?;
        let (question, page) = parse::history(request, &reader)?;
        let kept = self.history.page(&reader, &question).await;
        let kept = kept.map_err(|error| status::store(&error))?;
        let page = page.page(kept, |kept| parse::token(&kept.key));
        Ok(Response::new(render::history(page)))
    }

    async fn get_unread(
        &self,
        request: Request<pb::GetUnreadRequest>,
    ) -> Result<Response<pb::GetUnreadResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let reader = parse::reader(&context, &request.get_ref().user_id)?;
        let cursors = self.history.cursors(&reader).await;
        let cursors = cursors.map_err(|error| status::store(&error))?;
        Ok(Response::new(pb::GetUnreadResponse {
            unread: render::unread(&cursors),
            cursors: cursors.iter().map(render::cursor).collect(),
        }))
    }

    async fn mark_read(
        &self,
        request: Request<pb::MarkReadRequest>,
    ) -> Result<Response<pb::MarkReadResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let request = request.get_ref();
        let reader = parse::reader(&context, &request.user_id)?;
        let marks = parse::marks(&request.cursors)?;
        let cursors = self.history.mark(&reader, &marks).await;
        let cursors = cursors.map_err(|why| status::not_marked(&why))?;
        let is_named = |stream| marks.is_empty() || marks.iter().any(|(named, _)| named == stream);
        let named = cursors.iter().filter(|cursor| is_named(&cursor.stream));
        Ok(Response::new(pb::MarkReadResponse {
            unread: render::unread(&cursors),
            cursors: named.map(render::cursor).collect(),
        }))
    }

    async fn put_group(
        &self,
        request: Request<pb::PutGroupRequest>,
    ) -> Result<Response<pb::PutGroupResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (group, display_name) = parse::put_group(request.get_ref())?;
        let group = self.groups.put(tenant, &group, display_name).await;
        let group = group.map_err(|error| status::store(&error))?;
        let group = group.ok_or_else(status::too_many_groups)?;
        Ok(Response::new(pb::PutGroupResponse {
            group: Some(render::group(group)),
        }))
    }

    async fn list_groups(
        &self,
        request: Request<pb::ListGroupsRequest>,
    ) -> Result<Response<pb::ListGroupsResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let request = request.get_ref();
        let user = parse::whose_groups(&context, &request.user_id)?;
        let (after, page) = parse::groups(request)?;
        let (tenant, limit) = (context.tenant, page.limit());
        let groups = self
            .groups
            .list(tenant, user.as_ref(), after.as_ref(), limit);
        let groups = groups.await.map_err(|error| status::store(&error))?;
        let page = page.page(groups, |group| GroupName::as_str(&group.id).to_owned());
        Ok(Response::new(pb::ListGroupsResponse {
            groups: page.items.into_iter().map(render::group).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn join_group(
        &self,
        request: Request<pb::JoinGroupRequest>,
    ) -> Result<Response<pb::JoinGroupResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let request = request.get_ref();
        let (group, users) = parse::membership(&request.group_id, &request.user_ids)?;
        let joined = self.groups.join(tenant, &group, &users).await;
        Ok(Response::new(pb::JoinGroupResponse {
            joined: render::count(joined.map_err(|why| status::not_joined(&why))?),
        }))
    }

    async fn leave_group(
        &self,
        request: Request<pb::LeaveGroupRequest>,
    ) -> Result<Response<pb::LeaveGroupResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let request = request.get_ref();
        let (group, users) = parse::membership(&request.group_id, &request.user_ids)?;
        let left = self.groups.leave(tenant, &group, &users).await;
        Ok(Response::new(pb::LeaveGroupResponse {
            left: render::count(left.map_err(|why| status::not_joined(&why))?),
        }))
    }

    async fn list_members(
        &self,
        request: Request<pb::ListMembersRequest>,
    ) -> Result<Response<pb::ListMembersResponse>, Status> {
        let tenant = RequestContext::of(&request)?.tenant;
        let (group, after, page) = parse::members(request.get_ref())?;
        let members = self
            .groups
            .members(tenant, &group, after.as_ref(), page.limit());
        let members = members.await.map_err(|why| status::not_joined(&why))?;
        let page = page.page(members, |user| UserName::as_str(user).to_owned());
        Ok(Response::new(pb::ListMembersResponse {
            user_ids: page.items.into_iter().map(String::from).collect(),
            next_page_token: page.next_page_token,
        }))
    }
}
