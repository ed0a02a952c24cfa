//! The calls about who is connected.

use time::OffsetDateTime;
use tonic::{Request, Response, Status};
use tradepost_notifications::stream::UserName;
use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::notification::v1 as pb;
use tradepost_proto::notification::v1::presence_service_server::PresenceService;
use tradepost_service::RequestContext;
use tradepost_service::auth::Rule;

use super::{READ_ANY, parse, status};
use crate::application::KnowPresence;
use crate::ports::Present;

/// What opens the methods. Whether another user is connected takes `notifications:read_any` besides.
pub const PRESENCE_RULES: [Rule; 2] = [
    Rule::of_tenant("GetPresence", "notifications:read"),
    Rule::of_tenant("ListPresent", READ_ANY),
];

/// The calls.
#[derive(Clone)]
pub struct PresenceApi {
    presence: KnowPresence,
}

impl PresenceApi {
    /// Calls that ask this.
    #[must_use]
    pub const fn new(presence: KnowPresence) -> Self {
        Self { presence }
    }
}

#[tonic::async_trait]
impl PresenceService for PresenceApi {
    async fn get_presence(
        &self,
        request: Request<pb::GetPresenceRequest>,
    ) -> Result<Response<pb::GetPresenceResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let users = parse::present_users(&context, &request.get_ref().user_ids)?;
        let found = self.presence.of(context.tenant, users).await;
        let presences = found.users.into_iter();
        Ok(Response::new(pb::GetPresenceResponse {
            presences: presences.map(render).collect(),
            complete: found.is_complete,
        }))
    }

    async fn list_present(
        &self,
        request: Request<pb::ListPresentRequest>,
    ) -> Result<Response<pb::ListPresentResponse>, Status> {
        let context = RequestContext::of(&request)?;
        let (group, after, page) = parse::present(&context, request.into_inner())?;
        let tenant = context.tenant;
        let members = self
            .presence
            .members(tenant, &group, after.as_ref(), page.limit());
        let members = members.await.map_err(|error| status::store(&error))?;
        let members = members.ok_or_else(status::no_group)?;
        let page = page.page(members, |user| UserName::as_str(user).to_owned());
        let found = self.presence.of(tenant, page.items).await;
        let here = found.users.into_iter().filter(|(_, here)| here.is_some());
        Ok(Response::new(pb::ListPresentResponse {
            presences: here.map(render).collect(),
            next_page_token: page.next_page_token,
            complete: found.is_complete,
        }))
    }
}

fn render((user, present): (UserName, Option<Present>)) -> pb::Presence {
    let since = present.and_then(|present| {
        let nanos = i128::from(present.since_ms) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
    });
    pb::Presence {
        user_id: user.into(),
        connections: present.map_or(0, |present| present.connections),
        since_time: since.map(timestamp_to_proto),
    }
}
