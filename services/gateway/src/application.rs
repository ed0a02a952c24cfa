//! What can be done, one use case a file, over the ports.

mod access_tokens;
mod authenticator;
mod claims;
mod current;
mod directory;
mod entrance;
mod identity;
mod limits;
mod log_in;
mod passwords;
mod revocations;
mod sealing;
mod sessions;
mod signing_keys;
mod tenants;
mod users;

pub use access_tokens::{
    AccessToken, AccessTokens, Grant, IssueError, KeyFault, TokenSettings, generate_key,
};
pub use authenticator::{Authenticator, Refused, Verified};
pub use claims::{AUDIENCE, AccessClaims, TOKEN_TYPE};
pub use current::{CurrentError, KeepCurrent};
pub use directory::Directory;
pub use entrance::Entrance;
pub use identity::{Identity, IdentityFault, IdentityPorts, StartError};
pub use limits::{Decision, Limiter, RATE_LIMIT, RATE_LIMIT_POLICY};
pub use log_in::{Attempt, LogIn, LoginError};
pub use passwords::{HashError, HashSettings, Passwords};
pub use revocations::Revocations;
pub use sealing::{MasterKeyFault, Purpose, SealError, Sealer};
pub use sessions::{Issued, Opening, SessionError, Sessions};
pub use signing_keys::{RotateError, SigningKeys};
pub use tenants::{Founding, ManageError, Tenants};
pub use users::{Invitation, Invited, UserError, Users, generate_password};
