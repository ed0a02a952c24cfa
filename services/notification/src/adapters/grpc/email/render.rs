//! From values to answers.

use tradepost_notifications::stream::UserName;
use tradepost_proto::convert::timestamp_to_proto;
use tradepost_proto::notification::v1 as pb;

use crate::ports::email::{Email, EmailState, Mailbox};

pub(super) fn mailbox(user: &UserName, mailbox: &Mailbox) -> pb::EmailAddress {
    pb::EmailAddress {
        user_id: user.as_str().to_owned(),
        address: mailbox.address.expose().to_owned(),
        refused: mailbox.refused_at.is_some(),
        update_time: Some(timestamp_to_proto(mailbox.updated_at)),
    }
}

pub(super) fn email(email: Email) -> pb::Email {
    let (state, next) = match email.state {
        EmailState::Pending => (
            pb::EmailState::Pending,
            Some(timestamp_to_proto(email.next_attempt_at)),
        ),
        EmailState::Sent => (pb::EmailState::Sent, None),
        EmailState::Failed => (pb::EmailState::Failed, None),
    };
    pb::Email {
        email_id: email.id.to_string(),
        user_id: email.user,
        notification_id: email.notification.to_string(),
        r#type: email.kind,
        state: state.into(),
        attempts: i32::try_from(email.attempts).unwrap_or(i32::MAX),
        next_attempt_time: next,
        last_status: email.last_status.map(i32::from).unwrap_or_default(),
        last_error: email.last_error.unwrap_or_default(),
        create_time: Some(timestamp_to_proto(email.created_at)),
    }
}
