//! Streams as their column holds them, and rows of what was told as entries.

use sqlx::types::Uuid;
use time::OffsetDateTime;
use tradepost_notifications::content::Content;
use tradepost_notifications::stream::{GroupName, UserName};
use tradepost_notifications::wire::{Notification, Told};
use tradepost_postgres::DbError;
use tradepost_types::{NotificationId, TenantId};

use crate::ports::{Entry, StreamKey, Whose};

const USER: &str = "user:";
const GROUP: &str = "group:";

/// The stream of a user, as its column holds it.
pub(super) fn of_user(user: &UserName) -> String {
    format!("{USER}{}", user.as_str())
}

/// The stream of a group.
pub(super) fn of_group(group: &GroupName) -> String {
    format!("{GROUP}{}", group.as_str())
}

/// The stream of a user or a group.
pub(super) fn column(whose: &Whose) -> String {
    match whose {
        Whose::User(user) => of_user(user),
        Whose::Group(group) => of_group(group),
    }
}

/// Whose stream a column holds.
pub(super) fn whose(column: &str) -> Result<Whose, DbError> {
    if let Some(user) = column.strip_prefix(USER) {
        return user.parse().map(Whose::User).map_err(unreadable);
    }
    let group = column.strip_prefix(GROUP).unwrap_or_default();
    group.parse().map(Whose::Group).map_err(unreadable)
}

/// The stream of a tenant that a row is of.
pub(super) fn key(tenant: Uuid, column: &str) -> Result<StreamKey, DbError> {
    let tenant = TenantId::from_uuid(tenant);
    whose(column).map(|whose| StreamKey { tenant, whose })
}

/// A row that no line of ours wrote.
pub(super) fn unreadable(why: impl std::error::Error + Send + Sync + 'static) -> DbError {
    DbError::Query(sqlx::Error::Decode(Box::new(why)))
}

/// A sequence as columns hold it. There are not so many that one is cut.
pub(super) fn column_seq(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// A sequence of a column, which a constraint keeps from being negative.
pub(super) fn seq(column: i64) -> u64 {
    u64::try_from(column).unwrap_or_default()
}

/// What was told, as its column holds it.
pub(super) fn json(content: &Content) -> Result<String, DbError> {
    serde_json::to_string(content).map_err(unreadable)
}

/// A row: sequence, id, time and content.
pub(super) type Row = (i64, Uuid, OffsetDateTime, String);

/// A row as those get it who follow its stream.
pub(super) fn entry(key: StreamKey, row: Row) -> Result<Entry, DbError> {
    let (place, id, time, content) = row;
    let content: Content = serde_json::from_str(&content).map_err(unreadable)?;
    let id = NotificationId::from_uuid(id);
    Ok(placed(key, seq(place), (id, time), content))
}

/// A notification at its place.
pub(super) fn placed(
    key: StreamKey,
    seq: u64,
    (id, time): (NotificationId, OffsetDateTime),
    content: Content,
) -> Entry {
    let stored_ms = i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
    let notification = Notification::new((key.seen(), seq), id, time, content);
    Entry {
        text: Told::Notification(Box::new(notification)).text(),
        key,
        seq,
        stored_ms,
    }
}
