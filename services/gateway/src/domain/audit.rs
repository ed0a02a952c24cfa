//! The audit trail: who did what, on what, from where, and how it ended.
//!
//! Entries form a chain for each tenant, and one of the platform: each is sealed with a hash over
//! itself and the hash before it (`chain`), so that nothing can be changed, taken out or put in
//! without a trace. It is *not* a log: it holds no secrets, no e-mail addresses and no bodies, and
//! where a call came from stands beside the chain, where it can be erased.

mod chain;
mod entry;
mod text;

pub use chain::{Digest, Head, Sealed};
pub use entry::{Actor, Entry, Origin, Outcome, Salt};

use std::fmt;
use std::str::FromStr;

use tradepost_types::{IdError, TenantId};
use uuid::Uuid;

/// Which chain an entry belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Chain {
    /// What concerns no single tenant: operators, failed logins.
    Platform,
    /// What concerns one tenant.
    Tenant(TenantId),
}

impl Chain {
    const PLATFORM: &'static str = "platform";

    /// The form that tables hold; no tenant has the nil id.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        match self {
            Self::Platform => Uuid::nil(),
            Self::Tenant(tenant) => tenant.as_uuid(),
        }
    }

    /// Reads the form that tables hold.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        if uuid.is_nil() {
            Self::Platform
        } else {
            Self::Tenant(TenantId::from_uuid(uuid))
        }
    }
}

impl From<Option<TenantId>> for Chain {
    /// The chain of a caller: that of the tenant, or the platform's for an operator.
    fn from(tenant: Option<TenantId>) -> Self {
        tenant.map_or(Self::Platform, Self::Tenant)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str(Self::PLATFORM),
            Self::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

impl FromStr for Chain {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            Self::PLATFORM => Ok(Self::Platform),
            tenant => tenant.parse().map(Self::Tenant),
        }
    }
}
