//! Rows, and what they are.

use sqlx::FromRow;
use time::OffsetDateTime;
use tradepost_postgres::DbError;
use tradepost_types::{EmailId, NotificationId, TenantId};
use uuid::Uuid;

use crate::domain::Preferences;
use crate::domain::email::EmailAddress;
use crate::ports::email::{Email, EmailState, Leased, Mailbox};

/// The columns of [`EmailRow`], of the tables `e` and `m`.
macro_rules! email_columns {
    () => {
        "e.email_id, e.user_id, e.notification_id, m.type, e.state, e.attempts, \
         e.next_attempt_at, e.last_status, e.last_error, e.created_at"
    };
}
/// The columns of [`MailboxRow`].
macro_rules! mailbox_columns {
    () => {
        "address, refused_at, updated_at"
    };
}
pub(super) use {email_columns, mailbox_columns};

/// A row that holds what this binary cannot read.
pub(super) fn broken(what: &str) -> DbError {
    DbError::Query(sqlx::Error::Decode(what.into()))
}

fn address(text: &str) -> Result<EmailAddress, DbError> {
    EmailAddress::parse(text).map_err(|_malformed| broken("email_addresses.address"))
}

pub(super) const fn state_name(state: EmailState) -> &'static str {
    match state {
        EmailState::Pending => "pending",
        EmailState::Sent => "sent",
        EmailState::Failed => "failed",
    }
}

#[derive(FromRow)]
pub(super) struct MailboxRow {
    address: String,
    refused_at: Option<OffsetDateTime>,
    updated_at: OffsetDateTime,
}

impl TryFrom<MailboxRow> for Mailbox {
    type Error = DbError;

    fn try_from(row: MailboxRow) -> Result<Self, DbError> {
        Ok(Self {
            address: address(&row.address)?,
            refused_at: row.refused_at,
            updated_at: row.updated_at,
        })
    }
}

#[derive(Debug, FromRow)]
pub(super) struct EmailRow {
    email_id: Uuid,
    user_id: String,
    notification_id: Uuid,
    r#type: String,
    state: String,
    attempts: i32,
    next_attempt_at: OffsetDateTime,
    last_status: Option<i32>,
    last_error: Option<String>,
    created_at: OffsetDateTime,
}

impl TryFrom<EmailRow> for Email {
    type Error = DbError;

    fn try_from(row: EmailRow) -> Result<Self, DbError> {
        let state = match row.state.as_str() {
            "pending" => EmailState::Pending,
            "sent" => EmailState::Sent,
            "failed" => EmailState::Failed,
            _ => return Err(broken("emails.state")),
        };
        Ok(Self {
            id: EmailId::from_uuid(row.email_id),
            user: row.user_id,
            notification: NotificationId::from_uuid(row.notification_id),
            kind: row.r#type,
            state,
            attempts: row.attempts.unsigned_abs(),
            next_attempt_at: row.next_attempt_at,
            last_status: row.last_status.and_then(|code| u16::try_from(code).ok()),
            last_error: row.last_error,
            created_at: row.created_at,
        })
    }
}

#[derive(FromRow)]
pub(super) struct LeasedRow {
    pub(super) tenant_id: Uuid,
    email_id: Uuid,
    pub(super) user_id: String,
    lease: i32,
    attempts: i32,
    address: Option<String>,
    title: String,
    message: String,
    told_at: OffsetDateTime,
}

impl LeasedRow {
    /// The e-mail of a user who prefers that.
    pub(super) fn leased(self, preferences: Preferences) -> Result<Leased, DbError> {
        Ok(Leased {
            tenant: TenantId::from_uuid(self.tenant_id),
            id: EmailId::from_uuid(self.email_id),
            user: self.user_id,
            to: self.address.as_deref().map(address).transpose()?,
            preferences,
            lease: self.lease,
            attempts: self.attempts.unsigned_abs(),
            title: self.title,
            message: self.message,
            told_at: self.told_at,
        })
    }
}
