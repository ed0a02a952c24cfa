//! What can be done, one use case a file, over the ports.

mod access_tokens;
mod api_keys;
mod audit_keeper;
mod audit_log;
mod authenticator;
mod claims;
mod credentials;
mod current;
mod directory;
mod entrance;
mod identity;
mod key_callers;
mod limits;
mod log_in;
mod oauth;
mod oauth_clients;
mod passwords;
mod plans;
mod revocations;
mod sealing;
mod second_factors;
mod sessions;
mod signing_keys;
mod tenants;
mod tickets;
mod users;
mod watching;

pub use access_tokens::{
    AccessToken, AccessTokens, Grant, IssueError, KeyFault, TokenSettings, generate_key, seal_key,
};
pub use api_keys::{ApiKeys, KeyRotation, KeyWish, ManageFault, ShownOnce};
pub use audit_keeper::{AuditKeeper, AuditPolicy, KeepError};
pub use audit_log::{AuditLimits, AuditLog, AuditUnavailable};
pub use authenticator::{Authenticator, Refused};
pub use claims::{AUDIENCE, AccessClaims, TOKEN_TYPE};
pub use credentials::{CredentialPorts, Credentials, Keyring};
pub use current::{CurrentError, KeepCurrent};
pub use directory::Directory;
pub use entrance::Entrance;
pub use identity::{Identity, IdentityFault, IdentityPorts, StartError};
pub use key_callers::KeyCallers;
pub use limits::{Decision, Limiter, RATE_LIMIT, RATE_LIMIT_POLICY};
pub use log_in::{Attempt, LogIn, LoginError};
pub use oauth::{
    Approved, AuthorizationWish, ClientShown, CodeShown, Introspection, OAuth, OAuthFault,
    OAuthIssued, TokenWish,
};
pub use oauth_clients::{ClientWish, OAuthClients};
pub use passwords::{HashError, HashSettings, Passwords};
pub use plans::TellPlans;
pub use revocations::Revocations;
pub use sealing::{Hashed, MasterKeyFault, Purpose, SealError, Sealer};
pub use second_factors::{ChangeError, Enrolment, FRESH, SecondFactors, person_in_session};
pub use sessions::{Issued, Opening, SessionError, Sessions};
pub use signing_keys::{RotateError, SigningKeys};
pub use tenants::{Founding, ManageError, Tenants};
pub use tickets::{Ticket, TicketFault, Tickets};
pub use users::{Invitation, Invited, UserError, Users, generate_password};
pub use watching::{Ended, News, Watching};
