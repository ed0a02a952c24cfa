//! What the use cases and the gate need of others, and may not know how. One method of a store is
//! one transaction.

pub mod audit;
mod authenticate;
pub mod credentials;
mod directory;
pub mod identity;
mod key_authenticator;
mod limits;
mod plan_listener;
mod second_factor;
mod shared_buckets;
mod trail;

use std::sync::Arc;

use tradepost_service::Clock;

pub use authenticate::{Authenticate, Refused};
pub use directory::{Directory, Key};
pub use key_authenticator::{KeyAuthenticator, KeyRefused};
pub use limits::{Decision, Limits};
pub use plan_listener::{PlanListener, Untold};
pub use second_factor::{FactorError, SecondFactor, Shown};
pub use shared_buckets::{Memory, NotShared, Shared, SharedBucket, SharedBuckets};
pub use trail::Trail;

/// The port cannot do its work now; the caller may come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not available at the moment")]
pub struct Unavailable;

/// Those that the gate asks about a request, in this order. Cheap to clone.
#[derive(Clone)]
pub struct Guards {
    /// How much is too much.
    pub limits: Arc<dyn Limits>,
    /// Who calls.
    pub authenticate: Arc<dyn Authenticate>,
    /// Which tenants, members and keys there are.
    pub directory: Arc<dyn Directory>,
    /// What is remembered.
    pub trail: Arc<dyn Trail>,
    /// What time it is.
    pub clock: Clock,
}
