//! Groups as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::notification::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::domain::caller::Caller;
use crate::domain::rights::Permission;
use crate::http::caller::need;
use crate::http::problem::Problem;
use crate::http::values::text;

/// A group that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGroup {
    /// Its name, for people.
    #[schema(max_length = 200, example = "The staff")]
    display_name: String,
}

impl NewGroup {
    pub(super) fn into_request(self, group_id: String) -> pb::PutGroupRequest {
        pb::PutGroupRequest {
            group_id,
            display_name: self.display_name,
        }
    }
}

/// A group of users.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Group {
    /// Its id.
    #[schema(example = "staff")]
    group_id: String,
    /// Its name, for people.
    #[schema(example = "The staff")]
    display_name: String,
    /// The last sequence of its stream.
    #[schema(example = 42)]
    top: u64,
}

impl From<pb::Group> for Group {
    fn from(group: pb::Group) -> Self {
        Self {
            group_id: group.group_id,
            display_name: group.display_name,
            top: group.top,
        }
    }
}

/// Which groups to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct GroupFilter {
    /// Only those that this user is in; another than the caller needs the permission
    /// `notifications:manage`.
    #[serde(default)]
    #[param(
        required = false,
        nullable = false,
        example = "user_01h455vb4pex5vsknk084sn02q"
    )]
    user_id: Option<String>,
    /// Groups a page: 0 or none = 20, at most 100.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl GroupFilter {
    /// # Errors
    /// Somebody else's, without the right to manage groups.
    pub(super) fn into_request(self, caller: &Caller) -> Result<pb::ListGroupsRequest, Problem> {
        let own = caller.subject.to_string();
        let managed = need(caller, Permission::NotificationsManage);
        let user_id = match (managed, self.user_id) {
            (Ok(()), given) => given.unwrap_or_default(),
            (Err(problem), Some(given)) if given != own => {
                let wanted = "must be left out, or needs the permission notifications:manage";
                return Err(problem.parameter("user_id", wanted));
            }
            (Err(_), _) => own,
        };
        Ok(pb::ListGroupsRequest {
            user_id,
            page_size: self.page_size,
            page_token: self.page_token,
        })
    }
}

/// A page of groups.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupPage {
    /// By id.
    groups: Vec<Group>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl From<pb::ListGroupsResponse> for GroupPage {
    fn from(page: pb::ListGroupsResponse) -> Self {
        Self {
            groups: page.groups.into_iter().map(Group::from).collect(),
            next_page_token: text(page.next_page_token),
        }
    }
}

/// Which members to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MemberFilter {
    /// Members a page: 0 or none = 100, at most 1,000.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl MemberFilter {
    pub(super) fn into_request(self, group_id: String) -> pb::ListMembersRequest {
        pb::ListMembersRequest {
            group_id,
            page_size: self.page_size,
            page_token: self.page_token,
        }
    }
}

/// A page of members.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MemberPage {
    /// Their user ids, in order.
    user_ids: Vec<String>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl From<pb::ListMembersResponse> for MemberPage {
    fn from(page: pb::ListMembersResponse) -> Self {
        Self {
            user_ids: page.user_ids,
            next_page_token: text(page.next_page_token),
        }
    }
}
