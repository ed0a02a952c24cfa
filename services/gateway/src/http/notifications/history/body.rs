//! What people were told, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tradepost_proto::notification::v1 as pb;
use utoipa::{IntoParams, ToSchema};

use crate::domain::caller::Caller;
use crate::domain::rights::Permission;
use crate::http::caller::need;
use crate::http::problem::Problem;
use crate::http::values::{Time, instant, present, text};

/// Which notifications to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryFilter {
    /// Whose. Left out: the caller's; another's needs the permission `notifications:read_any`.
    #[serde(default)]
    #[param(
        required = false,
        nullable = false,
        example = "user_01h455vb4pex5vsknk084sn02q"
    )]
    user_id: Option<String>,
    /// Only what is unread.
    #[serde(default)]
    #[param(required = false)]
    unread: bool,
    /// Notifications a page: 0 or none = 20, at most 100.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    page_size: i32,
    /// `next_page_token` of the page before.
    #[serde(default)]
    #[param(required = false)]
    page_token: String,
}

impl HistoryFilter {
    /// # Errors
    /// Somebody else's, without the right to read them.
    pub(super) fn into_request(self, caller: &Caller) -> Result<pb::GetHistoryRequest, Problem> {
        Ok(pb::GetHistoryRequest {
            user_id: whose(caller, self.user_id)?,
            page_size: self.page_size,
            page_token: self.page_token,
            unread_only: self.unread,
        })
    }
}

/// Whose unread notifications to count.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UnreadFilter {
    /// Whose. Left out: the caller's; another's needs the permission `notifications:read_any`.
    #[serde(default)]
    #[param(
        required = false,
        nullable = false,
        example = "user_01h455vb4pex5vsknk084sn02q"
    )]
    user_id: Option<String>,
}

impl UnreadFilter {
    /// # Errors
    /// Somebody else's, without the right to read them.
    pub(super) fn into_request(self, caller: &Caller) -> Result<pb::GetUnreadRequest, Problem> {
        Ok(pb::GetUnreadRequest {
            user_id: whose(caller, self.user_id)?,
        })
    }
}

/// The user that a request is about; empty: the caller.
fn whose(caller: &Caller, given: Option<String>) -> Result<String, Problem> {
    match given {
        Some(user) if user != caller.subject.to_string() => {
            let wanted = "must be left out, or needs the permission notifications:read_any";
            need(caller, Permission::NotificationsReadAny)
                .map_err(|problem| problem.parameter("user_id", wanted))?;
            Ok(user)
        }
        Some(_) | None => Ok(String::new()),
    }
}

/// A notification.
#[derive(Debug, Serialize, ToSchema)]
struct Notification {
    /// Its id: the same for all who were told.
    #[schema(example = "ntf_01h455vb4pex5vsknk084sn02q")]
    notification_id: String,
    /// Where it stands: `user`, or `group:` and the group's id.
    #[schema(example = "user")]
    stream: String,
    /// Its place there: from 1, without gaps.
    #[schema(example = 42)]
    sequence: u64,
    /// Of what kind.
    #[serde(rename = "type")]
    #[schema(example = "order.confirmed")]
    kind: String,
    /// A line.
    title: String,
    /// The text; may be empty.
    message: String,
    /// What a program wants to know.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// When it was told.
    create_time: Time,
    /// Whether it was read.
    read: bool,
}

impl TryFrom<pb::Notification> for Notification {
    type Error = Problem;

    fn try_from(notification: pb::Notification) -> Result<Self, Problem> {
        let content = present(notification.content)?;
        Ok(Self {
            notification_id: notification.notification_id,
            stream: notification.stream,
            sequence: notification.sequence,
            kind: content.r#type,
            title: content.title,
            message: content.message,
            data: present(RawValue::from_string(content.data).ok())?,
            create_time: instant(notification.create_time)?,
            read: notification.read,
        })
    }
}

/// A page of notifications.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationPage {
    /// Newest first.
    notifications: Vec<Notification>,
    /// Leads to the next page; left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_page_token: Option<String>,
}

impl TryFrom<pb::GetHistoryResponse> for NotificationPage {
    type Error = Problem;

    fn try_from(page: pb::GetHistoryResponse) -> Result<Self, Problem> {
        let notifications = page.notifications.into_iter().map(Notification::try_from);
        Ok(Self {
            notifications: notifications.collect::<Result<_, Problem>>()?,
            next_page_token: text(page.next_page_token),
        })
    }
}

/// Where somebody stands in a stream.
#[derive(Debug, Serialize, ToSchema)]
struct Cursor {
    /// `user`, or `group:` and the group's id.
    #[schema(example = "group:staff")]
    stream: String,
    /// The last that was told there.
    #[schema(example = 42)]
    top: u64,
    /// Up to where they have read.
    #[schema(example = 40)]
    read: u64,
}

impl From<pb::Cursor> for Cursor {
    fn from(cursor: pb::Cursor) -> Self {
        Self {
            stream: cursor.stream,
            top: cursor.top,
            read: cursor.read,
        }
    }
}

/// What is unread.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unread {
    /// In all streams.
    #[schema(example = 2)]
    unread: u64,
    /// By stream, `user` first.
    cursors: Vec<Cursor>,
}

impl From<pb::GetUnreadResponse> for Unread {
    fn from(unread: pb::GetUnreadResponse) -> Self {
        Self {
            unread: unread.unread,
            cursors: unread.cursors.into_iter().map(Cursor::from).collect(),
        }
    }
}

impl From<pb::MarkReadResponse> for Unread {
    fn from(read: pb::MarkReadResponse) -> Self {
        Self {
            unread: read.unread,
            cursors: read.cursors.into_iter().map(Cursor::from).collect(),
        }
    }
}

/// Up to where somebody has read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadUpTo {
    /// By stream. Left out: everything in all of them.
    #[schema(nullable = false, min_items = 1)]
    cursors: Option<Vec<NewCursor>>,
}

/// Up to where somebody has read a stream.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCursor {
    /// `user`, or `group:` and the group's id.
    #[schema(example = "user")]
    stream: String,
    /// The last sequence that was read. It never moves back; more than there are is all of them.
    #[schema(example = 42)]
    read: u64,
}

impl ReadUpTo {
    /// # Errors
    /// No cursors at all: to the service that would be everything.
    pub(super) fn into_request(self) -> Result<pb::MarkReadRequest, Problem> {
        let cursors = match self.cursors {
            Some(cursors) if cursors.is_empty() => {
                let wanted = "must have at least one cursor; left out, everything is read";
                return Err(Problem::field("/cursors", wanted));
            }
            Some(cursors) => cursors,
            None => Vec::new(),
        };
        let cursors = cursors.into_iter().map(|cursor| pb::Cursor {
            stream: cursor.stream,
            top: 0,
            read: cursor.read,
        });
        Ok(pb::MarkReadRequest {
            user_id: String::new(),
            cursors: cursors.collect(),
        })
    }
}
