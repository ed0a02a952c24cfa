//! What is sent: made once, stored, and the same in each attempt.

use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::serde::rfc3339;

use crate::ports::webhooks::Told;

/// Of more users only the number is told.
pub(super) const USERS_MAX: usize = 100;

/// The payload, as Standard Webhooks wants it.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    #[serde(with = "rfc3339")]
    timestamp: OffsetDateTime,
    data: Notification<'a>,
}

#[derive(Serialize)]
struct Notification<'a> {
    notification_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_ids: Option<&'a [String]>,
    users_count: u64,
    title: &'a str,
    message: &'a str,
    data: &'a RawValue,
}

/// The payload of a notification.
pub(super) fn render(told: &Told) -> Result<String, serde_json::Error> {
    let users = usize::try_from(told.users_count).unwrap_or(usize::MAX);
    let named = (1..=USERS_MAX).contains(&users);
    serde_json::to_string(&Body {
        r#type: &told.content.kind,
        timestamp: told.at,
        data: Notification {
            notification_id: told.id.to_string(),
            group_id: told.group.as_ref().map(|group| group.as_str()),
            user_ids: named.then_some(&told.users),
            users_count: told.users_count,
            title: &told.content.title,
            message: &told.content.message,
            data: &told.content.data,
        },
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use tradepost_notifications::content::Content;
    use tradepost_types::NotificationId;
    use uuid::Uuid;

    use super::*;

    fn told(users: u64) -> Told {
        let content = Content::new(
            "order.confirmed".into(),
            "Thank you".into(),
            "It is on its way.".into(),
            r#"{"total":12345678901234567890.10}"#,
        );
        Told {
            id: NotificationId::from_uuid(Uuid::nil()),
            at: datetime!(2026-11-22 04:30:00 UTC),
            users: (0..users.min(100))
                .map(|number| format!("u{number}"))
                .collect(),
            users_count: users,
            group: None,
            content: content.unwrap(),
        }
    }

    #[test]
    fn the_body_is_what_the_documentation_says_and_keeps_every_digit() {
        assert_eq!(
            render(&told(1)).unwrap(),
            "{\"type\":\"order.confirmed\",\"timestamp\":\"2026-11-22T04:30:00Z\",\"data\":{\
             \"notification_id\":\"ntf_00000000000000000000000000\",\"user_ids\":[\"u0\"],\
             \"users_count\":1,\"title\":\"Thank you\",\"message\":\"It is on its way.\",\
             \"data\":{\"total\":12345678901234567890.10}}}"
        );
    }

    #[test]
    fn of_many_users_only_the_number_is_told() {
        assert!(
            render(&told(100))
                .unwrap()
                .contains("\"u99\"],\"users_count\":100,")
        );
        assert!(!render(&told(101)).unwrap().contains("user_ids"));
        assert!(render(&told(101)).unwrap().contains("\"users_count\":101,"));
    }
}
