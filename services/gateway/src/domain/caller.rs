//! Who calls, once it is verified.

use std::fmt;
use std::str::FromStr;

use time::OffsetDateTime;
use tradepost_types::{ApiKeyId, ClientId, SessionId, TenantId, UserId};

use super::revocation::Basis;
use super::rights::{Reach, Rights, Role};

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A person.
    User(UserId),
    /// A program with an API key.
    Key(ApiKeyId),
    /// A program with a token of its own (OAuth client credentials).
    Client(ClientId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Key(id) => id.fmt(f),
            Self::Client(id) => id.fmt(f),
        }
    }
}

impl FromStr for Subject {
    type Err = super::rights::Unknown;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let user = text.parse().map(Self::User);
        let key = || text.parse().map(Self::Key);
        let client = || text.parse().map(Self::Client);
        user.or_else(|_other| key())
            .or_else(|_other| client())
            .map_err(|_unknown| super::rights::Unknown(text.to_owned()))
    }
}

/// What a tenant has paid for; it decides limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Plan {
    /// The limits of the brief: 1,000 requests a minute a user, 10,000 a key.
    #[default]
    Standard,
    /// Ten times as much.
    Plus,
    /// A thousand times as much: the platform's own loads and tests.
    Internal,
}

impl Plan {
    /// All there are.
    pub const ALL: &'static [Self] = &[Self::Standard, Self::Plus, Self::Internal];

    /// The text outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Plus => "plus",
            Self::Internal => "internal",
        }
    }

    /// By how much the limits are larger.
    #[must_use]
    pub const fn factor(self) -> u32 {
        match self {
            Self::Standard => 1,
            Self::Plus => 10,
            Self::Internal => 1_000,
        }
    }
}

impl FromStr for Plan {
    type Err = super::rights::Unknown;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|plan| plan.as_str() == text)
            .ok_or_else(|| super::rights::Unknown(text.to_owned()))
    }
}

/// How a caller has shown who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A secret only: a password, a key.
    Secret,
    /// A second factor too, at that time.
    SecondFactor {
        /// When the code was given.
        at: OffsetDateTime,
    },
}

/// Who calls, once it is verified: what every check after that goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who acts.
    pub subject: Subject,
    /// Whose rows the call may see; none for a platform operator.
    pub tenant: Option<TenantId>,
    /// What the subject is there.
    pub role: Role,
    /// Role, scopes of the token and scopes of the key: what all of them allow.
    pub rights: Rights,
    /// The login that the call belongs to.
    pub session: Option<SessionId>,
    /// The application that the token was issued to; none for a person's own login, and for a key.
    pub client: Option<ClientId>,
    /// The tenant's plan.
    pub plan: Plan,
    /// How the caller has shown who they are.
    pub proof: Proof,
    /// When what the caller showed runs out: a long-lived connection must end then.
    pub expires_at: Option<OffsetDateTime>,
}

impl Caller {
    /// Whose things the caller reaches.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        self.role.reach()
    }

    /// Who calls in a login of their own: no key, no program, and no application that acts for them,
    /// however much it may.
    #[must_use]
    pub const fn person(&self) -> Option<(UserId, SessionId)> {
        match (self.subject, self.session, self.client) {
            (Subject::User(user), Some(session), None) => Some((user, session)),
            (Subject::User(_) | Subject::Key(_) | Subject::Client(_), _, _) => None,
        }
    }
}

/// A caller, and what their credentials rest on: whoever keeps a connection open looks at it again
/// and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Who calls.
    pub caller: Caller,
    /// What that rests on.
    pub basis: Basis,
}

impl Verified {
    /// A caller whose credentials rest on what the caller is, and on no token besides.
    #[must_use]
    pub const fn of(caller: Caller, issued_at: OffsetDateTime) -> Self {
        let basis = Basis {
            issued_at,
            subject: caller.subject,
            tenant: caller.tenant,
            session: caller.session,
            token: None,
            client: caller.client,
        };
        Self { caller, basis }
    }
}
