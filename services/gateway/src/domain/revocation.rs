//! What is no longer taken although it has not run out.

use time::OffsetDateTime;
use tradepost_types::{ApiKeyId, ClientId, SessionId, TenantId, UserId};

use super::caller::Subject;

/// What is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revoked<'a> {
    /// One access token, by its `jti`.
    Token(&'a str),
    /// One login with all its tokens.
    Session(SessionId),
    /// Every token of a user.
    User(UserId),
    /// Every token of a user in one tenant.
    Member(TenantId, UserId),
    /// Every token in a tenant.
    Tenant(TenantId),
    /// An API key.
    Key(ApiKeyId),
    /// Every token that was issued to an OAuth client.
    Client(ClientId),
    /// Every token there is.
    All,
}

impl Revoked<'_> {
    /// The kind, as it stands in tables.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Session(_) => "session",
            Self::User(_) => "user",
            Self::Member(..) => "member",
            Self::Tenant(_) => "tenant",
            Self::Key(_) => "key",
            Self::Client(_) => "client",
            Self::All => "all",
        }
    }

    /// Which one of the kind, as it stands in tables.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Token(id) => (*id).to_owned(),
            Self::Session(id) => id.to_string(),
            Self::User(id) => id.to_string(),
            Self::Member(tenant, user) => format!("{tenant}/{user}"),
            Self::Tenant(id) => id.to_string(),
            Self::Key(id) => id.to_string(),
            Self::Client(id) => id.to_string(),
            Self::All => String::new(),
        }
    }

    /// As it is recorded.
    #[must_use]
    pub fn before(&self, issued_before: OffsetDateTime, expires_at: OffsetDateTime) -> Revocation {
        Revocation {
            kind: self.kind().to_owned(),
            subject: self.subject(),
            issued_before,
            expires_at,
        }
    }
}

/// A revocation as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The kind.
    pub kind: String,
    /// Which one of the kind.
    pub subject: String,
    /// What was issued before is revoked.
    pub issued_before: OffsetDateTime,
    /// When everything it concerns has run out by itself.
    pub expires_at: OffsetDateTime,
}

/// What a caller's credentials rest on: if a part of it is revoked, they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// When the credentials were issued; for an API key, when it was looked at.
    pub issued_at: OffsetDateTime,
    /// Who acts.
    pub subject: Subject,
    /// Where.
    pub tenant: Option<TenantId>,
    /// By which login.
    pub session: Option<SessionId>,
    /// The access token's `jti`.
    pub token: Option<String>,
    /// The OAuth client that the token was issued to.
    pub client: Option<ClientId>,
}

impl Basis {
    /// Everything whose revocation concerns these credentials.
    pub fn parts(&self) -> impl Iterator<Item = Revoked<'_>> {
        let subject = match self.subject {
            Subject::User(user) => Some(Revoked::User(user)),
            Subject::Key(key) => Some(Revoked::Key(key)),
            Subject::Client(client) => Some(Revoked::Client(client)),
        };
        let member = match (self.tenant, self.subject) {
            (Some(tenant), Subject::User(user)) => Some(Revoked::Member(tenant, user)),
            (Some(_) | None, Subject::User(_) | Subject::Key(_) | Subject::Client(_)) => None,
        };
        [
            Some(Revoked::All),
            self.tenant.map(Revoked::Tenant),
            subject,
            member,
            self.session.map(Revoked::Session),
            self.token.as_deref().map(Revoked::Token),
            self.client.map(Revoked::Client),
        ]
        .into_iter()
        .flatten()
    }
}
