//! Who a client is that comes without the gateway in between.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use secrecy::SecretString;
use time::OffsetDateTime;

use super::Reader;

/// Credentials of one kind.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// An access token.
    Token(SecretString),
    /// An API key.
    Key(SecretString),
    /// A ticket, good once.
    Ticket(SecretString),
}

/// What a client has shown, and from where.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The credentials.
    pub credentials: Credentials,
    /// The client's address.
    pub address: IpAddr,
    /// The page's origin, if a browser told one.
    pub origin: Option<Box<str>>,
}

/// Somebody who is let in.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Who.
    pub reader: Reader,
    /// What they may do here.
    pub rights: Vec<String>,
    /// When the credentials run out, if ever.
    pub expires_at: Option<OffsetDateTime>,
    /// When they were issued; unknown is before everything.
    pub issued_at: OffsetDateTime,
    /// What they rest on.
    pub parts: Vec<String>,
    /// How many connections their tenant may have here; 0: as many as there is room for.
    pub connections_max: u32,
}

/// Why nobody is let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The credentials are not taken.
    #[error("{detail}")]
    Invalid {
        /// For programs.
        reason: String,
        /// For people.
        detail: String,
    },
    /// They are taken, and do not allow it.
    #[error("{detail}")]
    Forbidden {
        /// For programs.
        reason: String,
        /// For people.
        detail: String,
    },
    /// The address has failed too often.
    #[error("credentials from this address were refused too often")]
    TooOften {
        /// When it may try again.
        after: Duration,
    },
    /// It cannot be found out now.
    #[error("credentials cannot be checked at the moment")]
    Unavailable,
}

/// A part that is revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// As in [`Admitted::parts`].
    pub part: String,
    /// Only what was issued before; none: all that rests on it.
    pub issued_before: Option<OffsetDateTime>,
}

/// What is revoked, up to a moment.
#[derive(Debug, Clone, Default)]
pub struct Revoked {
    /// Perhaps said before.
    pub revocations: Vec<Revocation>,
    /// All that was revoked before this was told.
    pub current_at: Option<OffsetDateTime>,
}

/// Who is asked does not answer.
#[derive(Debug, thiserror::Error)]
#[error("what is revoked cannot be followed")]
pub struct Unfollowed(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What is revoked, from all that is in force on.
pub type Revocations = BoxStream<'static, Result<Revoked, Unfollowed>>;

/// Judges credentials.
#[async_trait]
pub trait Access: Send + Sync {
    /// Who shows these. It takes a bounded time.
    ///
    /// # Errors
    /// [`Refused`].
    async fn admit(&self, shown: &Shown) -> Result<Admitted, Refused>;

    /// What is revoked: first all that is in force, then what is added.
    ///
    /// # Errors
    /// [`Unfollowed`], when it cannot be followed now.
    async fn revocations(&self) -> Result<Revocations, Unfollowed>;
}

/// A judge as it is held.
pub type Judge = Arc<dyn Access>;
