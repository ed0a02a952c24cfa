//! What is no longer taken although it has not run out.

use std::str::FromStr;

use time::OffsetDateTime;
use tradepost_types::{ApiKeyId, ClientId, SessionId, TenantId, UserId};
use uuid::Uuid;

use super::caller::Subject;

/// What is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// One access token, by its `jti`.
    Token(Uuid),
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

impl Revoked {
    /// The kind, as it stands in tables.
    #[must_use]
    pub const fn kind(self) -> &'static str {
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
    pub fn subject(self) -> String {
        match self {
            Self::Token(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
            Self::User(id) => id.to_string(),
            Self::Member(tenant, user) => format!("{tenant}/{user}"),
            Self::Tenant(id) => id.to_string(),
            Self::Key(id) => id.to_string(),
            Self::Client(id) => id.to_string(),
            Self::All => String::new(),
        }
    }

    /// Reads what stands in tables; `None` when it is nothing that this binary knows.
    #[must_use]
    pub fn parse(kind: &str, subject: &str) -> Option<Self> {
        fn id<T: FromStr>(text: &str) -> Option<T> {
            text.parse().ok()
        }
        match kind {
            "token" => id(subject).map(Self::Token),
            "session" => id(subject).map(Self::Session),
            "user" => id(subject).map(Self::User),
            "member" => {
                let (tenant, user) = subject.split_once('/')?;
                Some(Self::Member(id(tenant)?, id(user)?))
            }
            "tenant" => id(subject).map(Self::Tenant),
            "key" => id(subject).map(Self::Key),
            "client" => id(subject).map(Self::Client),
            "all" => Some(Self::All),
            _ => None,
        }
    }

    /// Whether what was issued after the revocation is good again: a user may log in again, a key
    /// that was revoked stays so.
    #[must_use]
    pub const fn spares_later(self) -> bool {
        match self {
            Self::Key(_) | Self::Token(_) | Self::Session(_) => false,
            Self::User(_) | Self::Member(..) | Self::Tenant(_) | Self::Client(_) | Self::All => {
                true
            }
        }
    }
}

/// A revocation as it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// What is revoked.
    pub what: Revoked,
    /// What was issued before is revoked.
    pub issued_before: OffsetDateTime,
    /// When everything it concerns has run out by itself.
    pub expires_at: OffsetDateTime,
}

impl Revocation {
    /// Whether it concerns what was issued at that time.
    #[must_use]
    pub fn concerns(&self, issued_at: OffsetDateTime) -> bool {
        !self.what.spares_later() || issued_at < self.issued_before
    }
}

/// What a caller's credentials rest on: if a part of it is revoked, they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    pub token: Option<Uuid>,
    /// The OAuth client that the token was issued to.
    pub client: Option<ClientId>,
}

impl Basis {
    /// Everything whose revocation concerns these credentials.
    pub fn parts(&self) -> impl Iterator<Item = Revoked> {
        let (subject, member) = match self.subject {
            Subject::User(user) => {
                let member = self.tenant.map(|tenant| Revoked::Member(tenant, user));
                (Revoked::User(user), member)
            }
            Subject::Key(key) => (Revoked::Key(key), None),
            Subject::Client(client) => (Revoked::Client(client), None),
        };
        [
            Some(Revoked::All),
            self.tenant.map(Revoked::Tenant),
            Some(subject),
            member,
            self.session.map(Revoked::Session),
            self.token.map(Revoked::Token),
            self.client.map(Revoked::Client),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_tables_is_read_again() {
        let all = [
            Revoked::Token(Uuid::from_u128(7)),
            Revoked::Session(SessionId::new()),
            Revoked::User(UserId::new()),
            Revoked::Member(TenantId::new(), UserId::new()),
            Revoked::Tenant(TenantId::new()),
            Revoked::Key(ApiKeyId::new()),
            Revoked::Client(ClientId::new()),
            Revoked::All,
        ];
        for revoked in all {
            let read = Revoked::parse(revoked.kind(), &revoked.subject());
            assert_eq!(read, Some(revoked));
        }
        assert_eq!(Revoked::parse("moon", ""), None);
    }

    #[test]
    fn a_user_who_logs_in_again_is_let_in_and_a_revoked_key_is_not() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let later = at + time::Duration::MICROSECOND;
        let of = |what| Revocation {
            what,
            issued_before: later,
            expires_at: later,
        };

        assert!(of(Revoked::User(UserId::new())).concerns(at));
        assert!(!of(Revoked::User(UserId::new())).concerns(later));
        assert!(of(Revoked::Key(ApiKeyId::new())).concerns(later));
    }
}
