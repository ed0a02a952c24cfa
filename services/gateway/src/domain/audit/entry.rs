//! What is recorded, before it is sealed.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::net::IpAddr;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use tradepost_types::SessionId;

use super::Chain;
use super::chain::{Canonical, Digest};
use super::text::safe;
use crate::domain::caller::{Caller, Subject};
use crate::domain::rights::Unknown;

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Someone who is verified.
    Subject(Subject),
    /// Nobody verified: a login that failed, a call without a token.
    Anonymous,
    /// The platform itself; the name says which part, e.g. `retention`, `command`.
    System(&'static str),
}

impl From<Subject> for Actor {
    fn from(subject: Subject) -> Self {
        Self::Subject(subject)
    }
}

impl Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(subject) => subject.fmt(f),
            Self::Anonymous => f.write_str("anonymous"),
            Self::System(part) => write!(f, "system:{part}"),
        }
    }
}

/// How it ended, as far as it is known when it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// About to be tried; another entry tells the end.
    Attempted,
    /// Done.
    Succeeded,
    /// Refused for lack of a right, a proof or a limit.
    Denied,
    /// Allowed, but it did not come about.
    Failed,
}

impl Outcome {
    /// All there are.
    pub const ALL: &'static [Self] =
        &[Self::Attempted, Self::Succeeded, Self::Denied, Self::Failed];

    /// The text outside.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attempted => "attempted",
            Self::Succeeded => "succeeded",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Outcome {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let mut all = Self::ALL.iter().copied();
        all.find(|outcome| outcome.as_str() == text)
            .ok_or_else(|| Unknown(text.to_owned()))
    }
}

/// Random bytes that keep the digest of an origin from being guessed.
pub type Salt = [u8; 16];

/// Where a call came from. It is personal data: it stands beside the chain and may be erased;
/// inside the chain is only a digest of it, salted so that nothing can be read out of it then.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The client's address, as the edge found it.
    pub address: Option<IpAddr>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
}

impl Origin {
    /// The address and what the client calls itself, cut to what the trail keeps.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        Self {
            address,
            user_agent: user_agent.map(safe),
        }
    }

    /// What stands in the chain for it.
    #[must_use]
    pub fn digest(&self, salt: &Salt) -> Digest {
        let mut bytes = Canonical::new("tradepost audit origin v1");
        bytes.bytes(salt);
        bytes.optional(self.address.map(|address| address.to_string()).as_deref());
        bytes.optional(self.user_agent.as_deref());
        Sha256::digest(bytes.into_vec()).into()
    }
}

/// Something that happened. It says ids and names of fields, never secrets, e-mail addresses or
/// contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(super) chain: Chain,
    pub(super) actor: Actor,
    pub(super) session: Option<SessionId>,
    pub(super) action: &'static str,
    pub(super) object: Option<String>,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) origin: Option<Origin>,
    pub(super) details: BTreeMap<&'static str, String>,
}

impl Entry {
    /// An entry for `chain`. `action` is a name of the form `resource.verb`: `session.login`,
    /// `order.place`.
    #[must_use]
    pub fn new(
        chain: Chain,
        actor: impl Into<Actor>,
        action: &'static str,
        outcome: Outcome,
    ) -> Self {
        Self {
            chain,
            actor: actor.into(),
            session: None,
            action,
            object: None,
            outcome,
            reason: None,
            trace_id: None,
            origin: None,
            details: BTreeMap::new(),
        }
    }

    /// An entry of a verified caller, in the chain of their tenant (the platform's for operators).
    #[must_use]
    pub fn of(caller: &Caller, action: &'static str, outcome: Outcome) -> Self {
        let mut entry = Self::new(Chain::from(caller.tenant), caller.subject, action, outcome);
        entry.session = caller.session;
        entry
    }

    /// Which login it belongs to.
    #[must_use]
    pub const fn during(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// On what: an id, or `kind:name` for what has none.
    #[must_use]
    pub fn on(mut self, object: impl Display) -> Self {
        self.object = Some(safe(object));
        self
    }

    /// Why it was denied or failed: a reason such as `RIGHT_MISSING`, not a sentence.
    #[must_use]
    pub fn because(mut self, reason: impl Display) -> Self {
        self.reason = Some(safe(reason));
        self
    }

    /// Which trace it belongs to: 32 hexadecimal digits.
    #[must_use]
    pub fn traced(mut self, trace_id: impl Display) -> Self {
        self.trace_id = Some(safe(trace_id));
        self
    }

    /// From where.
    #[must_use]
    pub fn from(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// One more detail: an id, a number, a word of ours. Nothing that a caller wrote freely.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.details.insert(name, safe(value));
        self
    }

    /// Which chain it belongs to.
    #[must_use]
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// From where, if that is known.
    #[must_use]
    pub const fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// What happened.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        self.action
    }

    /// How it ended.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }
}
