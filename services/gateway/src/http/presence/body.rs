//! Presence as JSON.

use serde::{Deserialize, Serialize};
use tradepost_proto::notification::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::domain::caller::Caller;
use crate::domain::rights::Permission;
use crate::http::caller::need;
use crate::http::problem::Problem;
use crate::http::values::{Time, maybe_instant, text};

/// Whose presence is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Watched {
    /// Whose, with commas between them: up to 1,000. Left out: the caller's; others need the permission
    /// `notifications:read_any`. An id that has a comma itself cannot be asked for here.
    #[param(nullable = false, example = "c-1001,c-1002")]
    user_ids: Option<String>,
}

impl Watched {
    /// # Errors
    /// Others, without the right to read what is theirs.
    pub(super) fn into_request(self, caller: &Caller) -> Result<pb::GetPresenceRequest, Problem> {
        let own = caller.subject.to_string();
        let named = self.user_ids.iter().flat_map(|names| names.split(','));
        let user_ids: Vec<_> = named.map(str::to_owned).collect();
        if user_ids.iter().any(|user| *user != own) {
            let wanted = "must be left out, or needs the permission notifications:read_any";
            need(caller, Permission::NotificationsReadAny)
                .map_err(|problem| problem.parameter("user_ids", wanted))?;
        }
        Ok(pb::GetPresenceRequest { user_ids })
    }
}

/// Which members of a group to look at.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PresentFilter {
    /// Members that are looked at for a page: 0 or none = 100, at most 1,000.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl PresentFilter {
    pub(super) fn into_request(self, group_id: String) -> pb::ListPresentRequest {
        pb::ListPresentRequest {
            group_id,
            page_size: self.page_size,
            page_token: self.page_token,
        }
    }
}

/// Whether somebody is connected.
#[derive(Debug, Serialize, ToSchema)]
struct Presence {
    /// Who.
    #[schema(example = "c-1001")]
    user_id: String,
    /// How many connections they have, on all nodes.
    #[schema(example = 2)]
    connections: u32,
    /// Since when without a break; left out when they have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since_time: Option<Time>,
}

impl TryFrom<pb::Presence> for Presence {
    type Error = Problem;

    fn try_from(presence: pb::Presence) -> Result<Self, Problem> {
        Ok(Self {
            user_id: presence.user_id,
            connections: presence.connections,
            since_time: maybe_instant(presence.since_time)?,
        })
    }
}

fn all(presences: Vec<pb::Presence>) -> Result<Vec<Presence>, Problem> {
    presences.into_iter().map(Presence::try_from).collect()
}

/// Whether those who were asked for are connected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Presences {
    /// In the order of the question, each once.
    presences: Vec<Presence>,
    /// Whether all nodes are in it: without Redis only the one that was asked is.
    complete: bool,
}

impl TryFrom<pb::GetPresenceResponse> for Presences {
    type Error = Problem;

    fn try_from(told: pb::GetPresenceResponse) -> Result<Self, Problem> {
        Ok(Self {
            presences: all(told.presences)?,
            complete: told.complete,
        })
    }
}

/// A page of those members of a group that are connected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PresencePage {
    /// By user id.
    presences: Vec<Presence>,
    /// Whether all nodes are in it: without Redis only the one that was asked is.
    complete: bool,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::ListPresentResponse> for PresencePage {
    type Error = Problem;

    fn try_from(page: pb::ListPresentResponse) -> Result<Self, Problem> {
        Ok(Self {
            presences: all(page.presences)?,
            complete: page.complete,
            next_page_token: text(page.next_page_token),
        })
    }
}
