//! Who may call what. A service believes nobody but the signature under the token of a call.
//!
//! Whoever calls has an [`Identity`]: a private key, and the name it signs in. For every call it
//! shows a token that lives a minute, says who acts for which tenant with which rights, and is good
//! for one service only. A server believes the issuers of its trust file, each as far as its
//! entry goes, and opens a method to the right that its [`Rule`] names; a method without a rule
//! stays shut. The handler finds the verified [`Caller`] behind the
//! [`RequestContext`](crate::RequestContext).

mod caller;
mod config;
mod door;
mod grant;
mod guard;
mod identity;
mod mint;
mod rule;
mod trust;

use std::time::Duration;

pub use caller::Caller;
pub use config::AuthConfig;
pub use door::{Denied, Door};
pub use grant::{Bearer, Grant};
pub use identity::{Identity, IdentityError};
pub use mint::{MintArgs, mint};
pub use rule::Rule;

pub(crate) use guard::Guard;
pub(crate) use rule::{Rules, check};
pub(crate) use trust::Trust;

/// The `typ` of internal tokens: nothing else that a key signs is one.
const TYP: &str = "tradepost-internal+jwt";
/// How long a token may be used.
const LIFETIME: Duration = Duration::from_secs(60);
/// By how much the clocks of two processes may differ.
const SKEW: Duration = Duration::from_secs(10);
