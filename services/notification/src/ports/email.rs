//! E-mail: what is stored of it, and how it goes out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tradepost_notifications::stream::UserName;
use tradepost_postgres::DbError;
use tradepost_types::{EmailId, NotificationId, TenantId};

use super::channels::Channel;
use super::store::RequestKey;
use crate::domain::Preferences;
use crate::domain::email::{Answer, EmailAddress, Verdict};

/// E-mail, as a channel. One receiver, for the bound of what is under way, is a tenant.
#[derive(Debug, Clone, Copy)]
pub struct Emails;

impl Channel for Emails {
    const NAME: &'static str = "email";
    const SENT: &'static str = "notification.email_sent";
    type Leased = Leased;
    type Noted = Noted;
    /// Whether the address is refused from now on.
    type Effect = AddressStanding;
}

/// What an attempt has shown of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressStanding {
    /// Nothing new.
    Kept,
    /// It is sent nothing until one is put again.
    Refused,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// The user has no address, or none that is not refused.
    #[error("there is no such address")]
    NoAddress,
    /// The tenant has no such e-mail.
    #[error("there is no such e-mail")]
    NoEmail,
    /// The request id came with another request before.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] DbError),
}

/// Where a user reads e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Where.
    pub address: EmailAddress,
    /// Since when it is refused.
    pub refused_at: Option<OffsetDateTime>,
    /// When it was put.
    pub updated_at: OffsetDateTime,
}

/// What has become of an e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailState {
    /// It is or will be due.
    Pending,
    /// The mail server took it.
    Sent,
    /// It is not tried any more.
    Failed,
}

/// One e-mail for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// Which.
    pub id: EmailId,
    /// To whom.
    pub user: String,
    /// Of what.
    pub notification: NotificationId,
    /// Of which type.
    pub kind: String,
    /// What has become of it.
    pub state: EmailState,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is due.
    pub next_attempt_at: OffsetDateTime,
    /// The code of the last attempt's reply.
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Where a list of e-mails goes on: after the one of this time and id.
#[derive(Debug, Clone, Copy)]
pub struct ListedAfter {
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Which.
    pub id: EmailId,
}

/// What a tenant manages.
#[async_trait]
pub trait EmailDesk: Send + Sync {
    /// Says where a user reads e-mail. What waits goes there.
    ///
    /// # Errors
    /// [`EmailError::Database`].
    async fn put(
        &self,
        tenant: TenantId,
        user: &UserName,
        address: &EmailAddress,
    ) -> Result<Mailbox, EmailError>;

    /// Where a user reads e-mail.
    ///
    /// # Errors
    /// [`EmailError::NoAddress`], [`EmailError::Database`].
    async fn load(&self, tenant: TenantId, user: &UserName) -> Result<Mailbox, EmailError>;

    /// Forgets an address; what waits for it has failed.
    ///
    /// # Errors
    /// [`EmailError::Database`].
    async fn delete(&self, tenant: TenantId, user: &UserName) -> Result<(), EmailError>;

    /// A user's e-mails, the newest first, of one state or of all.
    ///
    /// # Errors
    /// [`EmailError::Database`].
    async fn list(
        &self,
        tenant: TenantId,
        user: &UserName,
        state: Option<EmailState>,
        (after, limit): (Option<ListedAfter>, i64),
    ) -> Result<Vec<Email>, EmailError>;

    /// Makes an e-mail due, as if it had never been tried.
    ///
    /// # Errors
    /// [`EmailError::NoEmail`], [`EmailError::NoAddress`], [`EmailError::RequestIdReused`],
    /// [`EmailError::Database`].
    async fn resend(
        &self,
        tenant: TenantId,
        key: &RequestKey,
        id: EmailId,
    ) -> Result<Email, EmailError>;
}

/// As its users hold it.
pub type Mailboxes = Arc<dyn EmailDesk>;

/// An e-mail that is due, on lease to whoever took it.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub id: EmailId,
    /// To whom.
    pub user: String,
    /// Where that is, if they have an address that is not refused.
    pub to: Option<EmailAddress>,
    /// What they prefer.
    pub preferences: Preferences,
    /// The number of the lease.
    pub lease: i32,
    /// Attempts before this one.
    pub attempts: u32,
    /// A line.
    pub title: String,
    /// The text.
    pub message: String,
    /// When it was told.
    pub told_at: OffsetDateTime,
}

/// What came of an attempt, to be noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// There was none: the user's quiet hours last until then.
    Quiet(OffsetDateTime),
    /// It was made.
    Tried {
        /// What is to be done next.
        verdict: Verdict,
        /// How it was answered.
        answer: Answer,
    },
}

/// How long what is due has waited.
#[async_trait]
pub trait EmailAges: Send + Sync {
    /// For how long the oldest has been due; none: nothing is.
    ///
    /// # Errors
    /// Any [`DbError`].
    async fn oldest_due(&self) -> Result<Option<Duration>, DbError>;
}

/// A mail to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// Which: a repetition is the same.
    pub id: EmailId,
    /// Where to.
    pub to: &'a EmailAddress,
    /// Its subject.
    pub title: &'a str,
    /// Its text.
    pub message: &'a str,
    /// When it was told.
    pub told_at: OffsetDateTime,
}

/// Hands mails to a mail server.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Does so once, in bounded time.
    async fn hand_over(&self, letter: Letter<'_>) -> Answer;
}

/// As its users hold it.
pub type Mailers = Arc<dyn Mailer>;
