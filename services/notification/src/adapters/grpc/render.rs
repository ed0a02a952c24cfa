//! From what the use cases return to messages.

use tonic::Status;
use tradepost_notifications::content::Content;
use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::notification::v1 as pb;
use tradepost_service::error::{ErrorDetails, FieldViolation};
use tradepost_service::page::Page;

use crate::ports::{Cursor, Group, Kept, Receipt};

pub(super) fn to_users(receipt: Receipt) -> pb::SendToUsersResponse {
    pb::SendToUsersResponse {
        notification_id: receipt.id.to_string(),
        sequences: receipt.sequences,
    }
}

pub(super) fn to_group(receipt: Receipt) -> pb::BroadcastToGroupResponse {
    pb::BroadcastToGroupResponse {
        notification_id: receipt.id.to_string(),
        sequence: receipt.sequences.first().copied().unwrap_or_default(),
    }
}

/// An error within a stream: what the status of a call would say.
pub(super) fn error(status: &Status) -> pb::SendError {
    let details = ErrorDetails::from_status(status);
    let fault = |fault: FieldViolation| pb::SendFault {
        field: fault.field,
        description: fault.description,
    };
    pb::SendError {
        code: details.code.into(),
        reason: details.reason,
        message: details.message,
        faults: details.fields.into_iter().map(fault).collect(),
        retry_delay: details.retry_after.and_then(|it| it.try_into().ok()),
    }
}

pub(super) fn history(page: Page<Kept>) -> pb::GetHistoryResponse {
    pb::GetHistoryResponse {
        notifications: page.items.into_iter().map(notification).collect(),
        next_page_token: page.next_page_token,
    }
}

fn notification(kept: Kept) -> pb::Notification {
    pb::Notification {
        notification_id: kept.id.to_string(),
        stream: kept.key.stream.to_string(),
        sequence: kept.key.seq,
        content: Some(content(kept.content)),
        create_time: Some(timestamp_to_proto(kept.key.time)),
        read: kept.read,
    }
}

fn content(content: Content) -> pb::Content {
    pb::Content {
        r#type: content.kind,
        title: content.title,
        message: content.message,
        data: content.data.get().to_owned(),
    }
}

/// How many are unread in all streams.
pub(super) fn unread(cursors: &[Cursor]) -> u64 {
    let unread = |cursor: &Cursor| cursor.top.saturating_sub(cursor.read);
    cursors.iter().map(unread).sum()
}

pub(super) fn cursor(cursor: &Cursor) -> pb::Cursor {
    pb::Cursor {
        stream: cursor.stream.to_string(),
        top: cursor.top,
        read: cursor.read,
    }
}

pub(super) fn group(group: Group) -> pb::Group {
    pb::Group {
        group_id: group.id.into(),
        display_name: group.display_name,
        top: group.top,
    }
}

pub(super) fn count(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
