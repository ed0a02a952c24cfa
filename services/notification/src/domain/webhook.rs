//! Outgoing webhooks: what is told to whom, when it is tried again, where it may go, how it is
//! signed. Nothing here sends or stores.

mod address;
mod schedule;
mod signature;
mod url;

pub use address::is_public;
pub use schedule::{ATTEMPTS_MAX, JITTER_PERMILLE_MAX, RETRY_AFTER_MAX, Verdict, verdict};
pub use signature::{SecretError, SigningSecret, signatures};
pub use url::{EndpointUrl, UrlError, UrlRules};

pub use super::pattern::{Pattern, PatternError};
