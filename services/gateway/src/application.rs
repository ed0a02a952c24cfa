//! What can be done, one use case a file, over the ports.

mod access_tokens;
mod audit_keeper;
mod audit_log;
mod authenticator;
mod claims;
mod current;
mod directory;
mod entrance;
mod limits;
mod passwords;
mod revocations;
mod sealing;

pub use access_tokens::{
    AccessToken, AccessTokens, Grant, IssueError, KeyFault, TokenSettings, generate_key,
};
pub use audit_keeper::{AuditKeeper, AuditPolicy, KeepError};
pub use audit_log::{AuditLimits, AuditLog, AuditUnavailable};
pub use authenticator::{Authenticator, Refused, Verified};
pub use claims::{AUDIENCE, AccessClaims, TOKEN_TYPE};
pub use current::{CurrentError, KeepCurrent};
pub use directory::Directory;
pub use entrance::Entrance;
pub use limits::{Decision, Limiter, RATE_LIMIT, RATE_LIMIT_POLICY};
pub use passwords::{HashError, HashSettings, Passwords};
pub use revocations::Revocations;
pub use sealing::{MasterKeyFault, Purpose, SealError, Sealer};
